// The body behind a head: finds its payload in a stream of bytes and its end. Chunk heads,
// extensions and trailers are validated and dropped; nothing of them is ever passed on. Any split
// of the same bytes gives the same payload and the same verdict.

import { CR, isClass, isOws, LF, refuse, TEXT, TOKEN } from './grammar.ts';
import type { Framing, Refusal } from './types.ts';

/** Hex digits of a chunk size, leading zeros counted (rule 36). */
const SIZE_DIGITS_MAX = 16;
/** Extension bytes in a whole body; chunkExtensionBytesMax is per chunk line (rule 37). */
const EXTENSION_BYTES_TOTAL_MAX = 16_384;

export type BodyLimits = {
  readonly chunkExtensionBytesMax: number;
  readonly trailerBytesMax: number;
  /** 0 = no limit. */
  readonly bodyBytesMax: number;
  /** Lines in the trailer section. */
  readonly fieldsMax: number;
};

/** Gets buffer[from, to), never empty; valid only during the call. */
export interface BodySink {
  take(buffer: Buffer, from: number, to: number): void;
}

/** Reads one body after the other; `reset` begins the next. */
export class BodyReader {
  #state = DONE;
  #limits: BodyLimits = NO_LIMITS;
  #refusal: Refusal | undefined;
  /** Payload bytes that are still to come in this body (length) or chunk. */
  #remaining = 0;
  #payload = 0;
  #digits = 0;
  #extension = 0;
  #extensionTotal = 0;
  #trailer = 0;
  #fields = 0;

