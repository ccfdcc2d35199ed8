// The releases of all services as one gateway and its clients see them: the same face for the gateway
// that keeps them in the registry, and for a runner that asks it over HTTP.

import type {
  InstancesDocument,
  ReleaseJournal,
  ReleasesDocument,
  RenewedDocument,
  TakenDocument,
} from './release-documents.ts';
import type {
  AppendRequest,
  CloseRequest,
  CommandRequest,
  PutInstanceRequest,
  RenewRequest,
  TakeRequest,
} from './release-requests.ts';

/**
 * Every call may be made again when its answer was lost.
 * @throws locked when somebody else has the lock, not_found, conflict, registry_…, unreachable
 */
export interface ReleaseRecords {
  /** Takes the lock of the service, for a new release or to go on with one. */
  take(service: string, request: TakeRequest): Promise<TakenDocument>;
  /** A sign of life; resolves with the next command, or null when the time is over. `stop`: nobody waits for it any more. */
  renew(service: string, request: RenewRequest, stop?: AbortSignal): Promise<RenewedDocument>;
  append(service: string, request: AppendRequest): Promise<void>;
  /** The release is over, and the lock is free. */
  close(service: string, request: CloseRequest): Promise<void>;
  /** Resolves with the release that was told. */
  command(service: string, request: CommandRequest): Promise<string>;
  history(service: string): Promise<ReleasesDocument>;
  /** '' is the newest. */
  journal(service: string, release: string): Promise<ReleaseJournal>;
  instances(service: string): Promise<InstancesDocument>;
  putInstance(service: string, instance: string, request: PutInstanceRequest): Promise<void>;
}
