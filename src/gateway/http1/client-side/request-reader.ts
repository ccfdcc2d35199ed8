// Reads the requests of one client connection, one after the other: a head, then its body. What a read
// holds behind the body belongs to a later request, and is left alone.

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

export class RequestReader {
  /** What of the body the last read held; in `buffer`. */
  readonly payload = new Payload();
  /** The last read: its bytes from `stop` to `end` are of a later request. */
  buffer: Buffer = NO_BYTES;
  stop = 0;
  end = 0;
  readonly #settings: { readonly requestLimits: RequestLimits };
  readonly #heads = new HeadReader();
  readonly #body = new BodyReader();
  readonly #pace = new BodyPace();

  /** `settings` may change under way: a request is read by those of its time. */
  constructor(settings: { readonly requestLimits: RequestLimits }) {
    this.#settings = settings;
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
    const limits = this.#settings.requestLimits.head;
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
    this.#body.reset(head.framing, head.contentLength, this.#settings.requestLimits.body);
    return this.#read(this.#heads.buffer, this.#heads.start, this.#heads.end);
  }

  readBody(buffer: Buffer, start: number, end: number, nowMs: number): Refusal | undefined {
    const refusal = this.#read(buffer, start, end);
    if (refusal !== undefined || this.#body.done) return refusal;
    const { bodyMinRate } = this.#settings.requestLimits.body;
    return this.#pace.isTooSlow(end - start, nowMs, bodyMinRate) ? TOO_SLOW : undefined;
  }

  #read(buffer: Buffer, start: number, end: number): Refusal | undefined {
    this.buffer = buffer;
    this.end = end;
    this.payload.reset(start);
    this.stop = this.#body.read(buffer, start, end, this.payload.collect);
    return this.#body.refusal;
  }

  /** The client was not read for a while: what it could not send does not count as slow. */
  restartPace(): void {
    this.#pace.restart();
  }

  clear(): void {
    this.#heads.clear();
  }
}