  get done(): boolean {
    return this.#state === DONE;
  }

  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  /** `contentLength` counts only where `framing` is length. May refuse at once (413). */
  reset(framing: Framing, contentLength: number, limits: BodyLimits): void {
    this.#limits = limits;
    this.#refusal = undefined;
    this.#remaining = 0;
    this.#payload = 0;
    this.#extensionTotal = 0;
    this.#trailer = 0;
    this.#fields = 0;
    switch (framing) {
      case 'none':
        this.#state = DONE;
        return;
      case 'close':
        this.#state = UNTIL_CLOSE;
        return;
      case 'chunked':
        this.#state = this.#beginChunk();
        return;
      case 'length':
        this.#remaining = contentLength;
        this.#state = contentLength === 0 ? DONE : LENGTH;
        if (this.#isTooLarge(contentLength)) this.#state = this.#refuse(413, BODY_TOO_LARGE);
    }
  }

  /**
   * Takes bytes from buffer[start, end) and hands the payload among them to `sink`. Returns the
   * offset behind the last byte taken: `end`, unless the body is done or refused before.
   */
  read(buffer: Buffer, start: number, end: number, sink: BodySink): number {
    let position = start;
    while (position < end) {
      switch (this.#state) {
        case LENGTH:
        case CHUNK_DATA: {
          const to = Math.min(end, position + this.#remaining);
          const from = position;
          position = to;
          this.#remaining -= to - from;
          if (this.#remaining === 0) this.#state = this.#state === LENGTH ? DONE : DATA_CR;
          sink.take(buffer, from, to);
          break;
        }
        case UNTIL_CLOSE: {
          let to = end;
          if (this.#isTooLarge(this.#payload + end - position)) {
            to = position + this.#limits.bodyBytesMax - this.#payload;
            this.#state = this.#refuse(413, BODY_TOO_LARGE);
          }
          const from = position;
          position = to;
          this.#payload += to - from;
          if (to > from) sink.take(buffer, from, to);
          break;
        }
        case DONE:
        case REFUSED:
          return position;
        default:
          this.#state = this.#step(buffer[position] ?? 0);
          if (this.#state === REFUSED) return position;
          position += 1;
      }
    }
    return position;
  }

  /** The peer has ended its side. True when the body is complete, maybe by that; else truncated. */
  finish(): boolean {
    if (this.#state === UNTIL_CLOSE) this.#state = DONE;
    return this.#state === DONE;
  }

  /** Each of these takes one byte of what is not payload and answers the state behind it. */
  #step(byte: number): number {
    if (this.#state >= TRAILER_START) return this.#stepTrailer(byte);
    if (this.#state >= EXTENSION_START) return this.#stepExtension(byte);
    switch (this.#state) {
      case SIZE: {
        const digit = HEX[byte] ?? NOT_HEX;
        if (digit === NOT_HEX) return this.#endSize(byte);
        this.#digits += 1;
        this.#remaining = this.#remaining * 16 + digit;
        return this.#digits > SIZE_DIGITS_MAX || this.#remaining > Number.MAX_SAFE_INTEGER
          ? this.#refuse(400, 'chunk size out of range')
          : SIZE;
      }
      case SIZE_LF:
        if (byte !== LF) return this.#refuse(400, CHUNK_LINE_END);
        if (this.#remaining === 0) return TRAILER_START;
        this.#payload += this.#remaining;
        return this.#isTooLarge(this.#payload) ? this.#refuse(413, BODY_TOO_LARGE) : CHUNK_DATA;
      case DATA_CR:
        return byte === CR ? DATA_LF : this.#refuse(400, CHUNK_DATA_END);
      default: // DATA_LF
        return byte === LF ? this.#beginChunk() : this.#refuse(400, CHUNK_DATA_END);
    }
  }

  #beginChunk(): number {
    this.#remaining = 0;
    this.#digits = 0;
    this.#extension = 0;
    return SIZE;
  }

  #endSize(byte: number): number {
    if (this.#digits > 0) {
      if (byte === CR) return SIZE_LF;
      if (byte === SEMICOLON) return this.#count(EXTENSION_START);
      if (byte === LF) return this.#refuse(400, CHUNK_LINE_END);
    }
    return this.#refuse(400, 'chunk size is not hexadecimal');
  }

  /** `;name`, `;name=token`, `;name="quoted"`, any number of them, blanks around `;` and `=`. */
  #stepExtension(byte: number): number {
    switch (this.#state) {
      case EXTENSION_START:
        return isOws(byte) ? this.#count(EXTENSION_START) : this.#countToken(byte, EXTENSION_NAME);
      case EXTENSION_NAME:
        if (isClass(byte, TOKEN)) return this.#count(EXTENSION_NAME);
        if (byte === EQUALS) return this.#count(EXTENSION_EQUALS);
        return this.#endExtension(byte, EXTENSION_NAME_BLANK);
      case EXTENSION_NAME_BLANK:
        return byte === EQUALS ? this.#count(EXTENSION_EQUALS) : this.#endBlank(byte);
      case EXTENSION_EQUALS:
        if (isOws(byte)) return this.#count(EXTENSION_EQUALS);
        if (byte === QUOTE) return this.#count(EXTENSION_QUOTED);
        return this.#countToken(byte, EXTENSION_TOKEN);
      case EXTENSION_TOKEN:
        if (isClass(byte, TOKEN)) return this.#count(EXTENSION_TOKEN);
        return this.#endExtension(byte, EXTENSION_BLANK);
      case EXTENSION_QUOTED:
        if (byte === QUOTE) return this.#count(EXTENSION_QUOTE_END);
        if (byte === BACKSLASH) return this.#count(EXTENSION_ESCAPE);
        return isClass(byte, TEXT) ? this.#count(EXTENSION_QUOTED) : this.#badExtension();
      case EXTENSION_ESCAPE:
        return isClass(byte, TEXT) ? this.#count(EXTENSION_QUOTED) : this.#badExtension();
      case EXTENSION_QUOTE_END:
        return this.#endExtension(byte, EXTENSION_BLANK);
      default: // EXTENSION_BLANK
        return this.#endBlank(byte);
    }
  }

  #countToken(byte: number, next: number): number {
    return isClass(byte, TOKEN) ? this.#count(next) : this.#badExtension();
  }

  #endExtension(byte: number, blank: number): number {
    if (byte === CR) return SIZE_LF;
    if (isOws(byte)) return this.#count(blank);
    return byte === SEMICOLON ? this.#count(EXTENSION_START) : this.#badExtension();
  }

  /** Blanks are allowed in front of the next extension, not in front of CRLF. */
  #endBlank(byte: number): number {
    if (isOws(byte)) return this.#count(this.#state);
    return byte === SEMICOLON ? this.#count(EXTENSION_START) : this.#badExtension();
  }

  #badExtension(): number {
    return this.#refuse(400, 'chunk extension is not valid');
  }

