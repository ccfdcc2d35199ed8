// The one agent of this registry: what is registered with it, its checks while they run, and services
// that are removed when they were critical for too long. What it changes is written before it is
// answered (agent-writes.ts); only what a check says beside an unchanged status waits for a while, so
// that a check which counts its milliseconds does not write, and wake, at every look.

import { isSluiceError, messageOf } from '../../../base/errors.ts';
import type { KeyTable } from '../../embedded.ts';
import { COMPATIBLE_VERSION } from '../agent-document.ts';
import type { ApiContext } from '../routes.ts';
import {
  AGENT_CHECK_STATES,
  AGENT_CHECKS,
  AGENT_SERVICES,
  type AgentCheck,
  type AgentCheckState,
  stateOf,
} from './agent-state.ts';
import { type AgentWrite, type OwnNode, removeService, setState, showAll } from './agent-writes.ts';
import type { Found } from './check-probe.ts';
import { CheckRunner } from './check-runner.ts';

/** How long a text beside an unchanged status may wait. */
const OUTPUT_WAITS_MS = 300_000;
/** How often everything is compared with the catalog. */
const COMPARE_MS = 60_000;
const REAP_MS = 30_000;
const REAP_AFTER_MIN_MS = 60_000;
const NS_PER_MS = 1e6;
const OWN_KINDS: readonly string[] = [
  ...[AGENT_CHECKS.name, AGENT_CHECK_STATES.name, AGENT_SERVICES.name],
];

export class Agent {
  readonly context: ApiContext;
  readonly #runner: CheckRunner;
  readonly #startedWallMs: number;
  readonly #stops: (() => void)[] = [];
  /** What checks said beside an unchanged status, and is not written yet. */
  readonly #outputs = new Map<string, string>();
  #outputsDueMs: number;

  constructor(context: ApiContext) {
    this.context = context;
    const { clock, random, store } = context;
    this.#startedWallMs = clock.wallMs();
    this.#outputsDueMs = clock.nowMs() + OUTPUT_WAITS_MS;
    this.#runner = new CheckRunner({
      ...{ clock, random },
      table: () => this.table,
      found: (checkId, found) => this.#found(checkId, found),
    });
    this.#stops.push(
      store.onChange((changes) => {
        const kinds = new Set(changes === 'all' ? OWN_KINDS : changes.map(({ family }) => family));
        if (kinds.has(AGENT_CHECKS.name)) this.#runner.sync();
        if (OWN_KINDS.some((kind) => kinds.has(kind))) this.#runner.syncAliases();
      }),
    );
    this.#every(COMPARE_MS, () => this.#compare());
    this.#every(REAP_MS, () => this.reap());
  }

  get table(): KeyTable {
    return this.context.store.table;
  }

  /** Shows the node and what it had in the catalog, and runs its checks. */
  async start(): Promise<void> {
    this.#runner.sync();
    await this.#compare(({ writes }) => {
      if (!this.context.standsIn) writes.keepFirstIndex();
    });
  }

  write<Result>(work: (write: AgentWrite) => Result): Promise<Result> {
    const { store, nodeName, clock } = this.context;
    return store.transact((writes) => work({ writes, node: nodeName, wallMs: clock.wallMs() }));
  }

  /** With what the check said last, written or not. */
  state(checkId: string): AgentCheckState {
    const state = stateOf(this.table, checkId);
    const output = this.#outputs.get(checkId);
    return output === undefined ? state : { ...state, output };
  }

  /** Of a TTL check; false when there is no such check. */
  async report(checkId: string, found: Found): Promise<boolean> {
    if (!this.#runner.reported(checkId, found.output)) return false;
    await this.#settle(checkId, found);
    return true;
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#runner.close();
  }

  /** Removes the services whose check was critical for longer than it may. */
  async reap(): Promise<void> {
    const nowMs = this.context.clock.wallMs();
    const due = new Set<string>();
    for (const { value } of AGENT_CHECKS.list(this.table)) {
      if (value.serviceId !== '' && this.#isOverdue(value, nowMs)) due.add(value.serviceId);
    }
    for (const serviceId of due) {
      this.context.log.info({ service: serviceId }, 'registry service removed: critical too long');
      await this.write((write) => removeService(write, serviceId));
    }
  }

  #isOverdue(check: AgentCheck, nowMs: number): boolean {
    const afterMs = (check.definition?.DeregisterCriticalServiceAfter ?? 0) / NS_PER_MS;
    const { criticalSinceMs } = stateOf(this.table, check.id);
    if (afterMs <= 0 || criticalSinceMs === 0) return false;
    // While we were away nobody could see it well.
    const since = Math.max(criticalSinceMs, this.#startedWallMs);
    return nowMs - since > Math.max(REAP_AFTER_MIN_MS, afterMs);
  }

  #found(checkId: string, found: Found): void {
    this.#settle(checkId, found).catch((error: unknown) => {
      // The disk refused; the next look tries again. The store has said so already.
      if (!isSluiceError(error)) {
        this.context.log.error({ check: checkId, reason: messageOf(error) }, 'check not written');
      }
    });
  }

  async #settle(checkId: string, found: Found): Promise<void> {
    const last = stateOf(this.table, checkId);
    if (last.status === found.status) {
      if (last.output === found.output) this.#outputs.delete(checkId);
      else this.#outputs.set(checkId, found.output);
      return;
    }
    this.#outputs.delete(checkId);
    await this.write((write) => setState(write, checkId, found));
  }

  async #compare(before: (write: AgentWrite) => void = () => {}): Promise<void> {
    const { clock } = this.context;
    const isDue = clock.nowMs() >= this.#outputsDueMs;
    const outputs = isDue ? [...this.#outputs] : [];
    if (isDue) {
      this.#outputs.clear();
      this.#outputsDueMs = clock.nowMs() + OUTPUT_WAITS_MS;
    }
    const own = this.#ownNode();
    await this.write((write) => {
      before(write);
      for (const [id, output] of outputs) {
        setState(write, id, { status: stateOf(write.writes.table, id).status, output });
      }
      showAll(write, own);
    });
  }

  #ownNode(): OwnNode {
    const { serverAddress: address, nodeName, nodeId, nodeMeta, datacenter } = this.context;
    const host = ['0.0.0.0', '::'].includes(address.host) ? '127.0.0.1' : address.host;
    const family = host.includes(':') ? 'ipv6' : 'ipv4';
    return {
      port: address.port,
      version: COMPATIBLE_VERSION,
      node: {
        ID: nodeId,
        Node: nodeName,
        Address: host,
        Datacenter: datacenter,
        TaggedAddresses: {
          lan: host,
          [`lan_${family}`]: host,
          wan: host,
          [`wan_${family}`]: host,
        },
        Meta: { ...nodeMeta, 'consul-network-segment': '' },
      },
    };
  }

  #every(intervalMs: number, work: () => Promise<void>): void {
    const { clock } = this.context;
    let isStopped = false;
    let cancel = (): void => {};
    const next = (): void => {
      if (isStopped) return;
      cancel = clock.after(intervalMs, () => {
        work()
          .catch(() => {}) // The disk refused, the store has said so; the next time may be better.
          .finally(next);
      });
    };
    next();
    this.#stops.push(() => {
      isStopped = true;
      cancel();
    });
  }
}
