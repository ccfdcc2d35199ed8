// A request and a response as every version of HTTP has them: what an exchange works with. Whoever
// reads one from a connection has checked it; whoever writes one frames it anew.

/**
 * How far the end of a body is known beforehand. none: there is no body. length: it has `contentLength`
 * bytes. chunked: it ends where its sender says so. close, of responses: it ends with the connection,
 * and nothing tells a cut one from a whole one.
 */
export type Framing = 'none' | 'length' | 'chunked' | 'close';

/** A request that has not ended, for whoever looks at what goes on. */
export type UnderWay = {
  readonly head: RequestHead;
  /** Which one has it now. */
  readonly server: { readonly upstream: string; readonly id: string } | undefined;
  readonly attempts: { readonly beganMs: number };
};

export type RequestHead = {
  readonly method: string;
  /** Path and query (or `*`), byte-exact. */
  readonly target: string;
  /** As the request line has it: what asks a proxy has a scheme and an authority before the path. */
  readonly rawTarget: string;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1';
  /** Lower case, without port; '' when empty or absent (HTTP/1.0). For routing. */
  readonly host: string;
  /** Host as it is passed on: with its port, as it came. */
  readonly authority: string;
  /**
   * The end-to-end fields, each checked and written as `Name: value CRLF`. Host, framing, hop-by-hop
   * fields, Expect, X-Forwarded-*, X-Real-IP and Forwarded are not in it.
   */
  readonly fields: string;
  /**
   * The whole head as it is sent to a server, with what Forwarding says of the client, where that is at hand; else ''.
   * Other lines of the gateway's own belong at `readyAt`.
   */
  readonly ready: string;
  readonly readyAt: number;
  /** The client's X-Forwarded-For ('' when absent, joined by ', '); for trusted peers only. */
  readonly forwardedFor: string;
  /** The client's last X-Forwarded-Proto and -Host that are not empty; for trusted peers only. */
  readonly forwardedProto: string;
  readonly forwardedHost: string;
  /** The client's X-Request-Id, where it is not passed on as it is: then it is not in `fields`. Else ''. */
  readonly requestId: string;
  readonly framing: Exclude<Framing, 'close'>;
  /** Bytes; 0 unless framing is length. */
  readonly contentLength: number;
  /** The client waits for a 100 before it sends its body. */
  readonly expectContinue: boolean;
  /** Protocols that the client would change to, lower case, `a, b`; '' = none. */
  readonly upgrade: string;
};

/** A final response, or an interim one (100 to 199). */
export type ResponseHead = {
  readonly status: number;
  /** Printable reason phrase, may be ''. */
  readonly reason: string;
  /** The end-to-end fields, as for requests. */
  readonly fields: string;
  /**
   * As it is sent to a client that keeps its connection, where that is at hand: the head, of `readyHead` bytes, and
   * behind it all of the body or nothing. Else ''.
   */
  readonly ready: string;
  readonly readyHead: number;
  readonly framing: Framing;
  /** Bytes of the body, or on HEAD and 304 the value to pass on; -1 when not given. */
  readonly contentLength: number;
  /** With 101 the protocol that the server has changed to; '' when absent. */
  readonly upgrade: string;
};

/** A whole response that the gateway gives itself. `body` is text. */
export type OwnResponse = {
  readonly status: number;
  /** Ready lines, each with CRLF. */
  readonly fields: string;
  readonly body: string;
};

/** The same with other fields: what was ready is not any more. */
export function withFields<Head extends { readonly fields: string; readonly ready: string }>(
  head: Head,
  fields: string,
): Head {
  return { ...head, fields, ready: '' };
}

/** Methods that may be sent twice (RFC 9110 9.2.2). Case-sensitive; unknown ones are not. */
export function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'PUT':
    case 'DELETE':
    case 'TRACE':
      return true;
    default:
      return false;
  }
}
