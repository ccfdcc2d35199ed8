// The face of the admin module: the control API, its documents, the status pages and the metrics.

export type {
  AdminRequest,
  Control,
  DrainDocument,
  Readiness,
  ReceiptDocument,
  ReceiptServer,
  ServerDocument,
  StatusDocument,
  TunnelCounts,
  UpstreamDocument,
} from './admin/contract/documents.ts';
export {
  type MetricsSource,
  type RenderedPage,
  renderMetrics,
  renderPage,
  type SocketMetrics,
} from './admin/pages.ts';
export { type AdminServer, serveAdmin } from './admin/server.ts';
