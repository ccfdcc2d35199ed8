// The client's side of an exchange: one request and its response, as a connection of HTTP/1 carries
// them one after the other. The exchange calls ClientStream, the stream calls ClientStreamHandler; both
// only synchronously, and neither knows more of the other than this. The one implementation is
// http1/client-side.

import type { LogKeeper } from '../access-log.ts';
import type { Forwarding } from '../forwarding.ts';
import type { OwnResponse, ResponseHead, UnderWay } from '../message.ts';
import type { Connection } from '../transport.ts';

/**
 * What an exchange may do. Of a response it calls `begin`, `send` until the last piece, and `done`; or
 * `answer`, `refuse`, `cut` alone. After these it calls nothing any more.
 */
export interface ClientStream {
  /** What the gateway itself says about the client. */
  readonly forwarding: Forwarding;
  /** Where the access log keeps what it has made of this client. */
  readonly keeper: LogKeeper;
  /** For those who tell of it. */
  readonly connection: Pick<Connection, 'tls' | 'serverName'>;
  /** Where the client came in. */
  readonly entrance: { readonly id: string; readonly redirectPort: number };
  /** False: the client knows no interim responses. */
  readonly takesInterims: boolean;
  /** Of a response that has begun: it may end behind any piece, and is whole then. */
  readonly mayEndAnywhere: boolean;
  /** Of the response so far: its heads, its framing and its body. */
  readonly bytesSent: number;
  /** The same of an answer of the gateway's own, which it may not have got yet. */
  bytesOf(response: OwnResponse): number;
  /** Stop and go on reading the request's body, or the tunnel. */
  pauseBody(): void;
  resumeBody(): void;
  /** The gateway itself asks for the body. */
  sendContinue(): void;
  /** False: the client is slower; wait for clientDrained. */
  sendInterim(head: ResponseHead): boolean;
  /** A final head: it leaves with the first piece. */
  begin(head: ResponseHead): void;
  /** A piece of the body, which may be empty; `done`: the last one. False as above. */
  send(buffer: Buffer, start: number, end: number, done: boolean): boolean;
  /** The last piece was sent, and the exchange has ended: another request may follow. */
  done(): void;
  /** A whole answer of the gateway's own instead of a server's. */
  answer(response: OwnResponse): void;
  /** The same to bytes that cannot be trusted to hold another request. `id`: of this one. */
  refuse(status: number, reason: string, id: string): void;
  /** What was begun cannot be completed: the client must see that it is not complete. */
  cut(): void;
  /** A 101. From now on `send` carries the tunnel's bytes, never with `done`. */
  openTunnel(head: ResponseHead): void;
  /** The server has ended its side of the tunnel; the client may go on. */
  endTunnel(): void;
  /** The tunnel is over. */
  closeTunnel(): void;
}

/** What an exchange hears of its client. */
export interface ClientStreamHandler extends UnderWay {
  /** The first piece of the body, which may be empty; `done`: the request is whole. */
  begin(buffer: Buffer, start: number, end: number, done: boolean): void;
  requestBytes(buffer: Buffer, start: number, end: number, done: boolean): void;
  /** The request's body is not HTTP, ended early or came too slowly. */
  bodyRefused(status: number, reason: string): void;
  /** The client can take more of the response. */
  clientDrained(): void;
  /** The client went away, or stopped reading or sending for too long. `isBroken`: by a reset. */
  clientGone(isBroken: boolean): void;
  /** The gateway stops, and waits no longer. */
  stopped(): void;
  tunnelFromClient(buffer: Buffer, start: number, end: number): void;
  tunnelEndedByClient(): void;
  /** A tunnel's last bytes are still on their way to the server. */
  readonly isServerBehind: boolean;
}
