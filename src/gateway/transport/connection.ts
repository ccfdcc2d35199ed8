// The small face between the gateway and sockets: listen, connect, write with back-pressure, pause,
// end, destroy. node-transport.ts puts Node's sockets behind it, test/support/gateway a simulated
// network. Nothing else in the gateway knows what a socket is.

import type { TlsTarget } from './tls/tls-connect.ts';
import type { TlsGate } from './tls/tls-gate.ts';

/**
 * Who is told what happens on a connection. A connection has exactly one handler at a time and
 * calls it synchronously; after `onClose` it never calls again.
 */
export interface ConnectionHandler {
  /** An outgoing connection is established. */
  onConnect(): void;
  /** Bytes came. `buffer` belongs to the transport: valid, and free to scribble on, in this call. */
  onData(buffer: Buffer, start: number, end: number): void;
  /** The peer sent its FIN: no more data, but it may still read. */
  onEnd(): void;
  /** A `write` that returned false has left the process. */
  onDrain(): void;
  /** The connection is gone. `error` is a system code such as ECONNRESET, or ''. */
  onClose(error: string): void;
}

export interface Connection {
  handler: ConnectionHandler;
  readonly remoteAddress: string;
  /** https: the bytes are protected on their way. */
  readonly scheme: 'http' | 'https';
  /** What both ends agreed to speak (ALPN); '' = they did not talk about it. */
  readonly protocol: string;
  /** The name by which the client wanted to reach us (SNI), lower case; '' = it named none. */
  readonly serverName: string;
  /** Of a secured connection; undefined before its handshake is over, too. */
  readonly tls?: TlsFacts | undefined;
  /** Outgoing: the machine is reached, and the TLS handshake is not over. */
  readonly isShaking?: boolean;
  /** Bytes accepted by `write` that the kernel has not taken yet. */
  readonly pendingBytes: number;
  /**
   * Sends `before` (latin1), then buffer[start,end), then `after` (latin1) in one system call
   * where the kernel lets us. The caller may reuse the buffer at once. Returns false when the
   * peer is slower than we are: stop producing until `onDrain`.
   */
  write(before: string, buffer: Buffer, start: number, end: number, after: string): boolean;
  writeText(text: string): boolean;
  /** Stop and go on reading. A paused connection does not report data or FIN. */
  pause(): void;
  resume(): void;
  /** FIN behind what was written; reading goes on. */
  end(): void;
  /** Close at once; what was not sent is lost. */
  destroy(): void;
  /** Close at once with a RST, so that the peer cannot take the stream for complete. */
  reset(): void;
}

export type TlsFacts = {
  /** `TLSv1.3` */
  readonly version: string;
  /** As OpenSSL names it. */
  readonly cipher: string;
  readonly isResumed: boolean;
  /** The client's certificate. */
  readonly client: { readonly subject: string; readonly fingerprint: string } | undefined;
  /** Why this client's requests are not to be served; '' = they are. */
  readonly problem: string;
};

export type ListenOptions = {
  readonly host: string;
  readonly port: number;
  /** A bound socket that another process handed over: listen on this one, open none. */
  readonly handle?: object;
  /** How a connection is secured; asked for each. Undefined: it is to be, and cannot, so that it is closed. */
  readonly tls?: () => TlsGate | 'plain' | undefined;
};

export interface Listening {
  readonly host: string;
  readonly port: number;
  /** No new connections; those that exist live on. */
  close(): void;
}

export interface Transport {
  /**
   * `onError`: a client was lost before it was a connection; the system's code.
   * @throws address_in_use, address_unavailable
   */
  listen(
    options: ListenOptions,
    onConnection: (connection: Connection) => void,
    onError: (code: string) => void,
  ): Promise<Listening>;
  /** Returns at once; the handler hears onConnect or onClose. `tls`: how it is secured. */
  connect(host: string, port: number, handler: ConnectionHandler, tls?: TlsTarget): Connection;
}

/** Pieces that may wait in one connection: it is full with them, however few bytes they have. */
export const QUEUED_MAX = 256;

/** For writes that have no body part. */
export const NO_BYTES: Buffer = Buffer.alloc(0);

/** The handler of a connection that nobody is interested in any more. */
export const DEAF: ConnectionHandler = {
  onConnect() {},
  onData() {},
  onEnd() {},
  onDrain() {},
  onClose() {},
};

/** In the place of a connection that could not even be begun. */
export const NO_CONNECTION: Connection = {
  handler: DEAF,
  remoteAddress: '',
  scheme: 'http',
  protocol: '',
  serverName: '',
  pendingBytes: 0,
  write: () => true,
  writeText: () => true,
  pause() {},
  resume() {},
  end() {},
  destroy() {},
  reset() {},
};
