// The body behind a head: finds its payload in a stream of bytes and its end. Chunk heads,
// extensions and trailers are validated and dropped; nothing of them is ever passed on. Any split
// of the same bytes gives the same payload and the same verdict.

import { CLASS, CR, isClass, isOws, LF, refuse, TEXT, TOKEN } from './grammar.ts';
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
export type BodySink = (buffer: Buffer, from: number, to: number) => void;

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
        this.#beginChunk();
        return;
      case 'length':
        this.#remaining = contentLength;
        this.#state = contentLength === 0 ? DONE : LENGTH;
        if (this.#isTooLarge(contentLength)) this.#refuse(413, BODY_TOO_LARGE);
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
          sink(buffer, from, to);
          break;
        }
        case UNTIL_CLOSE: {
          let to = end;
          if (this.#isTooLarge(this.#payload + end - position)) {
            to = position + this.#limits.bodyBytesMax - this.#payload;
            this.#refuse(413, BODY_TOO_LARGE);
          }
          const from = position;
          position = to;
          this.#payload += to - from;
          if (to > from) sink(buffer, from, to);
          break;
        }
        case DONE:
        case REFUSED:
          return position;
        default:
          this.#step(buffer[position] ?? 0);
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

  /** One byte of what is not payload. */
  #step(byte: number): void {
    if (this.#state >= TRAILER_START) return this.#stepTrailer(byte);
    if (this.#state >= EXTENSION_START) return this.#stepExtension(byte);
    switch (this.#state) {
      case SIZE: {
        const digit = HEX[byte] ?? NOT_HEX;
        if (digit === NOT_HEX) return this.#endSize(byte);
        this.#digits += 1;
        this.#remaining = this.#remaining * 16 + digit;
        if (this.#digits > SIZE_DIGITS_MAX || this.#remaining > Number.MAX_SAFE_INTEGER) {
          this.#refuse(400, 'chunk size out of range');
        }
        return;
      }
      case SIZE_LF:
        if (byte !== LF) return this.#refuse(400, CHUNK_LINE_END);
        if (this.#remaining === 0) {
          this.#state = TRAILER_START;
          return;
        }
        this.#payload += this.#remaining;
        if (this.#isTooLarge(this.#payload)) return this.#refuse(413, BODY_TOO_LARGE);
        this.#state = CHUNK_DATA;
        return;
      case DATA_CR:
        this.#state = DATA_LF;
        if (byte !== CR) this.#refuse(400, 'chunk data does not end with crlf');
        return;
      default: // DATA_LF
        if (byte !== LF) return this.#refuse(400, 'chunk data does not end with crlf');
        this.#beginChunk();
    }
  }

  #beginChunk(): void {
    this.#state = SIZE;
    this.#remaining = 0;
    this.#digits = 0;
    this.#extension = 0;
  }

  #endSize(byte: number): void {
    if (this.#digits === 0) return this.#refuse(400, 'chunk size is not hexadecimal');
    if (byte === CR) this.#state = SIZE_LF;
    else if (byte === 0x3b) this.#countExtension(EXTENSION_START);
    else this.#refuse(400, byte === LF ? CHUNK_LINE_END : 'chunk size is not hexadecimal');
  }

  /** `;name`, `;name=token`, `;name="quoted"`, any number of them, blanks around `;` and `=`. */
  #stepExtension(byte: number): void {
    switch (this.#state) {
      case EXTENSION_START:
        if (isOws(byte)) return this.#countExtension(EXTENSION_START);
        return this.#extensionIf(isClass(byte, TOKEN), EXTENSION_NAME);
      case EXTENSION_NAME:
        if (isClass(byte, TOKEN)) return this.#countExtension(EXTENSION_NAME);
        if (byte === 0x3d) return this.#countExtension(EXTENSION_EQUALS);
        return this.#endExtension(byte, EXTENSION_NAME_BLANK);
      case EXTENSION_NAME_BLANK:
        if (byte === 0x3d) return this.#countExtension(EXTENSION_EQUALS);
        return this.#endBlank(byte);
      case EXTENSION_EQUALS:
        if (isOws(byte)) return this.#countExtension(EXTENSION_EQUALS);
        if (byte === 0x22) return this.#countExtension(EXTENSION_QUOTED);
        return this.#extensionIf(isClass(byte, TOKEN), EXTENSION_TOKEN);
      case EXTENSION_TOKEN:
        if (isClass(byte, TOKEN)) return this.#countExtension(EXTENSION_TOKEN);
        return this.#endExtension(byte, EXTENSION_BLANK);
      case EXTENSION_QUOTED:
        if (byte === 0x22) return this.#countExtension(EXTENSION_QUOTE_END);
        if (byte === 0x5c) return this.#countExtension(EXTENSION_ESCAPE);
        return this.#extensionIf(isClass(byte, TEXT), EXTENSION_QUOTED);
      case EXTENSION_ESCAPE:
        return this.#extensionIf(isClass(byte, TEXT), EXTENSION_QUOTED);
      case EXTENSION_QUOTE_END:
        return this.#endExtension(byte, EXTENSION_BLANK);
      default: // EXTENSION_BLANK
        return this.#endBlank(byte);
    }
  }

  #endExtension(byte: number, blank: number): void {
    if (byte === CR) this.#state = SIZE_LF;
    else if (isOws(byte)) this.#countExtension(blank);
    else this.#extensionIf(byte === 0x3b, EXTENSION_START);
  }

  /** Blanks are allowed in front of the next extension, not in front of CRLF. */
  #endBlank(byte: number): void {
    if (isOws(byte)) this.#countExtension(this.#state);
    else this.#extensionIf(byte === 0x3b, EXTENSION_START);
  }

  #extensionIf(isValid: boolean, next: number): void {
    if (isValid) this.#countExtension(next);
    else this.#refuse(400, 'chunk extension is not valid');
  }

  #countExtension(next: number): void {
    this.#state = next;
    this.#extension += 1;
    this.#extensionTotal += 1;
    if (
      this.#extension > this.#limits.chunkExtensionBytesMax ||
      this.#extensionTotal > EXTENSION_BYTES_TOTAL_MAX
    ) {
      this.#refuse(413, 'chunk extensions too large');
    }
  }

  /** The same rules as for the fields of a head, and the empty line is CRLF alone (rule 40). */
  #stepTrailer(byte: number): void {
    this.#trailer += 1;
    // The final CRLF does not count: a section of exactly the limit is allowed.
    const isEnd = this.#state === TRAILER_LAST_LF || (this.#state === TRAILER_START && byte === CR);
    if (!isEnd && this.#trailer > this.#limits.trailerBytesMax) {
      return this.#refuse(431, 'trailers too large');
    }
    switch (this.#state) {
      case TRAILER_START:
        if (byte === CR) {
          this.#state = TRAILER_LAST_LF;
          return;
        }
        this.#state = TRAILER_NAME;
        this.#fields += 1;
        if (!isClass(byte, TOKEN)) return this.#refuse(400, TRAILER_NOT_VALID);
        if (this.#fields > this.#limits.fieldsMax) this.#refuse(431, 'too many trailers');
        return;
      case TRAILER_NAME:
        if (byte === 0x3a) this.#state = TRAILER_VALUE;
        else if (!isClass(byte, TOKEN)) this.#refuse(400, TRAILER_NOT_VALID);
        return;
      case TRAILER_VALUE:
        if (((CLASS[byte] ?? 0) & TEXT) !== 0) return;
        this.#state = TRAILER_LF;
        if (byte !== CR) this.#refuse(400, TRAILER_NOT_VALID);
        return;
      case TRAILER_LF:
        this.#state = TRAILER_START;
        if (byte !== LF) this.#refuse(400, TRAILER_NOT_VALID);
        return;
      default: // TRAILER_LAST_LF
        this.#state = DONE;
        if (byte !== LF) this.#refuse(400, TRAILER_NOT_VALID);
    }
  }

  #isTooLarge(bytes: number): boolean {
    return this.#limits.bodyBytesMax > 0 && bytes > this.#limits.bodyBytesMax;
  }

  #refuse(status: number, reason: string): void {
    this.#state = REFUSED;
    this.#refusal = refuse(status, reason);
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
const TRAILER_NOT_VALID = 'trailer is not valid';

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
