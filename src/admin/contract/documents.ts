// The documents of the control API: what GET and POST answer as JSON, and the face `Control` that
// the daemon gives to the API. The CLI, the release engine and the dashboard read these types.

import type { Scope } from '../../base/scope.ts';
import type { Admin, AdminState, Balance, Checks, Eligibility } from '../../model.ts';

export type ServerDocument = {
  readonly id: string;
  /** The first is used; more than one, or other than in the id, where the server is given by name. */
  readonly addresses: readonly string[];
  readonly weight: number;
  readonly maxFails: number;
  readonly failTimeoutMs: number;
  readonly maxConns: number;
  readonly backup: boolean;
  /** Where the record is from: the config file, the registry, or held after the list vanished. */
  readonly source: 'config' | 'registry' | 'held';
  readonly admin: Admin;
  /** Verdict of the active checks; off: this upstream has none, so nobody has looked. */
  readonly checks: Checks | 'off';
  /** Checked, and out of traffic until it has passed: then unknown counts as down. */
  readonly mustPass: boolean;
  readonly checkReason: string;
  readonly checkType: 'http' | 'tcp' | 'none';
  readonly checkPort: number;
  readonly riseCount: number;
  readonly fallCount: number;
  /** 'ok' or the reason; with several workers the worst of their views. */
  readonly eligibility: Eligibility;
  /** Sums over the workers. */
  readonly inFlight: number;
  readonly requests: number;
  readonly failures: number;
  /** What requests found: attempts that failed since the last answer, over the workers. */
  readonly failedInARow: number;
  /** Why the last one failed, in words; '' = none did. */
  readonly lastFailure: string;
  readonly lastFailureMs: number;
  /** 0 = not ejected; the last of the workers. */
  readonly ejectedUntilMs: number;
};

export type UpstreamDocument = {
  readonly name: string;
  readonly balance: Balance;
  readonly eligible: number;
  readonly servers: readonly ServerDocument[];
  /** Unreadable records and held lists, in words. */
  readonly problems: readonly string[];
};

export type StatusDocument = {
  readonly version: string;
  readonly generation: number;
  readonly startedAtMs: number;
  /** Whose view all of this is. */
  readonly scope: Scope;
  readonly workers: readonly {
    readonly id: number;
    readonly pid: number;
    readonly generation: number;
    readonly connections: number;
    /** Since its last sign of life; workers give one twice a second. */
    readonly silentMs: number;
  }[];
  readonly registry: {
    readonly kind: string;
    readonly address: string;
    readonly reachable: boolean;
    readonly index: number;
    readonly lastContactMs: number;
    readonly trouble: string;
  };
  readonly upstreams: readonly UpstreamDocument[];
};

/** POST /api/upstreams/:upstream/servers/:server/admin */
export type AdminRequest = {
  readonly state: AdminState;
  /** `user:alice`, `release:r42`. */
  readonly owner: string;
  readonly reason: string;
  /** Refuse (guard_refused) when fewer than this many other servers would stay eligible. */
  readonly keepEligible?: number;
  /** Only change an admin state that this owner holds or that is ready; else conflict. */
  readonly ifOwner?: string;
};

/** The answer to an admin request, and of the drain wait. */
export type DrainDocument = {
  readonly server: string;
  readonly admin: Admin;
  /** The generation that carries the change. */
  readonly generation: number;
  /** True when every live worker has acknowledged that generation. */
  readonly acknowledged: boolean;
  readonly inFlight: number;
  /** Open tunnels, which are among those in flight. */
  readonly tunnels: number;
  /** acknowledged and inFlight 0, on the gateway that `scope` names. */
  readonly idle: boolean;
  readonly eligibility: Eligibility;
  readonly scope: Scope;
};

/** Upgraded connections. opened = ended + cut + open. */
export type TunnelCounts = {
  /** Since the receipt was opened, and those that were open at that moment. */
  readonly opened: number;
  /** By the client, by the server with a goodbye, or because nothing was said for too long. */
  readonly ended: number;
  /** The server's side was gone while the client still wanted it, or the gateway stopped. */
  readonly cut: number;
  readonly open: number;
};

export type ReceiptServer = {
  readonly id: string;
  /** Attempts sent to this server. */
  readonly attempts: number;
  readonly answered: number;
  readonly retried: number;
  readonly cut: number;
  readonly lost: number;
  readonly clientGone: number;
  readonly tunnels: TunnelCounts;
};

/** What happened to one gateway's requests of one upstream since the receipt was opened. */
export type ReceiptDocument = {
  readonly id: string;
  readonly upstream: string;
  readonly openedAtMs: number;
  /** Requests begun. in = answered + cut + lost + clientGone + stillInFlight. */
  readonly requests: number;
  /** A server's whole response reached the client. */
  readonly answered: number;
  /** Requests that needed more than one attempt. */
  readonly retried: number;
  /** The response began and could not be completed. */
  readonly cut: number;
  /** The gateway had to answer 502, 503 or 504, or could not answer. */
  readonly lost: number;
  /** The client left first, or stopped reading, or its body was refused. */
  readonly clientGone: number;
  readonly stillInFlight: number;
  /** Their requests are among those that were answered. */
  readonly tunnels: TunnelCounts;
  /** Longest time in which whole requests waited for a response and none began, ms. */
  readonly longestGapMs: number;
  readonly servers: readonly ReceiptServer[];
  /** Which gateway counted. */
  readonly scope: Scope;
};

export type Readiness = {
  /** Why clients are not accepted, in words; '' = they are. */
  readonly reason: string;
  /** It is shutting down and does nothing more. */
  readonly isClosing: boolean;
};

/** What the daemon offers to the control API. @throws not_found, conflict, guard_refused, … */
export interface Control {
  status(): Promise<StatusDocument>;
  setAdmin(upstream: string, server: string, request: AdminRequest): Promise<DrainDocument>;
  /** Resolves when the server is idle or the time is over, whichever is first. */
  awaitIdle(upstream: string, server: string, timeoutMs: number): Promise<DrainDocument>;
  /** Writes the weight into the registry's record, other attributes kept. */
  setWeight(upstream: string, server: string, weight: number): Promise<void>;
  openReceipt(upstream: string): Promise<ReceiptDocument>;
  readReceipt(id: string): Promise<ReceiptDocument>;
  /** Prometheus text. */
  metrics(): Promise<string>;
}
