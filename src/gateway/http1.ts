// Face of the pure HTTP/1.1 layer: bytes and text in, heads, payload ranges and refusals out. Strict
// both ways: an input is either understood in exactly one way or refused, and what leaves is written
// anew from what was understood. No sockets, no timers.

export type { BodyLimits, BodySink } from './http1/body.ts';
export { BodyReader } from './http1/body.ts';
export { hostOf } from './http1/host.ts';
export { parseRequestHead } from './http1/request-head.ts';
export { parseResponseHead } from './http1/response-head.ts';
export {
  EMPTY_LINES_MAX,
  HeadScan,
  headEnd,
  RESPONSE_FIELDS_MAX,
  refusePartialRequest,
  refusePartialResponse,
  skipEmptyLines,
} from './http1/scan.ts';
export {
  chunkHead,
  interimHeadText,
  isIdempotent,
  LAST_CHUNK,
  ownResponseText,
  refusalText,
  requestHeadText,
  responseFraming,
  responseHeadText,
} from './http1/text.ts';
export type { Framing, HeadLimits, Refusal, RequestHead, ResponseHead } from './http1/types.ts';
