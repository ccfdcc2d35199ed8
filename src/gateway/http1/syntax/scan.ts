// The beginning and the end of a head in a stream of bytes, and the first byte that cannot be part
// of one. A head that is still incomplete is refused here as early as possible; a complete one that
// the parser's regular expression does not match comes here too, to learn what is wrong. So a head
// gets the same refusal whole and in any split: the refusal of the first wrong byte.

import {
  CLASS,
  CR,
  DIGIT,
  hasWord,
  isClass,
  isOws,
  LF,
  refuse,
  SPACE,
  TARGET,
  TEXT,
  TOKEN,
} from './grammar.ts';
import type { HeadLimits, Refusal } from './types.ts';

/** Longest method (rule 4). */
export const METHOD_BYTES_MAX = 32;
/** Empty lines before a request line that are skipped (rule 3). */
export const EMPTY_LINES_MAX = 8;
/** Field lines of a response head. */
export const RESPONSE_FIELDS_MAX = 200;

/** Offset just behind the first CRLF CRLF in buffer[start, end), or -1. */
export function headEnd(buffer: Buffer, start: number, end: number): number {
  // Looks at every fourth byte as long as that cannot be part of the four.
  let index = start + 3;
  while (index < end) {
    const byte = buffer[index];
    if (byte === LF) {
      if (buffer[index - 1] === CR && buffer[index - 2] === LF && buffer[index - 3] === CR) {
        return index + 1;
      }
      index += 2;
    } else if (byte === CR) index += 1;
    else index += 4;
  }
  return -1;
}

/**
 * Offset behind the empty lines at `start`, at most `linesMax` of them; one more is refused by the
 * parser. A caller that drops the skipped bytes between reads must lower `linesMax` itself.
 */
export function skipEmptyLines(
  buffer: Buffer,
  start: number,
  end: number,
  linesMax: number = EMPTY_LINES_MAX,
): number {
  let index = start;
  for (let lines = 0; lines < linesMax; lines += 1) {
    if (index + 1 >= end || buffer[index] !== CR || buffer[index + 1] !== LF) break;
    index += 2;
  }
  return index;
}

type Limits = {
  readonly uriBytesMax: number;
  readonly headBytesMax: number;
  readonly fieldsMax: number;
};

/**
 * Reads a head byte by byte and stops at the first one that cannot be right. It remembers how far
 * it came: give it the same text again with more at the end, and the work stays linear.
 */
export class HeadScan {
  #state = START;
  #position = 0;
  #mark = 0;
  #fields = 0;
  #refusal: Refusal | undefined;

  reset(): void {
    this.#state = START;
    this.#position = 0;
    this.#fields = 0;
    this.#refusal = undefined;
  }

  request(text: string, limits: Limits): Refusal | undefined {
    // Half an empty line: the caller skips it when the other half is here.
    return text === '\r' ? undefined : this.#run(text, limits, true);
  }

  response(text: string, headBytesMax: number): Refusal | undefined {
    const limits = { uriBytesMax: 0, headBytesMax, fieldsMax: RESPONSE_FIELDS_MAX };
    const refusal = this.#run(text, limits, false);
    // A server's fault is always 502 to the client.
    return refusal === undefined ? undefined : refuse(502, refusal.reason);
  }