  #count(next: number): number {
    this.#extension += 1;
    this.#extensionTotal += 1;
    return this.#extension > this.#limits.chunkExtensionBytesMax ||
      this.#extensionTotal > EXTENSION_BYTES_TOTAL_MAX
      ? this.#refuse(413, 'chunk extensions too large')
      : next;
  }

  /** The same rules as for the fields of a head, and the empty line is CRLF alone (rule 40). */
  #stepTrailer(byte: number): number {
    if (this.#state === TRAILER_START && byte === CR) return TRAILER_LAST_LF;
    if (this.#state === TRAILER_LAST_LF) return byte === LF ? DONE : this.#badTrailer();
    // The final CRLF does not count: a section of exactly the limit is allowed.
    this.#trailer += 1;
    if (this.#trailer > this.#limits.trailerBytesMax) {
      return this.#refuse(431, 'trailers too large');
    }
    switch (this.#state) {
      case TRAILER_START:
        if (!isClass(byte, TOKEN)) return this.#badTrailer();
        this.#fields += 1;
        return this.#fields > this.#limits.fieldsMax
          ? this.#refuse(431, 'too many trailers')
          : TRAILER_NAME;
      case TRAILER_NAME:
        if (byte === COLON) return TRAILER_VALUE;
        return isClass(byte, TOKEN) ? TRAILER_NAME : this.#badTrailer();
      case TRAILER_VALUE:
        if (isClass(byte, TEXT)) return TRAILER_VALUE;
        return byte === CR ? TRAILER_LF : this.#badTrailer();
      default: // TRAILER_LF
        return byte === LF ? TRAILER_START : this.#badTrailer();
    }
  }

  #badTrailer(): number {
    return this.#refuse(400, 'trailer is not valid');
  }

  #isTooLarge(bytes: number): boolean {
    return this.#limits.bodyBytesMax > 0 && bytes > this.#limits.bodyBytesMax;
  }

  #refuse(status: number, reason: string): number {
    this.#refusal = refuse(status, reason);
    return REFUSED;
  }
}

const NO_LIMITS: BodyLimits = {
  chunkExtensionBytesMax: 0,
  trailerBytesMax: 0,
  bodyBytesMax: 0,
  fieldsMax: 0,
};

const BODY_TOO_LARGE = 'body too large';
const CHUNK_LINE_END = 'chunk line does not end with crlf';
const CHUNK_DATA_END = 'chunk data does not end with crlf';

const QUOTE = 0x22;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

const NOT_HEX = 255;
/** The value of each hex digit's byte. */
const HEX = new Uint8Array(256).fill(NOT_HEX);
for (let digit = 0; digit < 16; digit += 1) {
  const lower = digit.toString(16);
  HEX[lower.charCodeAt(0)] = digit;
  HEX[lower.toUpperCase().charCodeAt(0)] = digit;
}

// States, grouped: the extension's and the trailers' are told from the others by their order.
const DONE = 0;
const REFUSED = 1;
const LENGTH = 2;
const UNTIL_CLOSE = 3;
const CHUNK_DATA = 4;
const SIZE = 5;
const SIZE_LF = 6;
const DATA_CR = 7;
const DATA_LF = 8;
const EXTENSION_START = 9;
const EXTENSION_NAME = 10;
const EXTENSION_NAME_BLANK = 11;
const EXTENSION_EQUALS = 12;
const EXTENSION_TOKEN = 13;
const EXTENSION_QUOTED = 14;
const EXTENSION_ESCAPE = 15;
const EXTENSION_QUOTE_END = 16;
const EXTENSION_BLANK = 17;
const TRAILER_START = 18;
const TRAILER_NAME = 19;
const TRAILER_VALUE = 20;
const TRAILER_LF = 21;
const TRAILER_LAST_LF = 22;
