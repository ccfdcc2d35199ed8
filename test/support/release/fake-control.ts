// A control plane in memory that behaves: it evaluates the guard, counts requests in flight, acknowledges,
// and looks at the instances by itself.

import type { ReleaseRecords } from '../../../src/admin/contract.ts';
import { SluiceError } from '../../../src/base/errors.ts';
import type { Scope } from '../../../src/base/scope.ts';
import type { PoolServer, PoolStatus, Receipt, ReleaseControl } from '../../../src/release.ts';
import { NO_ANSWERS, NO_LASTING } from '../admin/documents.ts';
import { ALONE } from '../base/scopes.ts';

type FakeServer = {
  state: PoolServer['admin'];
  inFlight: number;
  /** A verdict that stands whatever the instance answers. */
  forced: '' | 'up' | 'down';
};

/** A server of a receipt: so many answers, of which so many with 5xx, and attempts that it failed. */
export function counted(id: string, answered: number, bad: number, failures = 0): ReceiptCount {
  const answers = { ...NO_ANSWERS, '2xx': answered - bad, '5xx': bad };
  const rest = {
    retried: failures,
    cut: 0,
    lost: 0,
    clientGone: 0,
    tunnels: NO_LASTING,
    streams: NO_LASTING,
  };
  return { id, attempts: answered + failures, answered, answers, failures, ...rest };
}

type ReceiptCount = Receipt['servers'][number];

/** A server as a person, or with `kv` the registry, holds it. */
export function heldBy(owner: string, state: 'ready' | 'drain' | 'maint'): PoolServer['admin'] {
  return { state, owner: state === 'ready' ? '' : owner, reason: '', sinceMs: 0 };
}

/** The control plane in memory. `calls` is what it was asked to change, in order. */
export class FakeControl implements ReleaseControl {
  readonly servers = new Map<string, FakeServer>();
  readonly calls: string[] = [];
  /** Fewest servers that were eligible at any change. */
  eligibleMin = Number.POSITIVE_INFINITY;
  checkType: PoolServer['checkType'] = 'http';
  isAway = false;
  /** As after a restart: it does not know its receipts any more. */
  hasForgotten = false;
  scope = ALONE;
  /** What receipts say of the servers, at each reading. */
  counts: () => Receipt['servers'] = () => [];
  opened = 0;
  /** Every gateway has confirmed what is in force. */
  isSettled = true;
  /** Give-backs wait, as while the registry is away. */
  isGivenBack = false;
  /** Those that wait. */
  readonly givenBack = new Set<string>();
  /** Other gateways where no server takes requests. */
  outElsewhere: PoolServer['outElsewhere'] = [];
  /** Where it shares the records of releases. */
  declare releases?: ReleaseRecords;
  /** Fails when a runner has lost its lock. */
  claim: (lock: { readonly service: string; readonly fence: number }) => Promise<void> =
    async () => {};
  /** Called at each change before it is made. */
  onChange: (server: string, state: string) => void = () => {};

  constructor(servers: readonly string[]) {
    for (const id of servers) this.servers.set(id, { state: READY, inFlight: 0, forced: '' });
  }

  server(id: string): FakeServer {
    const server = this.servers.get(id);
    if (server === undefined) throw new SluiceError('not_found', `server ${id}: not there`);
    return server;
  }

