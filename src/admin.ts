export type {
  AdminRequest,
  Control,
  DrainDocument,
  ReceiptDocument,
  ReceiptServer,
  ServerDocument,
  StatusDocument,
  UpstreamDocument,
} from './admin/documents.ts';
