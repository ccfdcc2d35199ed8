// What a release needs of the control plane: the pool as it is, a change of admin state with the
// guard inside, the drain barrier, and the receipt. The part of the control API's documents that a
// release reads, so the CLI's control client fits as it is. The gateway that is asked speaks for all that
// share its registry: a change reaches all of them, idle is idle on all of them; `scope` names them, and
// those that it could not hear.

import type {
  AdminRequest,
  DeregisterRequest,
  DrainDocument,
  ReceiptDocument,
  RegisterRequest,
  ReleaseRecords,
  ServerDocument,
  StatusDocument,
} from '../admin/contract.ts';
import { isCapacity } from '../model.ts';

/** One server of the upstream that a service is released behind. */
export type PoolServer = Pick<
  ServerDocument,
  | 'id'
  | 'backup'
  | 'admin'
  | 'checks'
  | 'checkReason'
  | 'checkType'
  | 'eligibility'
  | 'outElsewhere'
  | 'settled'
  | 'givenBack'
  | 'inFlight'
>;

export type PoolStatus = Pick<StatusDocument, 'scope'> & {
  readonly upstreams: readonly { readonly name: string; readonly servers: readonly PoolServer[] }[];
};

/** How far a change of admin state has come. `idle`: acknowledged and nothing in flight. */
type DrainState = Omit<DrainDocument, 'server'>;

/** What became of the gateway's requests of the upstream while the release ran. */
export type Receipt = Omit<ReceiptDocument, 'upstream' | 'openedAtMs'>;

/** What one server was counted with. */
export type ReceiptServer = Receipt['servers'][number];

/** @throws unreachable, unauthorized, not_found, conflict (ifOwner), guard_refused (keepEligible) */
export interface ReleaseControl {
  status(): Promise<PoolStatus>;
  setAdmin(upstream: string, server: string, change: AdminRequest): Promise<DrainState>;
  awaitIdle(upstream: string, server: string, timeoutMs: number): Promise<DrainState>;
  /** Writes the server's record, with `down` or without. @throws conflict where there is no place for one */
  register(upstream: string, server: string, request: RegisterRequest): Promise<void>;
  /** Removes it. @throws conflict while it takes requests */
  deregister(upstream: string, server: string, request: DeregisterRequest): Promise<void>;
  openReceipt(upstream: string): Promise<Receipt>;
  readReceipt(id: string): Promise<Receipt>;
  /** Lock, journals and what runs where, as the gateways share them; absent: they do not. */
  readonly releases?: ReleaseRecords;
}

/** True when the server counts as capacity on every gateway, as the control plane's guard counts it. */
export function isServing({ eligibility, outElsewhere }: PoolServer): boolean {
  return isCapacity(eligibility) && outElsewhere.every((other) => isCapacity(other.eligibility));
}

/** True when taking it out may cost something: `ejected` passes by itself, the rest does not. */
export function isInPool(server: PoolServer): boolean {
  const words = [server, ...server.outElsewhere].map(({ eligibility }) => eligibility);
  return words.every((word) => isCapacity(word) || word === 'ejected');
}
