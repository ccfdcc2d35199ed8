// What the control API needs of the daemon. The CLI's client is the same face, over HTTP.

import { SluiceError } from '../base/errors.ts';
import type { Role } from '../model.ts';
import type {
  AdminRequest,
  DeregisterRequest,
  DrainDocument,
  EffectDocument,
  EffectQuestion,
  HistoryDocument,
  HistoryQuestion,
  KvEffectDocument,
  KvEffectQuestion,
  KvEntryDocument,
  KvListDocument,
  KvListQuestion,
  KvRemoveRequest,
  KvWriteRequest,
  OpenStream,
  OutputDocument,
  ReceiptDocument,
  RegisterRequest,
  ReleaseOverview,
  ReleasePlanDocument,
  ReleaseRecords,
  ReloadedDocument,
  ReloadRequest,
  RequestsDocument,
  RunDocument,
  StartRequest,
  StatusDocument,
  StoryQuestion,
  UpgradingDocument,
} from './contract.ts';
import type { MetricsFormat, ToldRequest } from './pages.ts';

/** @throws not_found, conflict, guard_refused, … as the routes of the contract say */
export interface Control {
  status(): Promise<StatusDocument>;
  setAdmin(upstream: string, server: string, request: AdminRequest): Promise<DrainDocument>;
  /** Resolves when the server is idle or the time is over, whichever is first. */
  awaitIdle(upstream: string, server: string, timeoutMs: number): Promise<DrainDocument>;
  /** Writes the weight into the registry's record, other attributes kept. */
  setWeight(upstream: string, server: string, weight: number): Promise<void>;
  /** Writes the record of a server, which need not exist yet; other attributes kept. */
  register(upstream: string, server: string, request: RegisterRequest): Promise<void>;
  /** Removes the record of a server that takes no requests; nothing where there is none. */
  deregister(upstream: string, server: string, request: DeregisterRequest): Promise<void>;
  openReceipt(upstream: string): Promise<ReceiptDocument>;
  readReceipt(id: string): Promise<ReceiptDocument>;
  readonly releases: ReleaseRecords;
  /** `told`: for exemplars, which only OpenMetrics has. */
  metrics(format?: MetricsFormat, told?: readonly ToldRequest[]): Promise<string>;
}

/** The file that the gateway was started with. */
export interface Configuration {
  /** Reads it again and puts it in force. @throws config_…, conflict, address_…; nothing has changed then */
  reload(request: ReloadRequest): Promise<ReloadedDocument>;
  /**
   * The program that is on the disk now takes over. Resolves when it has loaded everything.
   * @throws conflict; nothing has changed then
   */
  upgrade(): Promise<UpgradingDocument>;
}

/** What a person at a page asks before deciding. */
export interface Desk {
  /** @throws not_found, usage */
  effect(upstream: string, server: string, question: EffectQuestion): Promise<EffectDocument>;
  readonly records: RecordDesk;
  readonly releases: ReleaseDesk;
}

/** The releases of all services; and what this gateway runs `sluice` for. */
export interface ReleaseDesk {
  /** @throws registry_… */
  overview(last: number): Promise<ReleaseOverview>;
  /**
   * Resolves when it has begun a release, or is still at what comes before. `by`: of the token; '' = nobody is
   * known. @throws forbidden where none is started, and what the runner ended with
   */
  start(service: string, request: StartRequest, by: string): Promise<RunDocument>;
  /** The newest one that this gateway has started. @throws not_found */
  run(service: string): RunDocument;
  /** @throws as start */
  plan(
    service: string,
    asked: { readonly kind: 'deploy' | 'rollback'; readonly version: string },
  ): Promise<ReleasePlanDocument>;
  /** @throws as start */
  output(service: string, instance: string, last: number): Promise<OutputDocument>;
}

/** The records of the registries. `role`: of whoever asks; `isClosed`: a token is needed. */
export interface RecordDesk {
  /** @throws not_found, registry_… */
  list(question: KvListQuestion): Promise<KvListDocument>;
  entry(
    place: { readonly registry: string; readonly key: string },
    role: Role,
  ): Promise<KvEntryDocument>;
  effect(question: KvEffectQuestion, isClosed: boolean): Promise<KvEffectDocument>;
  /** Tells the audit log before anything is done. @throws conflict, forbidden, usage, registry_… */
  write(request: KvWriteRequest, role: Role, tell: Tell): Promise<KvEntryDocument>;
  /** Resolves with how many it removed. @throws as write */
  remove(request: KvRemoveRequest, role: Role, tell: Tell): Promise<number>;
}

/** What the audit log has of a change: it must not have what may be a secret. */
export type Tell = (asked: Readonly<Record<string, unknown>>) => void;

/** What happens, for whoever looks on: none of it is needed to run a gateway. */
export interface Live {
  /** `gateway`: '' = the sum of all, `own`, or the id of another one. @throws not_found */
  history(question: HistoryQuestion, gateway: string): Promise<HistoryDocument>;
  /** What all gateways keep of requests. @throws not_found */
  requests(question: StoryQuestion): Promise<RequestsDocument>;
  /** Those of them that a server has answered. */
  told(): readonly ToldRequest[];
  /** `after`: the id of the last event that was seen; '' = none. @throws not_found, unreachable */
  stream(topics: readonly string[], after: string): OpenStream;
}

export type Readiness = {
  /** Why clients are not accepted, in words; '' = they are. */
  readonly reason: string;
  /** It is shutting down and does nothing more. */
  readonly isClosing: boolean;
};

/** What a question meets from then on; one that was waiting, too. */
export function shuttingDown(): SluiceError {
  const text = 'Sluice is shutting down: it finishes what is in flight, and answers nothing else';
  return new SluiceError('unreachable', text);
}
