// The pure HTTP/1.1 layer's data: bytes in, one of these out. No sockets, no timers, no I/O.

import type { RequestHead, ResponseHead } from '../../message.ts';

export type { Framing } from '../../message.ts';

/** An input that is refused: the status for the client (502 for a response) and the reason. */
export type Refusal = {
  readonly kind: 'refusal';
  readonly status: number;
  /** Constant text, lower case, for the log and the error body: `two host fields`. */
  readonly reason: string;
};

/** A whole, valid request head. Field names keep their spelling; values are OWS-trimmed latin1. */
export type Http1Request = RequestHead & {
  readonly kind: 'request';
  readonly minor: 0 | 1;
  /** The client allows another request after this one. */
  readonly keepAlive: boolean;
};

/** A whole, valid response head (interim ones too). */
export type Http1Response = ResponseHead & {
  readonly kind: 'response';
  readonly minor: 0 | 1;
  /** The server's connection may be reused after this response. */
  readonly keepAlive: boolean;
  /** Seconds of `Keep-Alive: timeout=N`; -1 when not given. */
  readonly keepAliveSeconds: number;
};

export type HeadLimits = {
  readonly uriBytesMax: number;
  readonly headBytesMax: number;
  readonly fieldsMax: number;
  readonly underscoresInHeaders: boolean;
  /** The gateway says X-Request-Id itself. */
  readonly takesRequestId?: boolean;
  readonly allowTrace: boolean;
};
