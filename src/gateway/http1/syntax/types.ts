// The pure HTTP/1.1 layer's data: bytes in, one of these out. No sockets, no timers, no I/O.

/** How the end of a body is found. `close` is for responses alone. */
export type Framing = 'none' | 'length' | 'chunked' | 'close';

/** An input that is refused: the status for the client (502 for a response) and the reason. */
export type Refusal = {
  readonly kind: 'refusal';
  readonly status: number;
  /** Constant text, lower case, for the log and the error body: `two host fields`. */
  readonly reason: string;
};

/** A whole, valid request head. Field names keep their spelling; values are OWS-trimmed latin1. */
export type RequestHead = {
  readonly kind: 'request';
  readonly method: string;
  /** As to be forwarded: origin-form (or `*`), byte-exact. */
  readonly target: string;
  /** Lower case, without port; '' when empty or absent (HTTP/1.0). For routing. */
  readonly host: string;
  /** The value for the forwarded Host field: the authority of an absolute-form, else Host's. */
  readonly authority: string;
  readonly minor: 0 | 1;
  /** The end-to-end fields, each validated and written as `Name: value CRLF`. Host, framing,
   *  hop-by-hop and nominated fields, Expect, X-Forwarded-*, X-Real-IP and Forwarded are not in it. */
  readonly fields: string;
  /** The client's X-Forwarded-For ('' when absent, joined by ', '); for trusted peers only. */
  readonly forwardedFor: string;
  /** The client's last X-Forwarded-Proto and -Host that are not empty, '' when absent; for trusted peers only. */
  readonly forwardedProto: string;
  readonly forwardedHost: string;
  readonly framing: 'none' | 'length' | 'chunked';
  /** Bytes; 0 unless framing is length. */
  readonly contentLength: number;
  /** The client allows another request after this one. */
  readonly keepAlive: boolean;
  /** `100-continue` was asked for by an HTTP/1.1 client that has a body to send. */
  readonly expectContinue: boolean;
  /** The lower-case `a, b` list of Upgrade when Connection nominates it and there is no body; ''
   *  when HTTP itself (h2c) is in it. */
  readonly upgrade: string;
};

/** A whole, valid response head (interim ones too). */
export type ResponseHead = {
  readonly kind: 'response';
  readonly status: number;
  /** Printable reason phrase, may be ''. */
  readonly reason: string;
  readonly minor: 0 | 1;
  /** End-to-end fields, as for requests; Content-Length is taken out (see contentLength). */
  readonly fields: string;
  readonly framing: Framing;
  /** Length of the body, or on HEAD and 304 the value to pass on; -1 when not given. */
  readonly contentLength: number;
  /** The server's connection may be reused after this response. */
  readonly keepAlive: boolean;
  /** Seconds of `Keep-Alive: timeout=N`; -1 when not given. */
  readonly keepAliveSeconds: number;
  /** Lower-case Upgrade value, '' when absent. */
  readonly upgrade: string;
};

export type HeadLimits = {
  readonly uriBytesMax: number;
  readonly headBytesMax: number;
  readonly fieldsMax: number;
  readonly underscoresInHeaders: boolean;
  readonly allowTrace: boolean;
};
