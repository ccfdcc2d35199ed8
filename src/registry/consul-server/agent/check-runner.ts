// Runs the agent's checks: looks at intervals, and for TTL checks waits for whoever reports. It follows
// what is registered; what a check found goes to the agent, which writes it.

import type { KeyTable } from '../../embedded.ts';
import type { CheckDefinition } from '../catalog.ts';
import type { Clock } from '../http.ts';
import { AGENT_CHECKS, AGENT_SERVICES, type AgentCheck, checksOf, stateOf } from './agent-state.ts';
import { type Found, look } from './check-probe.ts';

/** Consul's least interval. */
const INTERVAL_MIN_MS = 1_000;
const NS_PER_MS = 1e6;

type Running = {
  readonly check: AgentCheck;
  readonly stop: () => void;
  /** Of a TTL check: somebody reported. */
  readonly reported: (output: string) => void;
};

export type RunnerOptions = {
  readonly clock: Clock;
  readonly random: () => number;
  readonly table: () => KeyTable;
  readonly found: (checkId: string, found: Found) => void;
};

export class CheckRunner {
  readonly #options: RunnerOptions;
  readonly #running = new Map<string, Running>();

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Starts what is new, restarts what changed, stops what is gone. */
  sync(): void {
    const registered = AGENT_CHECKS.list(this.#options.table());
    const ids = new Set(registered.map(({ id }) => id));
    for (const [id, { stop }] of this.#running) {
      if (ids.has(id)) continue;
      stop();
      this.#running.delete(id);
    }
    for (const { id, value } of registered) {
      const running = this.#running.get(id);
      if (running?.check === value) continue;
      running?.stop();
      this.#running.delete(id);
      const { definition } = value;
      if (definition !== null) this.#running.set(id, this.#start(value, definition));
    }
  }

  /** False when no TTL check has the id. */
  reported(checkId: string, output: string): boolean {
    const running = this.#running.get(checkId);
    if (running?.check.type !== 'ttl') return false;
    running.reported(output);
    return true;
  }

  /** What aliases of the service see now. */
  syncAliases(): void {
    const table = this.#options.table();
    for (const { check } of this.#running.values()) {
      if (check.type === 'alias') this.#options.found(check.id, aliasFound(table, check));
    }
  }

  close(): void {
    for (const { stop } of this.#running.values()) stop();
    this.#running.clear();
  }

  #start(check: AgentCheck, definition: CheckDefinition): Running {
    if (check.type === 'ttl') return this.#startTtl(check, definition.TTL / NS_PER_MS);
    if (check.type === 'alias') {
      queueMicrotask(() => this.#options.found(check.id, aliasFound(this.#options.table(), check)));
      return { check, stop: () => {}, reported: () => {} };
    }
    return this.#startLooking(check, definition);
  }

  #startTtl(check: AgentCheck, ttlMs: number): Running {
    const { clock, found } = this.#options;
    let lastOutput = '';
    const expire = (): void => {
      const last = lastOutput === '' ? '' : ` (last output before timeout follows): ${lastOutput}`;
      found(check.id, { status: 'critical', output: `TTL expired${last}` });
    };
    let cancel = clock.after(ttlMs, expire);
    return {
      check,
      stop: () => cancel(),
      reported: (output) => {
        lastOutput = output;
        cancel();
        cancel = clock.after(ttlMs, expire);
      },
    };
  }

  #startLooking(check: AgentCheck, definition: CheckDefinition): Running {
    const { clock, random, found } = this.#options;
    const intervalMs = Math.max(INTERVAL_MIN_MS, definition.Interval / NS_PER_MS);
    const stopped = new AbortController();
    const counted = counter(check);
    let cancel = (): void => {};
    const next = (delayMs: number): void => {
      cancel = clock.after(delayMs, () => {
        void look(definition, stopped.signal).then((result) => {
          if (stopped.signal.aborted) return;
          if (counted(result.status)) found(check.id, result);
          next(intervalMs);
        });
      });
    };
    // Spread, so that those that were registered together do not look together.
    next(random() * intervalMs);
    return {
      check,
      stop: () => {
        cancel();
        stopped.abort();
      },
      reported: () => {},
    };
  }
}

/** Whether a result counts: only the n-th of its kind in a row may do. */
function counter(check: AgentCheck): (status: string) => boolean {
  let [successes, failures] = [0, 0];
  return (status) => {
    if (status === 'critical') {
      successes = 0;
      return ++failures >= check.failuresBeforeCritical;
    }
    failures = 0;
    return ++successes >= check.successBeforePassing;
  };
}

function aliasFound(table: KeyTable, { definition }: AgentCheck): Found {
  const service = definition?.AliasService ?? '';
  if (AGENT_SERVICES.find(table, service) === undefined) {
    return { status: 'critical', output: 'Service or node to alias does not exist' };
  }
  const states = checksOf(table, service, true).map(({ id }) => stateOf(table, id));
  for (const status of ['critical', 'warning'] as const) {
    const worst = states.find((state) => state.status === status);
    if (worst !== undefined) return { status, output: `Aliased check is ${status}` };
  }
  return { status: 'passing', output: 'All checks passing.' };
}