  #run(text: string, limits: Limits, isRequest: boolean): Refusal | undefined {
    const end = Math.min(text.length, limits.headBytesMax);
    while (this.#refusal === undefined && this.#state !== END && this.#position < end) {
      const code = text.charCodeAt(this.#position);
      let wrong: string;
      if (this.#state >= FIELD_START) wrong = this.#field(code, limits);
      else if (isRequest) wrong = this.#requestLine(code, text, limits);
      else wrong = this.#statusLine(code);
      if (wrong !== '') this.#refusal = refuse(STATUS[wrong] ?? 400, wrong);
      this.#position += 1;
    }
    if (this.#refusal === undefined && this.#state !== END && text.length >= limits.headBytesMax) {
      this.#refusal = refuse(431, 'head too large');
    }
    return this.#refusal;
  }

  /** These three take one byte in one state and answer what is wrong with it, or ''. */
  #requestLine(code: number, text: string, limits: Limits): string {
    switch (this.#state) {
      case START:
        if (code === CR) return text.charCodeAt(1) === LF ? 'too many empty lines' : BARE_CR;
        if (code === LF) return BARE_LF;
        if (code === 0x16) return 'tls on a plain-text port';
        this.#state = METHOD;
        return isClass(code, TOKEN) ? '' : 'method is not a token';
      case METHOD:
        if (code === SPACE) {
          this.#mark = this.#position + 1;
          this.#state = TARGET_PART;
          return '';
        }
        if (!isClass(code, TOKEN)) return 'method is not a token';
        return this.#position >= METHOD_BYTES_MAX ? 'method too long' : '';
      case TARGET_PART:
        if (code === SPACE) {
          const method = text.slice(0, this.#mark - 1);
          const problem = targetProblem(method, text.slice(this.#mark, this.#position));
          this.#mark = this.#position + 1;
          this.#state = VERSION;
          return problem;
        }
        if (code === CR || code === LF) return 'request line without a version';
        if (!isClass(code, TARGET)) return 'target has a byte that is not allowed';
        return this.#position - this.#mark >= limits.uriBytesMax ? URI_TOO_LONG : '';
      case VERSION: {
        const offset = this.#position - this.#mark;
        if (offset < 5) return code === 'HTTP/'.charCodeAt(offset) ? '' : BAD_VERSION;
        if (offset === 6) return code === 0x2e ? '' : BAD_VERSION;
        if (offset < 8) return isClass(code, DIGIT) ? '' : BAD_VERSION;
        this.#state = FIRST_LF;
        return code === CR ? '' : BAD_VERSION;
      }
      default: // FIRST_LF
        if (code !== LF) return BARE_CR;
        this.#state = FIELD_START;
        return text.charCodeAt(this.#mark + 5) === 0x31 ? '' : OTHER_MAJOR;
    }
  }

  #statusLine(code: number): string {
    if (this.#state === FIRST_LF) {
      if (code !== LF) return BARE_CR;
      this.#state = FIELD_START;
      return '';
    }
    const offset = this.#position;
    if (offset < 7) return code === 'HTTP/1.'.charCodeAt(offset) ? '' : BAD_STATUS_LINE;
    if (offset === 7) return code === 0x30 || code === 0x31 ? '' : BAD_STATUS_LINE;
    if (offset === 8) return code === SPACE ? '' : BAD_STATUS_LINE;
    if (offset === 9) return code > 0x30 && code < 0x36 ? '' : BAD_STATUS_LINE;
    if (offset < 12) return isClass(code, DIGIT) ? '' : BAD_STATUS_LINE;
    if (code === CR) {
      this.#state = FIRST_LF;
      return '';
    }
    if (code === LF) return BARE_LF;
    if (offset === 12) return code === SPACE ? '' : BAD_STATUS_LINE;
    return isClass(code, TEXT) ? '' : 'control character in the reason phrase';
  }

  #field(code: number, limits: Limits): string {
    switch (this.#state) {
      case FIELD_START:
        if (code === CR) {
          this.#state = LAST_LF;
          return '';
        }
        if (code === LF) return BARE_LF;
        if (isOws(code)) return 'folded line';
        if (code === 0x3a) return 'field without a name';
        if (!isClass(code, TOKEN)) return BAD_NAME;
        this.#fields += 1;
        this.#state = FIELD_NAME;
        return this.#fields > limits.fieldsMax ? TOO_MANY_FIELDS : '';
      case FIELD_NAME:
        if (code === 0x3a) {
          this.#state = FIELD_VALUE;
          return '';
        }
        if (((CLASS[code] ?? 0) & TOKEN) !== 0) return '';
        if (code === CR || code === LF) return 'line without a colon';
        return isOws(code) ? 'white space in or after a field name' : BAD_NAME;
      case FIELD_VALUE:
        if (((CLASS[code] ?? 0) & TEXT) !== 0) return '';
        if (code === CR) {
          this.#state = FIELD_LF;
          return '';
        }
        return code === LF ? BARE_LF : 'control character in a field value';
      case FIELD_LF:
        this.#state = FIELD_START;
        return code === LF ? '' : BARE_CR;
      default: // LAST_LF
        this.#state = END;
        return code === LF ? '' : BARE_CR;
    }
  }
}

/** What is wrong with the form of a target (rules 10, 12), or ''. An authority is judged later. */
export function targetProblem(method: string, target: string): string {
  const first = target.charCodeAt(0);
  if (first === 0x2f) return '';
  if (target === '') return 'target is empty';
  if (method === 'CONNECT') return '';
  if (target === '*') {
    if (method === 'PRI') return 'http/2 preface';
    return method === 'OPTIONS' ? '' : 'target * without options';
  }
  if (hasWord(target, 0, 'http://') || hasWord(target, 0, 'https://')) return '';
  return 'target is neither a path nor an http url';
}

/** Each call reads the whole text; with `scan` (one per connection, reset per head) only what is new. */
export function refusePartialRequest(
  text: string,
  limits: HeadLimits,
  scan: HeadScan = new HeadScan(),
): Refusal | undefined {
  return scan.request(text, limits);
}

/** As refusePartialRequest; every refusal is 502. */
export function refusePartialResponse(
  text: string,
  headBytesMax: number,
  scan: HeadScan = new HeadScan(),
): Refusal | undefined {
  return scan.response(text, headBytesMax);
}

const BARE_CR = 'cr without lf';
const BARE_LF = 'lf without cr';
const BAD_VERSION = 'version is not http/1.x';
const OTHER_MAJOR = 'version is not supported';
const BAD_STATUS_LINE = 'status line is not valid';
const BAD_NAME = 'field name is not a token';
const URI_TOO_LONG = 'target too long';
const TOO_MANY_FIELDS = 'too many fields';

/** Where it is not 400. */
const STATUS: Readonly<Record<string, number>> = {
  [OTHER_MAJOR]: 505,
  [URI_TOO_LONG]: 414,
  [TOO_MANY_FIELDS]: 431,
};

// States; below FIELD_START they belong to the first line.
const START = 0;
const METHOD = 1;
const TARGET_PART = 2;
const VERSION = 3;
const FIRST_LF = 4;
const FIELD_START = 5;
const FIELD_NAME = 6;
const FIELD_VALUE = 7;
const FIELD_LF = 8;
const LAST_LF = 9;
const END = 10;
