// What can be said for the other gateways of the registry: who has confirmed a change, what is in flight
// there, which servers they can use. Of a gateway that is silent, or that cannot be heard because the
// registry is away, nothing is said but that.

import type { GatewayDocument } from '../admin.ts';
import { formatClock } from '../base/duration.ts';
import type { Scope } from '../base/scope.ts';
import type { Elsewhere, Gateways, OtherGateway } from '../gateways.ts';
import { type Admin, type Eligibility, isCapacity, parseOwner } from '../model.ts';

export type OthersOptions = {
  /** Undefined: there is no registry that gateways could share. */
  readonly gateways: Gateways | undefined;
  /** This one: `pid 4711 on web-1`. */
  readonly name: string;
  /** What others may follow, `the Consul at …`; '' = nothing. */
  readonly sharedRegistry: string;
};

/** A drain as the others see it. */
export type DrainElsewhere = {
  /** Every live gateway has it in force. */
  readonly acknowledged: boolean;
  /** And nothing is in flight there. */
  readonly idle: boolean;
  readonly inFlight: number;
  readonly tunnels: number;
  readonly streams: number;
  readonly scope: Scope;
};

export class Others {
  readonly #options: OthersOptions;
  /** By gateway: since when it has been behind. */
  readonly #behindSince = new Map<string, number>();

  constructor(options: OthersOptions) {
    this.#options = options;
  }

  /** Whose view a status is. */
  get scope(): Scope {
    const { gateways } = this.#options;
    return this.#scope((gateways?.others ?? []).map((gateway) => [gateway, '']));
  }

  /** The registry could not be asked: nobody was heard, and somebody may be there who is not known. */
  unheardBecause(reason: string): readonly string[] {
    const { gateways, sharedRegistry } = this.#options;
    if (!this.isReachable) return this.scope.unheard;
    const known = (gateways?.others ?? []).map(({ name }) => `${name} (${reason})`);
    return sharedRegistry === '' ? known : [...known, `others that follow ${sharedRegistry}`];
  }

