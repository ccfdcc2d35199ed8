// The server's side of an exchange: one attempt, as a connection of HTTP/1 carries one at a time. The
// exchange calls ServerStream, the stream calls ServerStreamHandler; neither knows more of the other
// than this. The one implementation is http1/server-side.

import type { Server } from '../../upstream.ts';
import type { RequestHead, ResponseHead } from '../message.ts';
import type { Failure } from './retry.ts';

/** Where streams come from. */
export interface ServerStreams {
  /** Calls nobody before it returns. What keeps it from coming up is an `attemptFailed` later. */
  open(server: Server, handler: ServerStreamHandler, nowMs: number): ServerStream;
  /** A kept connection turned out to be dead: the server's others likely are, too. */
  distrust(server: Server): void;
}

export interface ServerStream {
  /** It can be sent on at once; else `serverConnected` tells. */
  readonly isReady: boolean;
  /** Its connection has carried another exchange before. */
  readonly isReused: boolean;
  /** Bytes are still on their way to the server. */
  readonly isBehind: boolean;
  /**
   * The request's head, which leaves with the first piece. `extra`: ready lines of the gateway's own.
   * `protocol`: those of the head that may be changed to.
   */
  begin(head: RequestHead, extra: string, protocol: string): void;
  /** A piece of the body, which may be empty; `done`: the last one. False: wait for serverDrained. */
  send(buffer: Buffer, start: number, end: number, done: boolean): boolean;
  /** The client is slower than the server: stop and go on reading. */
  pause(): void;
  resume(): void;
  /** The client has ended its side of the tunnel; the server may go on. */
  endTunnel(): void;
  /** No more use for it: it is closed, and calls nobody any more. */
  discard(isBroken?: boolean): void;
}

/** What an exchange tells a stream about itself, and hears of it. */
export interface ServerStreamHandler {
  /** Methods and protocols decide how a response is framed. */
  readonly requestMethod: string;
  readonly offeredUpgrade: string;
  /** The request may be sent twice. */
  readonly isIdempotent: boolean;
  /** A kept connection was dead: this attempt takes a new one. */
  readonly isFreshOnly: boolean;
  serverConnected(): void;
  serverDrained(): void;
  responseInterim(head: ResponseHead): void;
  /** The final head; the bytes follow with responseBytes, in the same callback. */
  responseHead(head: ResponseHead): void;
  /** Called once per read; the range may be empty. After `done` the stream is not ours. */
  responseBytes(buffer: Buffer, start: number, end: number, done: boolean): void;
  /** A 101 that was asked for: from now on bytes flow with tunnelBytes. */
  tunnelOpened(head: ResponseHead): void;
  tunnelBytes(buffer: Buffer, start: number, end: number): void;
  tunnelEnded(): void;
  /** The tunnel's stream is gone: by an end, by a reset, or because nothing was said in it. */
  tunnelClosed(how: 'ended' | 'broken' | 'idle'): void;
  /** No final head came. The stream is gone. */
  attemptFailed(failed: Failure): void;
  /**
   * The final head was handed on, the body cannot be completed. The stream is gone. `source`: who may
   * be to blame.
   */
  responseCut(reason: string, source: Failure['source']): void;
}