  async status(): Promise<PoolStatus> {
    if (this.isAway) throw new SluiceError('unreachable', 'control plane 127.0.0.1:8700: away');
    const servers = await Promise.all([...this.servers.keys()].map((id) => this.#look(id)));
    return {
      scope: this.scope,
      upstreams: [{ name: 'app', servers }],
    };
  }

  async setAdmin(
    _upstream: string,
    id: string,
    change: Parameters<ReleaseControl['setAdmin']>[2],
  ): ReturnType<ReleaseControl['setAdmin']> {
    const { upstreams } = await this.status();
    if (change.lock !== undefined) await this.claim(change.lock);
    this.onChange(id, change.state);
    const server = this.server(id);
    const { owner, state } = server.state;
    if (change.ifOwner !== undefined && state !== 'ready' && owner !== change.ifOwner) {
      throw new SluiceError('conflict', `server ${id}: in ${state} by ${owner}`);
    }
    const others = upstreams[0]?.servers.filter((one) => one.eligibility === 'ok' && one.id !== id);
    if ((others?.length ?? 0) < (change.keepEligible ?? 0)) {
      throw new SluiceError('guard_refused', `server ${id}: leaves ${others?.length} eligible`);
    }
    const isOut = change.state !== 'ready';
    this.givenBack.delete(id);
    if (isOut) server.state = { ...READY, ...pick(change) };
    else if (this.isGivenBack) this.givenBack.add(id);
    else server.state = READY;
    this.calls.push(`${id} ${change.state}`);
    const { upstreams: after } = await this.status();
    const eligible = after[0]?.servers.filter((one) => one.eligibility === 'ok').length ?? 0;
    if (isOut) this.eligibleMin = Math.min(this.eligibleMin, eligible);
    return this.#drainState(id);
  }

  async awaitIdle(
    _upstream: string,
    id: string,
    timeoutMs: number,
  ): ReturnType<ReleaseControl['awaitIdle']> {
    const deadline = performance.now() + timeoutMs;
    while (this.server(id).inFlight > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.#drainState(id);
  }

  async register(_: string, id: string, { down }: { readonly down: boolean }): Promise<void> {
    const server = this.servers.get(id) ?? { state: READY, inFlight: 0, forced: '' as const };
    const isKv = server.state.owner === 'kv';
    if (down) server.state = heldBy('kv', 'maint');
    else if (isKv) server.state = READY;
    this.servers.set(id, server);
    this.calls.push(`${id} register${down ? ' down' : ''}`);
  }

  async deregister(_: string, id: string): Promise<void> {
    if (this.server(id).state.state === 'ready') {
      throw new SluiceError('conflict', `server ${id}: takes requests`);
    }
    this.servers.delete(id);
    this.calls.push(`${id} deregister`);
  }

  async openReceipt(): Promise<Receipt> {
    this.opened += 1;
    this.hasForgotten = false;
    return receipt(this.scope);
  }

  async readReceipt(): Promise<Receipt> {
    if (this.hasForgotten) throw new SluiceError('not_found', 'receipt x1: unknown');
    return { ...receipt(this.scope), servers: this.counts() };
  }

  async #drainState(id: string): ReturnType<ReleaseControl['awaitIdle']> {
    const { inFlight, state } = this.server(id);
    const { eligibility } = await this.#look(id);
    const idle = inFlight === 0;
    const base = { admin: state, generation: 1, acknowledged: true };
    const counts = { inFlight, tunnels: 0, streams: 0, idle, givenBack: this.givenBack.has(id) };
    return { ...base, ...counts, eligibility, scope: this.scope };
  }

  async #look(id: string): Promise<PoolServer> {
    const { state, inFlight, forced } = this.server(id);
    const isUp = forced === '' ? (await versionOf(id)) !== '' : forced === 'up';
    // In maint the checks rest.
    const isChecked = this.checkType !== 'none' && state.state !== 'maint';
    const checked = !isChecked ? 'unknown' : isUp ? 'up' : 'down';
    const eligibility = state.state !== 'ready' ? state.state : checked === 'down' ? 'down' : 'ok';
    const { checkType } = this;
    const base = { id, backup: false, admin: state, inFlight, checkReason: '', checkType };
    return {
      ...base,
      checks: checked,
      eligibility,
      outElsewhere: this.outElsewhere,
      settled: this.isSettled,
      givenBack: this.givenBack.has(id),
    };
  }
}

const READY: PoolServer['admin'] = { state: 'ready', owner: '', reason: '', sinceMs: 0 };

function pick(change: Parameters<ReleaseControl['setAdmin']>[2]): Partial<PoolServer['admin']> {
  return { state: change.state, owner: change.owner, reason: change.reason };
}

function receipt(scope: Scope): Receipt {
  const counts = { requests: 0, answered: 0, retried: 0, cut: 0, lost: 0, clientGone: 0 };
  return {
    id: 'x1',
    ...counts,
    stillInFlight: 0,
    ...{ answers: NO_ANSWERS, tunnels: NO_LASTING, streams: NO_LASTING },
    longestGapMs: 0,
    workersLost: 0,
    servers: [],
    gateways: [],
    complete: scope.unheard.length === 0,
    scope,
  };
}

/** The version that answers there; '' when nothing does. */
export async function versionOf(id: string): Promise<string> {
  try {
    const response = await fetch(`http://${id}/version`, { signal: AbortSignal.timeout(2000) });
    return (await response.text()).trim();
  } catch {
    return '';
  }
}
