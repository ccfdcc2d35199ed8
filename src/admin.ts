// The face of the admin module: the control API's server, the status pages and the metrics. What the
// API says and takes is in admin/contract.ts, which others import for themselves.

export { AuditLog } from './admin/audit.ts';
export {
  type AdminRequest,
  type AnswerCounts,
  type DeregisterRequest,
  type DrainDocument,
  type EventDocument,
  type EventsDocument,
  type FactsDocument,
  type GatewayDocument,
  RECEIPT_COUNTS,
  type ReceiptCounts,
  type ReceiptDocument,
  type ReceiptServer,
  type RegisterRequest,
  type RegistryDocument,
  type ServerDocument,
  type StatusDocument,
  type TunnelCounts,
  type UpstreamDocument,
} from './admin/contract.ts';
export { type Control, type Readiness, shuttingDown } from './admin/control.ts';
export {
  type MetricsSource,
  renderMetrics,
  renderPage,
  type SocketMetrics,
} from './admin/pages.ts';
export { type AdminServer, serveAdmin } from './admin/server.ts';
