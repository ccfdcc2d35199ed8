// What a release needs of the control plane: the pool as it is, a change of admin state with the
// guard inside, the drain barrier, and the receipt. A structural part of `Control` in the admin
// module, so the CLI's control client fits as it is. It speaks of one gateway, the one that `scope`
// names. A service behind several gateways would be the same face over a list: change all of them, idle
// when all are idle, status is the worst of them; until then nothing is said of the others.

import type { Scope } from '../base/scope.ts';
import {
  type Admin,
  type AdminState,
  type Checks,
  type Eligibility,
  isCapacity,
} from '../model.ts';

/** One server of the upstream that a service is released behind. */
export type PoolServer = {
  readonly id: string;
  readonly backup: boolean;
  readonly admin: Admin;
  readonly checks: Checks | 'off';
  readonly checkReason: string;
  readonly checkType: 'http' | 'tcp' | 'none';
  readonly eligibility: Eligibility;
  readonly inFlight: number;
};

export type PoolStatus = {
  readonly scope: Scope;
  readonly workers: readonly { readonly generation: number }[];
  readonly upstreams: readonly {
    readonly name: string;
    readonly servers: readonly PoolServer[];
  }[];
};

/** How far a change of admin state has come. `idle`: acknowledged and nothing in flight. */
type DrainState = {
  readonly admin: Admin;
  readonly generation: number;
  readonly acknowledged: boolean;
  readonly inFlight: number;
  readonly idle: boolean;
  readonly eligibility: Eligibility;
  readonly scope: Scope;
};

type Tunnels = {
  readonly opened: number;
  readonly ended: number;
  readonly cut: number;
  readonly open: number;
};

/** What became of the gateway's requests of the upstream while the release ran. */
export type Receipt = {
  readonly id: string;
  readonly requests: number;
  readonly answered: number;
  readonly retried: number;
  readonly cut: number;
  readonly lost: number;
  readonly clientGone: number;
  readonly stillInFlight: number;
  readonly tunnels: Tunnels;
  readonly longestGapMs: number;
  readonly servers: readonly {
    readonly id: string;
    readonly attempts: number;
    readonly answered: number;
    readonly retried: number;
    readonly cut: number;
    readonly lost: number;
    readonly clientGone: number;
    readonly tunnels: Tunnels;
  }[];
  readonly scope: Scope;
};

/** The words are those of `AdminRequest` in the admin module. */
type AdminChange = {
  readonly state: AdminState;
  readonly owner: string;
  readonly reason: string;
  readonly keepEligible?: number;
  readonly ifOwner?: string;
};

/** @throws unreachable, unauthorized, not_found, conflict (ifOwner), guard_refused (keepEligible) */
export interface ReleaseControl {
  status(): Promise<PoolStatus>;
  setAdmin(upstream: string, server: string, change: AdminChange): Promise<DrainState>;
  awaitIdle(upstream: string, server: string, timeoutMs: number): Promise<DrainState>;
  openReceipt(upstream: string): Promise<Receipt>;
  readReceipt(id: string): Promise<Receipt>;
}

/** True when the server counts as capacity, as the control plane's guard counts it. */
export function isServing(server: PoolServer): boolean {
  return isCapacity(server.eligibility);
}

/** True when taking it out may cost something: `ejected` passes by itself, the rest does not. */
export function isInPool(server: PoolServer): boolean {
  return isServing(server) || server.eligibility === 'ejected';
}
