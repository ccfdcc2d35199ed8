// Heads in the plain spelling, as nearly all are: read by the scanner, where the bytes lie. Undefined for every other
// one, which the parser of text judges then; what is answered here is what that one would. heads.test.ts compares them.

import { hostOf } from '../../../host.ts';
import { PLACES } from '../../../read-buffer.ts';
import { timeoutOf } from '../response-head.ts';
import { RESPONSE_FIELDS_MAX } from '../scan.ts';
import type { Framing, HeadLimits, Http1Request, Http1Response } from '../types.ts';
import {
  bytesOf,
  CHUNKED,
  CLOSE,
  HAS_LENGTH,
  HOSTS,
  KEEP_ALIVE,
  type Latin1Buffer,
  OUT,
  placeOf,
  type Said,
  type Scanner,
  scanner,
} from './scanner.ts';

/** In the order of scan.c. */
const METHODS = ['', 'GET', 'PUT', 'POST', 'HEAD', 'PATCH', 'DELETE', 'OPTIONS'];

const NOTHING: Said = { before: '', after: '' };

class PlainHeads {
  /** Behind the head that was found last, in its buffer. */
  stop = 0;
  readonly #scanner: Scanner;
  readonly #out: Int32Array;
  readonly #memory: Latin1Buffer;
  /** What the scanner's places of hosts stand for; host is undefined where it is not valid. */
  readonly #authorities: string[] = new Array(HOSTS).fill('');
  readonly #hosts: (string | undefined)[] = new Array(HOSTS).fill(undefined);
  #authority = '';
  #host: string | undefined;

  constructor(from: Scanner) {
    this.#scanner = from;
    this.#out = from.out;
    this.#memory = from.memory;
  }

  request(
    buffer: Buffer,
    start: number,
    end: number,
    limits: HeadLimits,
    said: Said = NOTHING,
  ): Http1Request | undefined {
    const out = this.#out;
    const from = placeOf(this.#scanner, buffer, start, end);
    const to = from + bytesOf(buffer, start, end);
    const takesId = limits.takesRequestId === true;
    const stop = this.#scanner.request(from, to, takesId, said);
    if (stop === 0) return undefined;
    const targetAt = out[OUT.firstAt] ?? 0;
    const targetEnd = out[OUT.firstEnd] ?? 0;
    const flags = out[OUT.flags] ?? 0;
    const isFirst = out[OUT.minor] === 0;
    const isChunked = (flags & CHUNKED) !== 0;
    const hasLength = (flags & HAS_LENGTH) !== 0;
    if (
      stop - from > limits.headBytesMax ||
      targetEnd - targetAt > limits.uriBytesMax ||
      (out[OUT.count] ?? 0) > limits.fieldsMax ||
      (isChunked && (hasLength || isFirst)) ||
      !this.#readHost()
    ) {
      return undefined;
    }
    this.stop = start + stop - from;
    // One text, of which all others are parts.
    const text = this.#memory.latin1Slice(PLACES.packed, out[OUT.textTo]);
    const readyAt = out[OUT.readyAt] ?? 0;
    const target = text.slice(targetAt, targetEnd);
    return {
      kind: 'request',
      method: METHODS[out[OUT.methodOrStatus] ?? 0] ?? '',
      target,
      rawTarget: target,
      protocol: isFirst ? 'HTTP/1.0' : 'HTTP/1.1',
      host: this.#host ?? '',
      authority: this.#authority,
      minor: isFirst ? 0 : 1,
      fields: text.slice(out[OUT.fieldsAt], out[OUT.fieldsEnd]),
      ready: readyAt === 0 ? '' : text,
      readyAt,
      forwardedFor: this.#text(OUT.forwardedFor),
      forwardedProto: this.#text(OUT.forwardedProto),
      forwardedHost: this.#text(OUT.forwardedHost),
      requestId: this.#text(OUT.requestId),
      framing: isChunked ? 'chunked' : hasLength ? 'length' : 'none',
      contentLength: hasLength ? (out[OUT.length] ?? 0) : 0,
      keepAlive: (flags & CLOSE) === 0 && (!isFirst || (flags & KEEP_ALIVE) !== 0),
      expectContinue: false,
      upgrade: '',
    };
  }

  /** False: there is none, or it is not valid. */
  #readHost(): boolean {
    const from = this.#out[OUT.hostFrom] ?? 0;
    const to = this.#out[OUT.hostTo] ?? 0;
    if (from === 0) return false;
    const found = this.#scanner.host(from, to);
    if (found >= 0 && found < HOSTS) {
      this.#authority = this.#authorities[found] ?? '';
      this.#host = this.#hosts[found];
    } else {
      this.#authority = this.#memory.latin1Slice(from, to);
      this.#host = hostOf(this.#authority);
      if (found >= 0) {
        this.#authorities[found - HOSTS] = this.#authority;
        this.#hosts[found - HOSTS] = this.#host;
      }
    }
    return this.#host !== undefined;
  }

  response(
    buffer: Buffer,
    start: number,
    end: number,
    requestMethod: string,
    headBytesMax: number,
  ): Http1Response | undefined {
    const out = this.#out;
    const from = placeOf(this.#scanner, buffer, start, end);
    const to = from + bytesOf(buffer, start, end);
    const stop = this.#scanner.response(from, to);
    if (stop === 0) return undefined;
    const status = out[OUT.methodOrStatus] ?? 0;
    const flags = out[OUT.flags] ?? 0;
    const isChunked = (flags & CHUNKED) !== 0;
    const hasLength = (flags & HAS_LENGTH) !== 0;
    if (
      stop - from > headBytesMax ||
      (out[OUT.count] ?? 0) > RESPONSE_FIELDS_MAX ||
      (isChunked && hasLength) ||
      // Announces a body that it cannot have.
      (status === 204 && (isChunked || hasLength))
    ) {
      return undefined;
    }
    this.stop = start + stop - from;
    const mayHaveBody = status !== 204 && status !== 304 && requestMethod !== 'HEAD';
    const framing: Framing = !mayHaveBody
      ? 'none'
      : isChunked
        ? 'chunked'
        : hasLength
          ? 'length'
          : 'close';
    const text = this.#memory.latin1Slice(PLACES.packed, out[OUT.textTo]);
    const reason = text.slice(out[OUT.firstAt], out[OUT.firstEnd]);
    const isReady = framing === 'length' && reason !== '';
    const keepAliveValue = this.#text(OUT.keepAlive);
    return {
      kind: 'response',
      status,
      reason,
      minor: 1,
      fields: text.slice(out[OUT.fieldsAt], out[OUT.fieldsEnd]),
      ready: isReady ? text : '',
      readyHead: isReady ? (out[OUT.readyAt] ?? 0) : 0,
      framing,
      contentLength: hasLength ? (out[OUT.length] ?? 0) : -1,
      keepAlive: (flags & CLOSE) === 0 && framing !== 'close',
      keepAliveSeconds: keepAliveValue === '' ? -1 : timeoutOf(keepAliveValue),
      upgrade: '',
    };
  }

  /** Between the two places that `out` holds there. */
  #text(at: number): string {
    const from = this.#out[at] ?? 0;
    return from === 0 ? '' : this.#memory.latin1Slice(from, this.#out[at + 1]);
  }
}

/** Undefined: every head is read as text. */
export const plainHeads = scanner && new PlainHeads(scanner);
export const isScanning = plainHeads !== undefined;
