// What an exchange wants of the client connection that it serves. http1/client-side has the real
// one; the exchange knows no more of it than this.

import type { Forwarding } from '../forwarding.ts';
import type { RequestHead } from '../http1/syntax.ts';
import type { Connection } from '../transport.ts';

/**
 * end: the response's own framing shows what is missing, so that a FIN is enough and what was written
 * before it, earlier responses too, still arrives. reset: nothing else would show it (rule 64).
 */
export type CutBy = 'end' | 'reset';

export interface Client {
  readonly connection: Connection;
  /** What the gateway itself says about the client. */
  readonly forwarding: Forwarding;
  /** Another request may follow this one on the connection. */
  mayKeepAlive(head: RequestHead): boolean;
  /** Stop and go on reading the request's body, or the tunnel. */
  pauseBody(): void;
  resumeBody(): void;
  /** A write did not go through at once: the client has `send_timeout` to make progress. */
  waitForDrain(): void;
  /** The response is on its way in full. */
  exchangeDone(keepsAlive: boolean): void;
  /** An answer of the gateway's own instead of a server's. */
  answer(text: string, keepsAlive: boolean): void;
  /** A refusal of bytes that cannot be trusted to hold another request. */
  refuse(status: number, reason: string): void;
  /** A response that cannot be completed: the client must see that it is not complete. */
  cut(by: CutBy): void;
  tunnelOpened(): void;
  tunnelClosed(): void;
}