  /** As a status shows them; `ownIndex`: how far this one follows the registry, 0 = not known. */
  documents(ownIndex: number, nowMs = Date.now()): readonly GatewayDocument[] {
    const others = this.#options.gateways?.others ?? [];
    for (const id of this.#behindSince.keys()) {
      if (!others.some((other) => other.id === id)) this.#behindSince.delete(id);
    }
    return others.map(({ id, name, state, sinceMs, version, control, upstreams }) => {
      const applied = this.#options.gateways?.appliedBy(id);
      const isCurrent = upstreams.every((upstream) =>
        this.#elsewhere(upstream).every(({ gateway, isCurrent }) => gateway.id !== id || isCurrent),
      );
      const { generation = 0, index = 0 } = applied ?? {};
      const isBehind = !isCurrent || (index > 0 && index < ownIndex);
      if (!isBehind || state === 'silent') this.#behindSince.delete(id);
      else if (!this.#behindSince.has(id)) this.#behindSince.set(id, nowMs);
      return {
        ...{ id, name, state, sinceMs, version, control, generation, index },
        current: state === 'live' && isCurrent,
        lagMs: nowMs - (this.#behindSince.get(id) ?? nowMs),
      };
    });
  }

  /** `recordIndex`: of the server's record, where that took it out; else 0. */
  drain(upstream: string, server: string, admin: Admin, recordIndex: number): DrainElsewhere {
    let [acknowledged, idle, inFlight, tunnels, streams] = [true, true, 0, 0, 0];
    const said: [OtherGateway, string][] = [];
    for (const other of this.#elsewhere(upstream)) {
      const view = other.view?.out.get(server);
      const isConfirmed = isConfirmedBy(other, server, admin, recordIndex);
      said.push([other.gateway, isConfirmed ? '' : 'has not confirmed it']);
      if (other.gateway.state === 'silent' || !this.isReachable) continue;
      acknowledged &&= isConfirmed;
      idle &&= isConfirmed && view?.idle !== false;
      inFlight += view?.inFlight ?? 0;
      tunnels += view?.tunnels ?? 0;
      streams += view?.streams ?? 0;
    }
    return { acknowledged, idle, inFlight, tunnels, streams, scope: this.#scope(said) };
  }

  /** What the others say of the servers of an upstream: looked up once, for all of them. */
  servers(upstream: string): (server: string, admin: Admin) => ServerElsewhere {
    const live = this.#elsewhere(upstream).filter(({ gateway }) => gateway.state === 'live');
    return (server, admin) => ({
      outElsewhere: live.flatMap(({ gateway, view }) => {
        const out = view?.out.get(server);
        return out === undefined ? [] : [{ gateway: gateway.name, eligibility: out.eligibility }];
      }),
      isConfirmed: !this.isReachable || live.every((other) => isConfirmedBy(other, server, admin)),
    });
  }

  /** What the guard has to know of one other gateway. */
  capacities(upstream: string): readonly CapacityElsewhere[] {
    return this.#elsewhere(upstream)
      .filter(({ gateway }) => gateway.state === 'live')
      .map(({ gateway, isCurrent, view }) => ({
        gateway: gateway.name,
        isKnown: this.isReachable && isCurrent,
        counts: (server) => isCapacity(view?.out.get(server)?.eligibility ?? 'ok'),
        capacity: view?.capacity ?? 0,
      }));
  }

  /** Resolves when every live gateway has our intents in force, or when the time is over. */
  async untilCurrent(upstream: string, timeoutMs: number): Promise<void> {
    await this.#options.gateways?.until(
      () => this.capacities(upstream).every(({ isKnown }) => isKnown),
      timeoutMs,
    );
  }

  /** False: the registry that they share is away. */
  get isReachable(): boolean {
    return this.#options.gateways?.isReachable !== false;
  }

  #elsewhere(upstream: string): readonly Elsewhere[] {
    return this.#options.gateways?.elsewhere(upstream) ?? [];
  }

  /** `said`: of each gateway, what keeps it from being heard; '' = nothing. */
  #scope(said: readonly (readonly [OtherGateway, string])[]): Scope {
    const { name, sharedRegistry, gateways } = this.#options;
    const heard: string[] = [];
    const unheard: string[] = [];
    for (const [gateway, trouble] of said) {
      const why = !this.isReachable
        ? 'the registry is away'
        : gateway.state === 'silent'
          ? `silent since ${formatClock(gateway.sinceMs)}`
          : trouble;
      if (why === '') heard.push(gateway.name);
      else unheard.push(`${gateway.name} (${why})`);
    }
    // Nobody can say who follows a registry that cannot be asked, or that keeps no gateways.
    if (sharedRegistry !== '' && (gateways === undefined || !this.isReachable)) {
      unheard.push(`others that follow ${sharedRegistry}`);
    }
    return { gateway: name, heard, unheard };
  }
}

/** One server as the live ones of the others see it. */
export type ServerElsewhere = {
  /** Where it takes no requests, though it may here. */
  readonly outElsewhere: readonly { readonly gateway: string; readonly eligibility: Eligibility }[];
  /** All of them have its admin state in force. */
  readonly isConfirmed: boolean;
};

export type CapacityElsewhere = {
  readonly gateway: string;
  /** False: it has not said what it sees since the last change. */
  readonly isKnown: boolean;
  /** Whether a server of ours counts as capacity there. */
  readonly counts: (server: string) => boolean;
  /** Servers that count there, all in all. */
  readonly capacity: number;
};

/**
 * An intent is confirmed by its token; what only the record says, by seeing the server out in a registry
 * that is as far: it may have been out, and back, before.
 */
function isConfirmedBy(
  { isCurrent, view }: Elsewhere,
  server: string,
  { state, owner }: Admin,
  recordIndex = 0,
): boolean {
  if (!isCurrent) return false;
  if (state === 'ready' || parseOwner(owner).kind !== 'registry') return true;
  const out = view?.out.get(server);
  return out !== undefined && out.index >= recordIndex;
}
