// The face of HTTP/1: connections to clients that carry exchanges, and connections to servers that
// exchanges are sent on. The text itself is http1/syntax, which is pure.

export { ClientConnection } from './http1/client-side/client-connection.ts';
export { RequestReaders } from './http1/client-side/request-reader.ts';
export {
  type ClientSide,
  type Http1Context,
  http1Settings,
  IDLE_GRACE_MS,
} from './http1/context.ts';
export { ConnectionPool, type PoolFigures } from './http1/server-side/connection-pool.ts';
export { Http1ServerStreams } from './http1/server-side/http1-server-streams.ts';
export { isScanning } from './http1/syntax.ts';
