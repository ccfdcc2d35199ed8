// One pass over the field lines of a head that the head's regular expression has matched: takes out
// what the gateway itself decides about (Host, framing, hop-by-hop, forwarding fields) and keeps the
// rest as lines ready to be written. What the taken-out fields mean is judged in request-head.ts and
// response-head.ts.

import { CR, hasWord, isOws, isWord, SPACE, tokenList } from './grammar.ts';

/** What a field is to the gateway. ORDINARY ones pass, the others never do as they are. */
const ORDINARY = 0;
const DROPPED = 1;
const CONTENT_LENGTH = 2;
const TRANSFER_ENCODING = 3;
const CONNECTION = 4;
const UPGRADE = 5;
const KEEP_ALIVE = 6;
/** From here on: in requests alone, ordinary in a response. */
const HOST = 7;
const EXPECT = 8;
const FORWARDED_FOR = 9;
const FORWARDED_PROTO = 10;
const FORWARDED_HOST = 11;
/** The gateway says these itself. */
const FORWARDING = 12;
/** Ordinary, unless the gateway says it itself. */
const REQUEST_ID = 13;

/** By the length of the name: candidates, lower case, and what they are. */
const KNOWN: readonly (readonly (readonly [name: string, kind: number])[])[] = (() => {
  const all: readonly (readonly [string, number])[] = [
    ['te', DROPPED],
    ['host', HOST],
    ['expect', EXPECT],
    ['upgrade', UPGRADE],
    ['trailer', DROPPED],
    ['x-real-ip', FORWARDING],
    ['forwarded', FORWARDING],
    ['x-forwarded', FORWARDING],
    ['forwarded-for', FORWARDING],
    ['connection', CONNECTION],
    ['keep-alive', KEEP_ALIVE],
    ['x-request-id', REQUEST_ID],
    ['content-length', CONTENT_LENGTH],
    ['http2-settings', DROPPED],
    ['x-forwarded-for', FORWARDED_FOR],
    ['proxy-connection', DROPPED],
    ['x-forwarded-host', FORWARDED_HOST],
    ['transfer-encoding', TRANSFER_ENCODING],
    ['x-forwarded-proto', FORWARDED_PROTO],
    ['proxy-authenticate', DROPPED],
    ['proxy-authorization', DROPPED],
  ];
  return Array.from({ length: 20 }, (_, length) => all.filter(([name]) => name.length === length));
})();

/** 1 for the first letters of the names in KNOWN, in both cases. */
const KNOWN_FIRST = new Uint8Array(256);
for (const candidates of KNOWN) {
  for (const [name] of candidates) {
    KNOWN_FIRST[name.charCodeAt(0)] = 1;
    KNOWN_FIRST[name.charCodeAt(0) & 0x5f] = 1;
  }
}

/** The line is `name: value` already; a colon of -1 says that its left side is known to be so. */
function isAsWritten(text: string, colon: number, lineEnd: number): boolean {
  if (isOws(text.charCodeAt(lineEnd - 1))) return false;
  if (colon === -1) return true;
  return text.charCodeAt(colon + 1) === SPACE && !isOws(text.charCodeAt(colon + 2));
}

/** What the last pass found. One object for all heads: read it before the next pass. */
export class FieldPass {
  /** Number of field lines, the dropped ones too. */
  count = 0;
  /** The end-to-end fields as `Name: value CRLF` lines. */
  lines = '';
  hosts = 0;
  host = '';
  contentLengths = 0;
  /** All of them, joined by a comma. */
  contentLength = '';
  transferEncodings = 0;
  transferEncoding = '';
  /** False when a Connection field holds something else than tokens. */
  connectionIsValid = true;
  close = false;
  keepAlive = false;
  /** `upgrade` is one of Connection's tokens. */
  upgradeNominated = false;
  /** All Upgrade fields, joined by a comma; undefined when there is none. */
  upgrade: string | undefined = undefined;
  expects = 0;
  /** The first Expect that is not `100-continue`, or `100-continue`. */
  expect = '';
  keepAliveValue = '';
  forwardedFor = '';
  forwardedProto = '';
  forwardedHost = '';
  requestIds = 0;
  requestId = '';
  #nominated: Set<string> | undefined = undefined;

