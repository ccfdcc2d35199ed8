// DNS messages, as far as looking up servers needs them: a question, and an answer read with distrust.
// Pure. Node's resolver tells no TTL of SRV records, and no server can be named to its lookup; that is
// why this is here (docs/design/membership-sources.md). Source: RFC 1035 section 4, RFC 2782.

import { isIP } from 'node:net';

export const TYPES = { A: 1, CNAME: 5, SOA: 6, AAAA: 28, SRV: 33 } as const;
export type QuestionType = 'A' | 'AAAA' | 'SRV';

/** More is no list of servers. */
const RECORDS_MAX = 4096;
/** Pointers in one name: a loop is endless, and a name has at most 127 labels. */
const POINTERS_MAX = 127;
const NAME_LENGTH_MAX = 255;

export type Question = { readonly id: number; readonly name: string; readonly type: QuestionType };

export type DnsRecord = { readonly name: string; readonly ttl: number } & (
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'CNAME'; readonly target: string }
  | {
      readonly type: 'SRV';
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  /** How long it may be remembered that there is no answer, s. */
  | { readonly type: 'SOA'; readonly negativeTtl: number }
);

export type DnsAnswer = {
  /** 0 = fine, 3 = the name does not exist. */
  readonly code: number;
  /** It did not fit: the answer is to be asked for by TCP. */
  readonly isCut: boolean;
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
  readonly additional: readonly DnsRecord[];
};

/** A question that asks for recursion. `name`: ASCII labels, each of at most 63 characters. */
export function encodeQuestion({ id, name, type }: Question): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(id, 0);
  // Recursion desired.
  head.writeUInt16BE(0x0100, 2);
  head.writeUInt16BE(1, 4);
  const labels = withoutDot(name)
    .split('.')
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]));
  const tail = Buffer.from([0, 0, TYPES[type], 0, 1]);
  return Buffer.concat([head, ...labels, tail]);
}

/**
 * The answer to that question; undefined when the message answers another one, or none.
 * @throws Error when it is cut off or says what cannot be
 */
export function decodeAnswer(message: Buffer, question: Question): DnsAnswer | undefined {
  if (message.length < 12 || message.readUInt16BE(0) !== question.id) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) === 0 || message.readUInt16BE(4) !== 1) return undefined;
  const reader = new Reader(message, 12);
  const [name, type, klass] = [reader.name(), reader.uint16(), reader.uint16()];
  if (!isSameName(name, question.name) || type !== TYPES[question.type] || klass !== 1) {
    return undefined;
  }
  const isCut = (flags & 0x0200) !== 0;
  const code = flags & 0x000f;
  if (isCut) return { code, isCut, answers: [], authority: [], additional: [] };
  const counts = [message.readUInt16BE(6), message.readUInt16BE(8), message.readUInt16BE(10)];
  const [answers = [], authority = [], additional = []] = counts.map((count) =>
    readRecords(reader, count),
  );
  return { code, isCut, answers, authority, additional };
}

export function isSameName(a: string, b: string): boolean {
  return withoutDot(a).toLowerCase() === withoutDot(b).toLowerCase();
}

function withoutDot(name: string): string {
  return name.replace(/\.$/, '');
}

function readRecords(reader: Reader, count: number): DnsRecord[] {
  if (count > RECORDS_MAX) throw new Error(`answer of ${count} records`);
  const records: DnsRecord[] = [];
  for (let at = 0; at < count; at += 1) {
    const name = reader.name();
    const [type, klass, ttl, length] = [
      reader.uint16(),
      reader.uint16(),
      reader.uint32(),
      reader.uint16(),
    ];
    const end = reader.at + length;
    // A TTL with the highest bit is 0: RFC 2181 section 8.
    const record = klass === 1 ? readData(reader, type, length) : undefined;
    if (record !== undefined) {
      if (reader.at !== end) throw new Error('record that is not as long as it says');
      records.push({ name, ttl: ttl > 0x7fff_ffff ? 0 : ttl, ...record });
    }
    reader.skipTo(end);
  }
  return records;
}

type Data = DnsRecord extends infer One
  ? One extends DnsRecord
    ? Omit<One, 'name' | 'ttl'>
    : never
  : never;

/** Undefined: of a type that is not read here. */
function readData(reader: Reader, type: number, length: number): Data | undefined {
  switch (type) {
    case TYPES.A:
      return { type: 'A', address: addressOf(reader.bytes(length)) };
    case TYPES.AAAA:
      return { type: 'AAAA', address: addressOf(reader.bytes(length)) };
    case TYPES.CNAME:
      return { type: 'CNAME', target: reader.name() };
    case TYPES.SRV: {
      const [priority, weight, port] = [reader.uint16(), reader.uint16(), reader.uint16()];
      return { type: 'SRV', priority, weight, port, target: reader.name() };
    }
    case TYPES.SOA: {
      reader.name();
      reader.name();
      const [, , , , minimum = 0] = [0, 0, 0, 0, 0].map(() => reader.uint32());
      return { type: 'SOA', negativeTtl: minimum };
    }
    default:
      return undefined;
  }
}

function addressOf(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.');
  if (bytes.length !== 16) throw new Error(`address of ${bytes.length} bytes`);
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(2 * at).toString(16));
  return shortest(groups);
}

/** RFC 5952: the longest run of two zeros or more is left out, of equals the first. */
function shortest(groups: readonly string[]): string {
  let [best, length] = [0, 1];
  for (let from = 0; from < groups.length; from += 1) {
    let to = from;
    while (groups[to] === '0') to += 1;
    if (to - from > length) [best, length] = [from, to - from];
  }
  const text =
    length < 2
      ? groups.join(':')
      : `${groups.slice(0, best).join(':')}::${groups.slice(best + length).join(':')}`;
  if (isIP(text) !== 6) throw new Error(`address ${text}`);
  return text;
}

class Reader {
  readonly #message: Buffer;
  at: number;

  constructor(message: Buffer, at: number) {
    this.#message = message;
    this.at = at;
  }

  uint16(): number {
    return this.bytes(2).readUInt16BE(0);
  }

  uint32(): number {
    return this.bytes(4).readUInt32BE(0);
  }

  bytes(length: number): Buffer {
    const end = this.at + length;
    if (end > this.#message.length) throw new Error('message that is cut off');
    const bytes = this.#message.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  skipTo(at: number): void {
    if (at < this.at || at > this.#message.length) throw new Error('message that is cut off');
    this.at = at;
  }

  /** Without the dot at its end; '' is the root. */
  name(): string {
    const labels: string[] = [];
    let [at, after, pointers, length] = [this.at, -1, 0, 0];
    for (;;) {
      const size = this.#message[at];
      if (size === undefined) throw new Error('name that is cut off');
      if (size === 0) break;
      if (size >= 0xc0) {
        const low = this.#message[at + 1];
        if (low === undefined) throw new Error('name that is cut off');
        pointers += 1;
        if (pointers > POINTERS_MAX) throw new Error('name that has no end');
        if (after < 0) after = at + 2;
        at = ((size & 0x3f) << 8) | low;
        continue;
      }
      if (size > 63) throw new Error('name with a label of an unknown kind');
      const label = this.#message.subarray(at + 1, at + 1 + size);
      if (label.length < size) throw new Error('name that is cut off');
      length += size + 1;
      if (length > NAME_LENGTH_MAX) throw new Error('name that is too long');
      labels.push(label.toString('latin1'));
      at += size + 1;
    }
    this.at = after < 0 ? at + 1 : after;
    return labels.join('.');
  }
}
