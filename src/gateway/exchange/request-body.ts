// The body of a request on its way to a server: framed anew, piece by piece as it comes, and kept,
// up to a limit, as long as it may have to be sent again. One object per exchange, used again.

import type { ServerConnection } from '../http1/server-side/server-connection.ts';
import { chunkHead, LAST_CHUNK, type RequestHead } from '../http1/syntax.ts';
import { NO_BYTES } from '../transport.ts';
import { KeptBytes } from './kept-bytes.ts';

export class Upload {
  /** The client's body is complete. */
  isDone = false;
  /** More than 0: the body is held, up to this size, and no server is involved yet. */
  holdBytes = 0;
  readonly #keptBytesMax: number;
  #framing: RequestHead['framing'] = 'none';
  /** All of the body so far, as long as `isReplayable`. */
  readonly #kept = new KeptBytes();
  /** The whole body so far is at hand. */
  isReplayable = false;

  constructor(keptBytesMax: number) {
    this.#keptBytesMax = keptBytesMax;
  }

  begin(framing: RequestHead['framing'], isDone: boolean): void {
    this.#framing = framing;
    this.isReplayable = true;
    this.isDone = isDone;
    this.holdBytes = 0;
  }

  /** No more should be taken from the client before a server takes what is kept. */
  get isFull(): boolean {
    return this.#kept.length >= this.#keptBytesMax;
  }

  /** Keeps a copy. Beyond the limit nothing is kept, but for bytes that no server has got yet. */
  keep(buffer: Buffer, start: number, end: number, isSent: boolean): void {
    if (end === start || !this.isReplayable) return;
    if (isSent && this.#kept.length + end - start > this.#keptBytesMax) return this.forget();
    this.#kept.add(buffer, start, end);
  }

  /** Keeps a piece of a body that is held. False: it is whole, or too large to be held any longer. */
  hold(buffer: Buffer, start: number, end: number): boolean {
    this.#kept.add(buffer, start, end);
    if (!this.isDone && this.#kept.length < this.holdBytes) return true;
    this.holdBytes = 0;
    return false;
  }

  forget(): void {
    this.isReplayable = false;
    this.#kept.clear();
  }

  /** Sends the head's text and what was kept. Answers the text that is still to be sent. */
  sendKept(connection: ServerConnection, text: string): string {
    let before = text;
    this.#kept.each((buffer, end) => {
      this.#sendPiece(connection, before, buffer, 0, end, '');
      before = '';
    });
    return before;
  }

  /** A piece of the body, with the end of the body when it is the last. False: more must wait. */
  send(
    connection: ServerConnection,
    text: string,
    buffer: Buffer,
    start: number,
    end: number,
  ): boolean {
    const after = this.isDone && this.#framing === 'chunked' ? LAST_CHUNK : '';
    const ok = this.#sendPiece(connection, text, buffer, start, end, after);
    if (this.isDone) connection.requestSent();
    return ok || this.isDone;
  }

  #sendPiece(
    connection: ServerConnection,
    text: string,
    buffer: Buffer,
    start: number,
    end: number,
    after: string,
  ): boolean {
    if (end === start) {
      return text === '' && after === '' ? true : connection.send(text + after, NO_BYTES, 0, 0, '');
    }
    return this.#framing === 'chunked'
      ? connection.send(text + chunkHead(end - start), buffer, start, end, `\r\n${after}`)
      : connection.send(text, buffer, start, end, after);
  }
}
