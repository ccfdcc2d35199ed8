// HTTP as Consul speaks it, and waiting for a change: requests in, answers out, whatever they are about.

export { Blocking, failedRead, indexHeaders } from './http/blocking.ts';
export {
  answerBroken,
  answerSlow,
  HEAD_BYTES_MAX,
  HEAD_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
} from './http/broken-request.ts';
export { type Clock, SYSTEM_CLOCK } from './http/clock.ts';
export {
  type Answer,
  acceptsGzip,
  Body,
  emptyAnswer,
  expectsContinue,
  JSON_TYPE,
  jsonAnswer,
  REASONS,
  respond,
  SEND_TIMEOUT_MS,
  shared,
  textAnswer,
  variedAnswer,
} from './http/http-answer.ts';
export { ParkedQueries } from './http/parked-queries.ts';
export { Pipeline } from './http/pipeline.ts';
export { parseQueryOptions, type QueryOptions } from './http/query-options.ts';
export { Refusal } from './http/refusal.ts';
export {
  encodeQuery,
  locationOf,
  parameter,
  parseGoDuration,
  parseTarget,
  parseUint64,
  type Query,
} from './http/request-target.ts';
