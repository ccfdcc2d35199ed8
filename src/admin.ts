// The face of the admin module: the control API's server, the status pages and the metrics. What the
// API says and takes is in admin/contract.ts, which others import for themselves.

export { AuditLog } from './admin/audit.ts';
export { readCredentials } from './admin/certificates.ts';
export {
  type AdminRequest,
  type AnswerCounts,
  type AppendRequest,
  type CloseRequest,
  type CommandRequest,
  type DeregisterRequest,
  type DrainDocument,
  type EventDocument,
  type EventsDocument,
  type FactsDocument,
  type GatewayDocument,
  type HistoryDocument,
  type HistorySpan,
  type InstancesDocument,
  type LastingCounts,
  type LockDocument,
  type LockRequest,
  type OpenStream,
  type PutInstanceRequest,
  parseTopic,
  patchBetween,
  RECEIPT_COUNTS,
  type ReceiptCounts,
  type ReceiptDocument,
  type ReceiptServer,
  type RegisterRequest,
  type RegistryDocument,
  type ReleaseJournal,
  type ReleaseRecords,
  type ReleasesDocument,
  type RenewedDocument,
  type RenewRequest,
  type ServerDocument,
  type StatusDocument,
  type StreamSink,
  type TakenDocument,
  type TakeRequest,
  type UpstreamDocument,
} from './admin/contract.ts';
export { type Control, type Live, type Readiness, shuttingDown } from './admin/control.ts';
export {
  type MetricsSource,
  renderMetrics,
  renderPage,
  type SocketMetrics,
} from './admin/pages.ts';
export { type AdminServer, serveAdmin } from './admin/server.ts';
