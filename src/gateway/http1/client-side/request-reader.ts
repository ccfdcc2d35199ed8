// Reads a request of a client connection: a head, then its body. What a read holds behind the body belongs
// to a later request, and is left alone. A connection has a reader only while a request is on its way: one that
// waits for the next request, or for an answer, does without.

import { NO_BYTES } from '../../transport.ts';
import { Payload } from '../payload.ts';
import type { BodyLimits, HeadLimits } from '../syntax.ts';
import {
  BodyReader,
  type Http1Request,
  parseRequestHead,
  plainHeads,
  type Refusal,
  type Said,
} from '../syntax.ts';
import { BodyPace } from './body-pace.ts';
import { HeadReader } from './head-reader.ts';

const TOO_SLOW: Refusal = {
  ...{ kind: 'refusal', status: 408, reason: 'the request body came too slowly' },
};

/** `bodyMinRate`: bytes per second; 0 = any. */
export type RequestLimits = {
  readonly head: HeadLimits;
  readonly body: BodyLimits & { readonly bodyMinRate: number };
};

/** How many readers wait to be lent again, at most. */
const SPARE_MAX = 256;

/** The readers of one gateway that no connection has at the moment. */
export class RequestReaders {
  readonly #spare: RequestReader[] = [];

  /** From the first byte of a request on. It is read by the limits of this time. */
  lend({ requestLimits }: { readonly requestLimits: RequestLimits }): RequestReader {
    const reader = this.#spare.pop();
    if (reader === undefined) return new RequestReader(requestLimits);
    reader.limits = requestLimits;
    return reader;
  }

  /** Behind a whole request alone: a reader that stopped in the middle of one is let go. */
  takeBack(reader: RequestReader): void {
    reader.release();
    if (this.#spare.length < SPARE_MAX) this.#spare.push(reader);
  }
}

export class RequestReader {
  limits: RequestLimits;
  /** What of the body the last read held; in `buffer`. */
  readonly payload = new Payload();
  /** The last read: its bytes from `stop` to `end` are of a later request. */
  buffer: Buffer = NO_BYTES;
  stop = 0;
  end = 0;
  readonly #heads = new HeadReader();
  readonly #body = new BodyReader();
  readonly #pace = new BodyPace();

  constructor(limits: RequestLimits) {
    this.limits = limits;
  }

  /** A part of a head is here. */
  get isInHead(): boolean {
    return this.#heads.isPartial;
  }

  /** The request is whole. */
  get isDone(): boolean {
    return this.#body.done;
  }

  /** undefined: the head is not whole yet. `said`: of the client, by the gateway. */
  readHead(
    data: Buffer,
    start: number,
    end: number,
    said?: Said,
  ): Http1Request | Refusal | undefined {
    const limits = this.limits.head;
    if (plainHeads !== undefined && !this.#heads.isPartial) {
      const head = plainHeads.request(data, start, end, limits, said);
      if (head !== undefined) {
        this.#heads.skipTo(data, plainHeads.stop, end);
        return head;
      }
    }
    const text = this.#heads.read(data, start, end);
    if (text !== undefined) return parseRequestHead(text, limits);
    return this.#heads.isPartial ? this.#heads.refusal(limits) : undefined;
  }

  /** What stands behind the head in the same read. Here all of the request before is forgotten. */
  beginBody(head: Http1Request): Refusal | undefined {
    this.#pace.restart();
    this.#body.reset(head.framing, head.contentLength, this.limits.body);
    return this.#read(this.#heads.buffer, this.#heads.start, this.#heads.end);
  }

  readBody(buffer: Buffer, start: number, end: number, nowMs: number): Refusal | undefined {
    const refusal = this.#read(buffer, start, end);
    if (refusal !== undefined || this.#body.done) return refusal;
    const { bodyMinRate } = this.limits.body;
    return this.#pace.isTooSlow(end - start, nowMs, bodyMinRate) ? TOO_SLOW : undefined;
  }

  #read(buffer: Buffer, start: number, end: number): Refusal | undefined {
    this.buffer = buffer;
    this.end = end;
    this.payload.reset(start);
    this.stop = this.#body.read(buffer, start, end, this.payload);
    return this.#body.refusal;
  }

  /** The client was not read for a while: what it could not send does not count as slow. */
  restartPace(): void {
    this.#pace.restart();
  }

  /** The connection reads no more requests. */
  clear(): void {
    this.#heads.clear();
  }

  /** Behind a whole request: nothing of what was read is held on to. */
  release(): void {
    this.buffer = NO_BYTES;
    this.#heads.release();
  }
}
