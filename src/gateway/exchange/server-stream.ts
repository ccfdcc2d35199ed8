// What a server connection tells the exchange that it works for. exchange.ts is the real one; the
// connection knows no more of it than this.

import type { ResponseHead } from '../http1/syntax.ts';
import type { Failure } from './retry.ts';

export interface Attempt {
  /** Methods and upgrade tokens decide how a response is framed. */
  readonly requestMethod: string;
  readonly offeredUpgrade: string;
  serverConnected(): void;
  serverDrained(): void;
  responseInterim(head: ResponseHead): void;
  /** The final head; the bytes follow with responseBytes, in the same callback. */
  responseHead(head: ResponseHead): void;
  /** Called once per read; the range may be empty. After `done` the connection is not ours. */
  responseBytes(buffer: Buffer, start: number, end: number, done: boolean): void;
  /** A 101 that was asked for: from now on bytes flow with tunnelBytes. */
  tunnelOpened(head: ResponseHead): void;
  tunnelBytes(buffer: Buffer, start: number, end: number): void;
  tunnelEnded(): void;
  /** The tunnel's connection is gone: by an end, by a reset, or because nothing was said in it. */
  tunnelClosed(how: 'ended' | 'broken' | 'idle'): void;
  /** No final head came. The connection is gone. */
  attemptFailed(failed: Failure): void;
  /**
   * The final head was handed on, the body cannot be completed. The connection is gone. `source`: who
   * may be to blame.
   */
  responseCut(reason: string, source: Failure['source']): void;
}
