// Feeds bytes to the HTTP/1.1 layer in the way the gateway does, in every split, for the tests of
// src/gateway/http1/syntax: what came out must not depend on how the bytes came in (rule 70).

import { strict as assert } from 'node:assert';
import {
  BodyReader,
  type HeadLimits,
  HeadScan,
  type Http1Request,
  type Http1Response,
  headEnd,
  parseRequestHead,
  parseResponseHead,
  plainHeads,
  type Refusal,
  refusePartialRequest,
  refusePartialResponse,
  requestHeadText,
  responseHeadText,
  skipEmptyLines,
} from '../../../src/gateway/http1/syntax.ts';

export const LIMITS: HeadLimits = {
  uriBytesMax: 200,
  headBytesMax: 1000,
  fieldsMax: 10,
  underscoresInHeaders: false,
  allowTrace: false,
};

export const BODY_LIMITS = {
  chunkExtensionBytesMax: 20,
  trailerBytesMax: 60,
  bodyBytesMax: 0,
  fieldsMax: 3,
};

/** One message as it was understood. */
export type Outcome<Head> = {
  readonly head: Head | undefined;
  /** Of the head, or of the body behind `head`. */
  readonly refusal: { readonly status: number; readonly reason: string } | undefined;
  readonly body: string;
  /** Head and body have come to their end; for a response also by the end of the input. */
  readonly isComplete: boolean;
  /** The bytes behind the message. */
  readonly rest: string;
};

/** What differs between the two directions. */
type Side<Head> = {
  readonly skip: (buffer: Buffer) => number;
  readonly parse: (text: string) => Head | Refusal;
  readonly partial: (text: string, scan?: HeadScan) => Refusal | undefined;
  readonly resetBody: (body: BodyReader, head: Head) => void;
};

export function readRequest(
  input: string,
  limits: HeadLimits = LIMITS,
  bodyLimits = BODY_LIMITS,
): Outcome<Http1Request> {
  return readInEverySplit(input, {
    skip: (buffer) => skipEmptyLines(buffer, 0, buffer.length),
    parse: (text) => {
      const parsed = parseRequestHead(text, limits);
      assertSameHead(parsed, text, (bytes) =>
        plainHeads?.request(bytes, 0, bytes.length, limits, SAID),
      );
      return parsed;
    },
    partial: (text, scan) => refusePartialRequest(text, limits, scan),
    resetBody: (body, head) => body.reset(head.framing, head.contentLength, bodyLimits),
  });
}

export function readResponse(
  input: string,
  requestMethod = 'GET',
  headBytesMax = 1000,
): Outcome<Http1Response> {
  return readInEverySplit(input, {
    skip: () => 0,
    parse: (text) => {
      const parsed = parseResponseHead(text, requestMethod, headBytesMax);
      assertSameHead(parsed, text, (bytes) =>
        plainHeads?.response(bytes, 0, bytes.length, requestMethod, headBytesMax),
      );
      return parsed;
    },
    partial: (text, scan) => refusePartialResponse(text, headBytesMax, scan),
    resetBody: (body, head) => body.reset(head.framing, head.contentLength, BODY_LIMITS),
  });
}

/** What the gateway says of the client in these tests. */
export const SAID = {
  before: 'X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Host: ',
  after: 'Via: us\r\n',
};

/** What the scanner of plain heads makes of it is the same, or nothing. */
function assertSameHead(
  parsed: Http1Request | Http1Response | Refusal,
  text: string,
  scan: (bytes: Buffer) => Http1Request | Http1Response | undefined,
): void {
  const plain = scan(Buffer.from(text, 'latin1'));
  if (plain === undefined) return;
  assertPlain(plain, parsed, text, '');
  assert.equal(plainHeads?.stop, text.length);
}

/**
 * What the scanner has read of a head is what the parser of text reads, and what it has ready is what would be written.
 * `body`: what stands behind the head.
 */
export function assertPlain(
  plain: Http1Request | Http1Response,
  parsed: Http1Request | Http1Response | Refusal,
  input: string,
  body: string,
): void {
  for (const [key, value] of Object.entries(plain)) {
    if (!key.startsWith('ready') && Reflect.get(parsed, key) !== value) {
      assert.deepEqual(plain, parsed, JSON.stringify(input));
    }
  }
  if (plain.kind === 'request' && parsed.kind === 'request') {
    for (const own of ['', 'X-A: b\r\n']) {
      const client: string = `${SAID.before}${parsed.authority}\r\n${SAID.after}`;
      const sent = requestHeadText(
        plain,
        `${plain.ready === '' ? client : ''}${own}`,
        plain.framing,
      );
      assert.equal(
        sent,
        requestHeadText(parsed, client + own, parsed.framing),
        JSON.stringify(input),
      );
    }
  } else if (plain.kind === 'response' && plain.ready !== '' && parsed.kind === 'response') {
    const options = { requestMethod: 'GET', clientMinor: 1, keepAlive: true } as const;
    const head = responseHeadText(parsed, { ...options, framing: parsed.framing });
    assert.equal(plain.ready.slice(0, plain.readyHead), head, JSON.stringify(input));
    const behind = plain.ready.slice(plain.readyHead);
    if (behind !== '') assert.equal(behind, body.slice(0, plain.contentLength));
    if (behind !== '') assert.equal(behind.length, plain.contentLength);
  }
}

