// The body of a request on its way to a server: held until it is whole where that is asked for, and
// kept, up to a limit, as long as it may have to be sent again.

import { KeptBytes } from './kept-bytes.ts';
import type { ServerStream } from './server-stream.ts';

export class RequestBody {
  /** The client's body is complete. */
  isDone = false;
  /** That have come. */
  bytes = 0;
  /** More than 0: the body is held, up to this size, and no server is involved yet. */
  holdBytes = 0;
  /** The whole body so far is at hand. */
  isReplayable = true;
  readonly #keptBytesMax: number;
  /** All of the body so far, as long as `isReplayable`; most requests have none to keep. */
  #kept: KeptBytes | undefined;

  constructor(keptBytesMax: number) {
    this.#keptBytesMax = keptBytesMax;
  }

  /** No more should be taken from the client before a server takes what is kept. */
  get isFull(): boolean {
    return this.#keptBytes >= this.#keptBytesMax;
  }

  get #keptBytes(): number {
    return this.#kept?.length ?? 0;
  }

  /** `bytes` more; `done`: the last ones. */
  comes(bytes: number, done: boolean): void {
    this.bytes += bytes;
    if (done) this.isDone = true;
  }

  /** Keeps a copy. Beyond the limit nothing is kept, but for bytes that no server has got yet. */
  keep(buffer: Buffer, start: number, end: number, isSent: boolean): void {
    if (end === start || !this.isReplayable) return;
    if (isSent && this.#keptBytes + end - start > this.#keptBytesMax) return this.forget();
    this.#add(buffer, start, end);
  }

  /** Keeps a piece of a body that is held. False: it is whole, or too large to be held any longer. */
  hold(buffer: Buffer, start: number, end: number): boolean {
    this.#add(buffer, start, end);
    if (!this.isDone && this.#keptBytes < this.holdBytes) return true;
    this.holdBytes = 0;
    return false;
  }

  #add(buffer: Buffer, start: number, end: number): void {
    this.#kept ??= new KeptBytes();
    this.#kept.add(buffer, start, end);
  }

  forget(): void {
    this.isReplayable = false;
    this.#kept?.clear();
  }

  /** Sends what was kept; the end of the body is still to come. */
  sendKept(stream: ServerStream): void {
    this.#kept?.each((buffer, end) => void stream.send(buffer, 0, end, false));
  }
}