  #reset(): void {
    this.count = 0;
    this.lines = '';
    this.hosts = 0;
    this.host = '';
    this.contentLengths = 0;
    this.contentLength = '';
    this.transferEncodings = 0;
    this.transferEncoding = '';
    this.connectionIsValid = true;
    this.close = false;
    this.keepAlive = false;
    this.upgradeNominated = false;
    this.upgrade = undefined;
    this.expects = 0;
    this.expect = '';
    this.keepAliveValue = '';
    this.forwardedFor = '';
    this.forwardedProto = '';
    this.forwardedHost = '';
    this.requestIds = 0;
    this.requestId = '';
    this.#nominated = undefined;
  }

  /**
   * Reads the lines of `text` from `start` to the empty line. `isPlain`: the head matched the plain
   * expression, so every line is `name: value` with one space, and names are letters, digits
   * and `-`.
   */
  read(text: string, start: number, rules: FieldRules, isPlain: boolean): void {
    this.#reset();
    let position = start;
    // text[runStart, position) is a run of lines that stay exactly as they are.
    let runStart = start;
    let lines = '';
    let count = 0;
    let first = text.charCodeAt(position);
    while (first !== CR) {
      count += 1;
      let lineEnd: number;
      let kind = ORDINARY;
      let colon = -1;
      if (!isPlain || KNOWN_FIRST[first] === 1) {
        colon = text.indexOf(':', position);
        lineEnd = text.indexOf('\r', colon);
        kind = kindOf(text, position, colon - position, rules);
        if (!isPlain && kind === ORDINARY) kind = foldedKind(text.slice(position, colon), rules);
      } else lineEnd = text.indexOf('\r', position);
      if (kind !== ORDINARY || !isAsWritten(text, colon, lineEnd)) {
        lines += text.slice(runStart, position);
        runStart = lineEnd + 2;
        if (colon === -1) colon = text.indexOf(':', position);
        let valueStart = colon + 1;
        let valueEnd = lineEnd;
        while (valueStart < valueEnd && isOws(text.charCodeAt(valueStart))) valueStart += 1;
        while (valueEnd > valueStart && isOws(text.charCodeAt(valueEnd - 1))) valueEnd -= 1;
        if (kind === ORDINARY) {
          lines += `${text.slice(position, colon)}: ${text.slice(valueStart, valueEnd)}\r\n`;
        } else if (kind !== DROPPED && kind !== FORWARDING)
          this.#take(kind, text.slice(valueStart, valueEnd));
      }
      position = lineEnd + 2;
      first = text.charCodeAt(position);
    }
    this.count = count;
    lines = lines === '' ? text.slice(runStart, position) : lines + text.slice(runStart, position);
    this.lines = this.#nominated === undefined ? lines : withoutFields(lines, this.#nominated);
  }

  #take(kind: number, value: string): void {
    switch (kind) {
      case HOST:
        this.hosts += 1;
        this.host = value;
        return;
      case CONTENT_LENGTH:
        this.contentLengths += 1;
        this.contentLength = this.contentLengths === 1 ? value : `${this.contentLength},${value}`;
        return;
      case TRANSFER_ENCODING:
        this.transferEncodings += 1;
        this.transferEncoding = value;
        return;
      case CONNECTION:
        this.#takeConnection(value);
        return;
      case UPGRADE:
        this.upgrade = this.upgrade === undefined ? value : `${this.upgrade},${value}`;
        return;
      case EXPECT:
        this.expects += 1;
        if (this.expects === 1 || !isWord(value, '100-continue')) this.expect = value;
        return;
      case KEEP_ALIVE:
        this.keepAliveValue = value;
        return;
      case FORWARDED_FOR:
        if (value !== '') {
          this.forwardedFor = this.forwardedFor === '' ? value : `${this.forwardedFor}, ${value}`;
        }
        return;
      case FORWARDED_PROTO:
        if (value !== '') this.forwardedProto = value;
        return;
      case REQUEST_ID:
        this.requestIds += 1;
        this.requestId = value;
        return;
      default: // FORWARDED_HOST
        if (value !== '') this.forwardedHost = value;
    }
  }

  #takeConnection(value: string): void {
    if (isWord(value, 'keep-alive')) {
      this.keepAlive = true;
      return;
    }
    const tokens = tokenList(value);
    if (tokens === undefined) {
      this.connectionIsValid = false;
      return;
    }
    for (const token of tokens) {
      if (token === 'close') this.close = true;
      else if (token === 'keep-alive') this.keepAlive = true;
      else if (token === 'upgrade') this.upgradeNominated = true;
      // A nominated field must not take away what another party relies on (rule 44).
      else if (!NOT_NOMINABLE.has(token)) {
        this.#nominated ??= new Set();
        this.#nominated.add(token);
      }
    }
  }
}

export type FieldRules = {
  readonly isRequest: boolean;
  readonly underscoresInHeaders: boolean;
  /** X-Request-Id is none of the ordinary fields. */
  readonly takesRequestId?: boolean;
};

/** The others that must stay are not in `lines` at all. */
const NOT_NOMINABLE = new Set(['authorization', 'cookie', 'set-cookie']);

function kindOf(text: string, start: number, length: number, rules: FieldRules): number {
  const { isRequest } = rules;
  const candidates = KNOWN[length];
  if (candidates !== undefined) {
    for (let index = 0; index < candidates.length; index += 1) {
      const candidate = candidates[index];
      if (candidate !== undefined && hasWord(text, start, candidate[0])) {
        if (candidate[1] === REQUEST_ID && rules.takesRequestId !== true) return ORDINARY;
        return isRequest || candidate[1] < HOST ? candidate[1] : ORDINARY;
      }
    }
  }
  // X-Forwarded-Port, -Server, -Prefix and whatever else a server may believe.
  return isRequest && hasWord(text, start, 'x-forwarded-') ? FORWARDING : ORDINARY;
}

/**
 * Servers that make variables of field names read `_`, some `.`, a few every other sign as `-`. A
 * name that only so becomes one of the known ones is never passed; any other name with `_` only if
 * the configuration says so (rule 23).
 */
function foldedKind(name: string, rules: FieldRules): number {
  if (!ODD_SIGN.test(name)) return ORDINARY;
  const folded = name.replaceAll(/[^0-9A-Za-z]/g, '-');
  if (kindOf(folded, 0, folded.length, rules) !== ORDINARY) return DROPPED;
  return !rules.underscoresInHeaders && name.includes('_') ? DROPPED : ORDINARY;
}

const ODD_SIGN = /[^-0-9A-Za-z]/;

/** `lines` without those whose lower-case name is in `names`. */
function withoutFields(lines: string, names: ReadonlySet<string>): string {
  let kept = '';
  let position = 0;
  while (position < lines.length) {
    const lineEnd = lines.indexOf('\r', position) + 2;
    const name = lines.slice(position, lines.indexOf(':', position)).toLowerCase();
    if (!names.has(name)) kept += lines.slice(position, lineEnd);
    position = lineEnd;
  }
  return kept;
}
