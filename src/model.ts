// The face of the model module: the words that everybody shares, as plain data that crosses the process
// boundary, and the few pure questions about them. Knows no sockets, no files and no clock.

export { type Admin, type AdminState, READY, stricterAdmin } from './model/admin.ts';
export {
  BALANCES,
  type Balance,
  type BalanceKey,
  type Balancing,
  ROUND_ROBIN,
  type Sticky,
} from './model/balancing.ts';
export {
  addServerCounters,
  addSocketCounters,
  addUpstreamCounters,
  copyServerCounters,
  countAnswer,
  createServerCounters,
  createSocketCounters,
  createUpstreamCounters,
  DURATION_BOUNDS_MS,
  type ExchangeResult,
  openStreams,
  openTunnels,
  recordDuration,
  recordHead,
  type ServerCounters,
  type SocketCounters,
  sumOfServerCounters,
  type UpstreamCounters,
} from './model/counters.ts';
export {
  ELIGIBILITIES,
  type Eligibility,
  eligibility,
  isCapacity,
  isOpenStanding,
  isTakenOut,
  type Judged,
  loadOf,
  type Standing,
  standingOf,
} from './model/eligibility.ts';
export type { Findings, OldestRequest, ServerFigures, UpstreamFigures } from './model/figures.ts';
export { HEAD_BOUNDS_MS, HEAD_BUCKETS, headQuantile } from './model/head-times.ts';
export {
  LOG_VARIABLES,
  type LogFormat,
  type LogPiece,
  type LogVariable,
  parseLogFormat,
} from './model/log-format.ts';
export { isRecordOwner, type Owner, ownerText, parseOwner } from './model/owner.ts';
export { mayAct, type NamedToken, ROLES, type Role } from './model/role.ts';
export type { Checks, ServerState } from './model/server.ts';
export {
  ATTRIBUTE_FIELDS,
  type AttributeField,
  attributesFrom,
  type FlagName,
  isSameAttributes,
  type RecordAttributes,
  SERVER_ATTRIBUTES,
  type ServerAttributes,
  STATE_FIELDS,
  type StateAttributes,
  stateAttributes,
  unitOf,
  withFile,
} from './model/server-attributes.ts';
export type { SpanAttributes, SpanCounts, SpanData, SpanSink } from './model/span.ts';
export type { ClosedBy, Story, StoryAttempt, StoryBatch, StoryKind } from './model/story.ts';
export type {
  PageName,
  Route,
  TableUpdate,
  TextAnswer,
  UpstreamChange,
  UpstreamState,
} from './model/table.ts';
export {
  type CertificateFacts,
  type CertificatePair,
  type ListenerCredentials,
  NO_CREDENTIALS,
  type ServerCredentials,
  type TlsCredentials,
} from './model/tls.ts';
