// The control plane of a model, as one runner sees it: admin states, the guard, idle, and the lock that each
// change is made under, in one piece.

import type { ReleaseRecords } from '../../../../src/admin/contract.ts';
import { SluiceError } from '../../../../src/base/errors.ts';
import type { SharedReleases } from '../../../../src/control.ts';
import type { PoolServer, PoolStatus, ReleaseControl } from '../../../../src/release.ts';
import { ALONE, PARTIAL } from '../../base/scopes.ts';
import type { MemoryRegistry } from '../../gateways/memory-registry.ts';
import { FakeControl } from '../fake-control.ts';
import type { Gate } from './runner.ts';
import { CROSSING_MS, type World } from './world.ts';

type Drain = Awaited<ReturnType<ReleaseControl['setAdmin']>>;

export class ModelControl implements ReleaseControl {
  readonly releases: ReleaseRecords;
  /** How many changes this runner has made. */
  changed = 0;
  readonly #world: World;
  readonly #gate: Gate;
  readonly #shared: SharedReleases;
  readonly #registry: MemoryRegistry;
  readonly #receipts = new FakeControl([]);

  constructor(given: {
    readonly world: World;
    readonly gate: Gate;
    readonly shared: SharedReleases;
    readonly registry: MemoryRegistry;
  }) {
    this.#world = given.world;
    this.#gate = given.gate;
    this.#shared = given.shared;
    this.#registry = given.registry;
    this.releases = this.#gated(given.shared);
  }

  status(): Promise<PoolStatus> {
    return this.#call(async () => {
      const servers = [...this.#world.servers.keys()].map((id) => this.#look(id));
      return { scope: this.#scope(), upstreams: [{ name: 'app', servers }] };
    });
  }

  setAdmin(
    _: string,
    id: string,
    change: Parameters<ReleaseControl['setAdmin']>[2],
  ): Promise<Drain> {
    const world = this.#world;
    return this.#call(async () => {
      const { lock, ifOwner, keepEligible, state, owner, reason } = change;
      if (lock === undefined) world.violated(`${id}: ${state} without a lock`);
      if (lock !== undefined) {
        // A record of the journal may have come in between.
        while (!this.#registry.commit(await this.#shared.claim(lock)));
      }
      // From here on in one piece.
      const { admin } = world.server(id);
      const isTheirs = admin.state !== 'ready' && admin.owner !== ifOwner;
      if (ifOwner !== undefined && isTheirs) {
        throw new SluiceError('conflict', `server ${id}: in ${admin.state} by ${admin.owner}`);
      }
      const others = world.eligible(id);
      const was = world.isEligible(id);
      if (others < (keepEligible ?? 0)) {
        throw new SluiceError('guard_refused', `server ${id}: leaves ${others} eligible`);
      }
      world.say(`${id} ${state} by ${owner}, ${others} others`);
      if (admin.state !== 'ready' && admin.owner.startsWith('user:')) {
        world.violated(`${id}: ${state} although ${admin.owner} holds it`);
      }
      const isKnown = world.now() - world.server(id).forcedMs > CROSSING_MS;
      if (state !== 'ready' && was && isKnown && others < world.need) {
        world.violated(`${id}: taken out, ${others} others eligible, need ${world.need}`);
      }
      world.setAdmin(id, { state, owner, reason, sinceMs: 0 });
      this.changed += 1;
      return this.#drainState(id);
    });
  }

  awaitIdle(_: string, id: string, timeoutMs: number): Promise<Drain> {
    return this.#call(async () => {
      const leftMs = this.#world.server(id).idleAtMs - this.#world.now();
      const waitMs = Math.min(timeoutMs, leftMs);
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      return this.#drainState(id);
    });
  }

  async register(): Promise<void> {
    throw new Error('not in this model');
  }

  async deregister(): Promise<void> {
    throw new Error('not in this model');
  }

  openReceipt(): ReturnType<ReleaseControl['openReceipt']> {
    return this.#call(() => this.#receipts.openReceipt());
  }

  readReceipt(): ReturnType<ReleaseControl['readReceipt']> {
    return this.#call(() => this.#receipts.readReceipt());
  }

  async #call<Result>(act: () => Promise<Result>): Promise<Result> {
    await this.#gate.pass();
    if (this.#world.random() < 0.3) {
      await new Promise((resolve) => setTimeout(resolve, this.#world.random() * 30));
      await this.#gate.pass();
    }
    if (this.#world.isAway) throw new SluiceError('unreachable', 'control plane: away');
    try {
      const result = await act();
      if (this.#world.isAway) throw new SluiceError('unreachable', 'control plane: went away');
      return result;
    } finally {
      await this.#gate.pass();
    }
  }

  #gated(shared: SharedReleases): ReleaseRecords {
    const call = <Result>(act: () => Promise<Result>): Promise<Result> => this.#call(act);
    return {
      take: (service, request) => call(() => shared.take(service, request)),
      renew: (service, body) => call(() => shared.renew(service, body)),
      append: (service, body) => call(() => shared.append(service, body)),
      close: (service, body) => call(() => shared.close(service, body)),
      command: (service, body) => call(() => shared.command(service, body)),
      history: (service) => call(() => shared.history(service)),
      journal: (service, release) => call(() => shared.journal(service, release)),
      instances: (service) => call(() => shared.instances(service)),
      putInstance: (service, id, body) => call(() => shared.putInstance(service, id, body)),
    };
  }

  #scope() {
    return this.#world.isPartial ? PARTIAL : ALONE;
  }

  #look(id: string): PoolServer {
    const { admin, idleAtMs } = this.#world.server(id);
    const up = this.#world.isUp(id) ? 'up' : 'down';
    const checks = admin.state === 'maint' ? 'unknown' : up;
    const eligibility = admin.state !== 'ready' ? admin.state : checks === 'down' ? 'down' : 'ok';
    const inFlight = admin.state === 'ready' || this.#world.now() >= idleAtMs ? 0 : 1;
    return {
      ...{ id, backup: false, admin, checks, checkReason: '', checkType: 'http' as const },
      ...{
        eligibility,
        outElsewhere: [],
        settled: this.#world.isSettled,
        givenBack: false,
        inFlight,
      },
    };
  }

  #drainState(id: string): Drain {
    const { admin, inFlight, eligibility } = this.#look(id);
    const idle = inFlight === 0;
    const counts = { inFlight, tunnels: 0, streams: 0, idle, givenBack: false };
    return {
      admin,
      generation: 1,
      acknowledged: true,
      ...counts,
      eligibility,
      scope: this.#scope(),
    };
  }
}
