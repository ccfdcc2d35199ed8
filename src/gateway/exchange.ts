// The face of the exchange: one client request and its response, as policy. Both of its sides are
// interfaces that a version of HTTP implements: ClientStream and ServerStream.

export { Attempts } from './exchange/attempts.ts';
export type { ClientStream, ClientStreamHandler } from './exchange/client-stream.ts';
export type { ExchangeContext } from './exchange/context.ts';
export { Exchange } from './exchange/exchange.ts';
export { LongLived } from './exchange/long-lived.ts';
export {
  badResponse,
  closedEarly,
  connectFailure,
  type Failure,
  failure,
  isOutOfDescriptors,
  NO_CREDENTIALS,
  whileSending,
} from './exchange/retry.ts';
export type { ServerStream, ServerStreamHandler, ServerStreams } from './exchange/server-stream.ts';
export { type EndedRequest, type HowEnded, tell, tellRefusal } from './exchange/tell.ts';
export { isOffered } from './exchange/upgrade.ts';
