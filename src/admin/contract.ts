// The face of the contract: every route of the control API with what goes in and what comes out. One
// truth for the server, the CLI and browsers: nothing in here needs Node or another module when it runs.

export {
  type CallReply,
  type CallRequest,
  type Reading,
  readReply,
  requestOf,
} from './contract/call.ts';
export {
  type AnswerCounts,
  type DrainDocument,
  EVENT,
  type EventDocument,
  type EventsDocument,
  type FactsDocument,
  type GatewayDocument,
  type LastingCounts,
  RECEIPT_COUNTS,
  type ReceiptCounts,
  type ReceiptDocument,
  type ReceiptServer,
  type RegistryDocument,
  type ServerDocument,
  type StatusDocument,
  type UpstreamDocument,
} from './contract/documents.ts';
export type {
  EffectAction,
  EffectDocument,
  EffectLevel,
  EffectQuestion,
} from './contract/effects.ts';
export {
  HISTORY,
  HISTORY_QUESTION,
  HISTORY_SPANS,
  type HistoryDocument,
  type HistoryQuestion,
  type HistorySpan,
} from './contract/history.ts';
export {
  KV_ROWS_MAX,
  type KvDecoded,
  type KvEffectDocument,
  type KvEffectQuestion,
  type KvEntryDocument,
  type KvListDocument,
  type KvListQuestion,
  type KvOwner,
  type KvRemoveRequest,
  type KvWriteRequest,
} from './contract/kv.ts';
export {
  OUTPUT_LINES_MAX,
  type OutputDocument,
  type ReleaseOverview,
  type ReleasePlanDocument,
  type RunDocument,
  type RunKind,
  type StartRequest,
} from './contract/release-desk.ts';
export {
  type CommandDocument,
  type CommandKind,
  type InstancesDocument,
  JOURNAL_RECORD,
  LOCK,
  type LockDocument,
  RELEASE,
  type ReleaseJournal,
  type ReleaseKind,
  type ReleaseRecord,
  type ReleaseSummary,
  type ReleasesDocument,
  type RenewedDocument,
  type TakenDocument,
  type WaitsDocument,
} from './contract/release-documents.ts';
export type { ReleaseRecords } from './contract/release-records.ts';
export {
  type AppendRequest,
  type CloseRequest,
  type CommandRequest,
  type PutInstanceRequest,
  RECORDS_BYTES_MAX,
  RECORDS_MAX,
  type RenewRequest,
  type TakeRequest,
} from './contract/release-requests.ts';
export { RELOADED, type ReloadedDocument } from './contract/reload.ts';
export type { ReloadRequest } from './contract/requests.ts';
export {
  type AdminRequest,
  type DeregisterRequest,
  EVENTS_MAX,
  type LockRequest,
  type RegisterRequest,
} from './contract/requests.ts';
export {
  type AnswerOf,
  type InputOf,
  type Route,
  statusOf,
} from './contract/route.ts';
export {
  EVERYWHERE,
  ROUTE_NAMES,
  ROUTES,
  type RouteName,
  type Routes,
  routeOf,
} from './contract/routes.ts';
export { CSRF_HEADER, type LoginRequest, type SessionDocument } from './contract/sessions.ts';
export {
  REQUESTS,
  type RequestsDocument,
  STORIES_LAST_MAX,
  STORY_CHOICES,
  STORY_QUESTION,
  type StoryChoice,
  type StoryDocument,
  type StoryQuestion,
} from './contract/stories.ts';
export {
  applyPatch,
  type OpenStream,
  parseTopic,
  patchBetween,
  readMessage,
  type StreamMessage,
  type StreamSink,
  type Topic,
} from './contract/stream.ts';
export type {
  Attention,
  EventsTopic,
  OverviewTopic,
  PoolServer,
  PoolTopic,
  RegistryRow,
  ReleasesTopic,
  ReleaseTopic,
  RequestsTopic,
  SecondFigures,
  ServiceRow,
  TopicTrouble,
  Traffic,
  UpstreamRow,
} from './contract/topics.ts';
export type { UpgradingDocument } from './contract/upgrade.ts';
