// Face of the pure HTTP/1.1 layer: bytes and text in, heads, payload ranges and refusals out. Strict
// both ways: an input is either understood in exactly one way or refused, and what leaves is written
// anew from what was understood. No sockets, no timers. Heads in the usual spelling are read by
// syntax/plain, all others as text.

export type { BodyLimits, BodySink } from './syntax/body.ts';
export { BodyReader } from './syntax/body.ts';
export { isScanning, plainHeads } from './syntax/plain/heads.ts';
export type { Said } from './syntax/plain/scanner.ts';
export { parseRequestHead } from './syntax/request-head.ts';
export { parseResponseHead } from './syntax/response-head.ts';
export {
  EMPTY_LINES_MAX,
  HeadScan,
  headEnd,
  RESPONSE_FIELDS_MAX,
  refusePartialRequest,
  refusePartialResponse,
  skipEmptyLines,
} from './syntax/scan.ts';
export {
  chunkHead,
  interimHeadText,
  isReady,
  LAST_CHUNK,
  ownResponseText,
  readyWith,
  refusalText,
  requestHeadText,
  responseFraming,
  responseHeadText,
} from './syntax/text.ts';
export type { HeadLimits, Http1Request, Http1Response, Refusal } from './syntax/types.ts';