/** Whole, cut in two at every byte, and byte by byte: the outcome is the same, and is returned. */
function readInEverySplit<Head extends { readonly kind: string }>(
  input: string,
  side: Side<Head>,
): Outcome<Head> {
  const bytes = Buffer.from(input, 'latin1');
  const whole = readPieces([bytes], side);
  for (let cut = 1; cut < bytes.length; cut += 1) {
    const split = readPieces([bytes.subarray(0, cut), bytes.subarray(cut)], side);
    assert.deepEqual(split, whole, `cut at ${cut}`);
  }
  const single = Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
  assert.deepEqual(readPieces(single, side), whole, 'byte by byte');
  return whole;
}

function readPieces<Head extends { readonly kind: string }>(
  pieces: readonly Buffer[],
  side: Side<Head>,
): Outcome<Head> {
  const scan = new HeadScan();
  const body = new BodyReader();
  let partial = Buffer.alloc(0);
  let head: Head | undefined;
  let payload = '';
  let rest = '';
  const take = (buffer: Buffer, from: number, to: number): void => {
    assert(to > from, 'an empty range');
    payload += buffer.toString('latin1', from, to);
  };
  const outcome = (refusal: Refusal | undefined, isComplete: boolean): Outcome<Head> => ({
    head,
    refusal: refusal === undefined ? undefined : { status: refusal.status, reason: refusal.reason },
    body: payload,
    isComplete,
    rest: refusal === undefined ? rest : '',
  });
  for (const piece of pieces) {
    let buffer = piece;
    let start = 0;
    if (head === undefined) {
      partial = Buffer.concat([partial, piece]);
      start = side.skip(partial);
      const stop = headEnd(partial, start, partial.length);
      if (stop === -1) {
        const text = partial.toString('latin1', start);
        const refusal = text === '' ? undefined : side.partial(text);
        // The scan that goes on where it was says the same as one that starts anew.
        assert.deepEqual(side.partial(text, scan), refusal);
        if (refusal !== undefined) return outcome(refusal, false);
        continue;
      }
      const parsed = side.parse(partial.toString('latin1', start, stop));
      if (isRefusal(parsed)) return outcome(parsed, false);
      head = parsed;
      buffer = partial;
      start = stop;
      side.resetBody(body, head);
    }
    const stop = body.read(buffer, start, buffer.length, { take });
    if (body.refusal !== undefined) return outcome(body.refusal, false);
    assert(body.done || stop === buffer.length, 'stopped in the middle');
    rest += buffer.toString('latin1', stop);
  }
  return outcome(undefined, head !== undefined && body.finish());
}

function isRefusal(parsed: { readonly kind: string } | Refusal): parsed is Refusal {
  return parsed.kind === 'refusal';
}

/** What a case expects: a refusal's status, no end in sight, or these values among the outcome's. */
export type Expected<Head> =
  | number
  | 'incomplete'
  | (Partial<Head> & { readonly body?: string; readonly rest?: string });

/** Holds an outcome against what a case expects of it. */
export function assertOutcome<Head extends object>(
  outcome: Outcome<Head>,
  expected: Expected<Head>,
): void {
  if (expected === 'incomplete') {
    assert.equal(outcome.refusal, undefined);
    assert.equal(outcome.isComplete, false);
  } else if (typeof expected === 'number') {
    assert.equal(outcome.refusal?.status, expected, JSON.stringify(outcome));
  } else {
    assert.equal(outcome.refusal, undefined);
    assert.equal(outcome.isComplete, true, 'incomplete');
    const actual: Record<string, unknown> = {
      ...outcome.head,
      body: outcome.body,
      rest: outcome.rest,
    };
    // The body and what is behind it must be expected to be there.
    for (const [key, value] of Object.entries({ body: '', rest: '', ...expected })) {
      assert.deepEqual(actual[key], value, key);
    }
  }
}

/** A POST with these field lines; bytes behind the head follow a `|` at the start of a line. */
export function post(lines: string): string {
  const bar = lines.lastIndexOf('\r\n|');
  const fields = bar === -1 ? lines : lines.slice(0, bar + 2);
  return `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n${bar === -1 ? '' : lines.slice(bar + 3)}`;
}
