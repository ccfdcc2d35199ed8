// Decides which trace a request belongs to: the client's, as its traceparent says and as sampled as that says, or
// a new one, of which a share is sampled. Spans are made of what is sampled alone, when the request has ended
// (exchange/spans.ts); until then a trace is a few ids.

import { randomFillSync } from 'node:crypto';
import type { SpanData, SpanSink } from '../../model.ts';
import { type RequestHead, withFields } from '../message.ts';
import { takeParent } from './trace-context.ts';

const RANDOM_BYTES = 4096;
/** 13 hex digits are what a number holds exactly. */
const SHARE_DIGITS = 13;

export class TraceOfRequest {
  readonly traceId: string;
  /** Of the client's span; '' = the trace begins here. */
  readonly parentId: string;
  readonly isSampled: boolean;
  readonly spanId: string;
  /** As it goes to a server, without the line that is added for each attempt. */
  readonly head: RequestHead;
  readonly #ids: RandomIds;

  constructor(head: RequestHead, sampleShare: number, ids: RandomIds) {
    const { parent, rest } = takeParent(head.fields);
    this.#ids = ids;
    this.traceId = parent?.traceId ?? ids.next(16);
    this.parentId = parent?.parentId ?? '';
    this.isSampled = parent?.isSampled ?? isAmong(this.traceId, sampleShare);
    this.spanId = ids.next(8);
    this.head = rest === head.fields ? head : withFields(head, rest);
  }

  /** Of the next attempt. */
  attemptId(): string {
    return this.#ids.next(8);
  }

  /** The field that goes with an attempt. */
  lineFor(attemptId: string): string {
    return `traceparent: 00-${this.traceId}-${attemptId}-${this.isSampled ? '01' : '00'}\r\n`;
  }
}

export class Tracer {
  readonly #sampleShare: number;
  readonly #sink: SpanSink;
  readonly #ids = new RandomIds();

  constructor(sampleShare: number, sink: SpanSink) {
    this.#sampleShare = sampleShare;
    this.#sink = sink;
  }

  begin(head: RequestHead): TraceOfRequest {
    return new TraceOfRequest(head, this.#sampleShare, this.#ids);
  }

  end(spans: readonly SpanData[]): void {
    this.#sink.take(spans);
  }
}

/** Whoever decides by the same share decides the same of a trace. */
function isAmong(traceId: string, share: number): boolean {
  return Number.parseInt(traceId.slice(-SHARE_DIGITS), 16) < share * 16 ** SHARE_DIGITS;
}

/** Ids that nobody can foresee, made many at a time. */
class RandomIds {
  readonly #bytes = Buffer.allocUnsafeSlow(RANDOM_BYTES);
  #at = RANDOM_BYTES;

  /** In hex; never zeros alone, which would be no id. */
  next(bytes: number): string {
    if (this.#at + bytes > RANDOM_BYTES) {
      randomFillSync(this.#bytes);
      this.#at = 0;
    }
    const id = this.#bytes.toString('hex', this.#at, this.#at + bytes);
    this.#at += bytes;
    return /^0+$/.test(id) ? this.next(bytes) : id;
  }
}
