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
} from './admin/documents.ts';
export { type MetricsSource, renderMetrics, type SocketMetrics } from './admin/metrics.ts';
export { type RenderedPage, renderPage } from './admin/pages.ts';
export { type AdminServer, serveAdmin } from './admin/server.ts';
