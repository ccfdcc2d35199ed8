// The public API for embedding: the whole program in one call, its configuration, its control API's
// documents, the two parts that are useful alone (the registry and its client), and what a service needs
// to bring itself into traffic.

export type { ReceiptDocument, ServerDocument, StatusDocument, UpstreamDocument } from './admin.ts';
export { type ErrorCode, SluiceError } from './base/errors.ts';
export { createLog, type Log, silentLog } from './base/log.ts';
export { type Config, defaultConfig, loadConfig, parseConfig } from './config.ts';
export { type Daemon, startDaemon } from './daemon.ts';
export { type Joined, type JoinOptions, join } from './instance.ts';
export { openConsul, openStore, type RecordStore, serveConsulApi } from './registry.ts';
