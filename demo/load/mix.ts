// The kinds of requests of the mixed load: what each sends and what its only right answer is, told
// by demo/app.ts's rules. Seeded, so that two runs send the same sequence.

import { createHash } from 'node:crypto';
import type { ClientRequest } from './connection.ts';
import type { ResponseReader } from './response.ts';

export type Kind =
  | 'get'
  | 'get_fresh'
  | 'slow'
  | 'slow_post'
  | 'post'
  | 'post_fresh'
  | 'chunked'
  | 'mirror';

/** Shares of the mixed load, in per cent. */
export const MIXED: Readonly<Partial<Record<Kind, number>>> = {
  get: 37,
  get_fresh: 15,
  slow: 6,
  slow_post: 5,
  post: 17,
  post_fresh: 5,
  chunked: 10,
  mirror: 5,
};

/** A request with the check of its answer: '' when right, else what is wrong. */
export type Order = {
  readonly kind: Kind;
  readonly request: ClientRequest;
  /** Safe to send twice, by its method. */
  readonly idempotent: boolean;
  readonly verify: (response: ResponseReader) => string;
};

export type MixOptions = {
  readonly shares: Readonly<Partial<Record<Kind, number>>>;
  /** Uploads use PUT instead of POST: a proxy may then send them again. */
  readonly idempotent: boolean;
  readonly seed: number;
};

/** A source of orders; ids are unique in it. */
export function createMix(options: MixOptions): () => Order {
  const random = seeded(options.seed);
  const bag = Object.entries(options.shares).flatMap(([kind, share]) =>
    isKind(kind) ? Array.from({ length: share }, () => kind) : [],
  );
  const upload = options.idempotent ? 'PUT' : 'POST';
  let count = 0;
  return () => {
    count += 1;
    const kind = bag[Math.floor(random() * bag.length)] ?? 'get';
    return order(kind, `${options.seed}-${count}`, upload, random);
  };
}

const ORDER = Buffer.from('{"order":1}');

function order(kind: Kind, id: string, upload: string, random: () => number): Order {
  const base = { id, framing: 'none', parts: [], close: kind.endsWith('_fresh') } as const;
  if (kind === 'get' || kind === 'get_fresh') {
    return {
      kind,
      idempotent: true,
      request: { ...base, method: 'GET', path: '/hello' },
      verify: expectText((server) => `hello world by ${server}\n`),
    };
  }
  if (kind === 'slow' || kind === 'slow_post') {
    const ms = 100 + Math.floor(random() * 300);
    return {
      kind,
      idempotent: kind === 'slow' || upload === 'PUT',
      request:
        kind === 'slow'
          ? { ...base, method: 'GET', path: `/slow?ms=${ms}` }
          : { ...base, method: upload, path: `/slow?ms=${ms}`, framing: 'length', parts: [ORDER] },
      verify: expectText((server) => `slept ${ms} ms by ${server}\n`),
    };
  }
  const isStreamed = kind === 'chunked' || kind === 'mirror';
  const parts = Array.from({ length: isStreamed ? 2 + Math.floor(random() * 4) : 1 }, () =>
    bytes(random, 1 + Math.floor(random() * 16_384)),
  );
  const body = Buffer.concat(parts);
  const sha256 = createHash('sha256').update(body).digest('hex');
  return {
    kind,
    idempotent: upload === 'PUT',
    request: {
      ...base,
      method: upload,
      path: kind === 'mirror' ? '/echo?mirror=1' : '/echo',
      framing: isStreamed ? 'chunked' : 'length',
      parts,
    },
    verify:
      kind === 'mirror'
        ? (response) => (response.sha256() === sha256 ? '' : 'the mirrored body differs')
        : expectText(() => `${sha256} ${body.length}\n`),
  };
}

function expectText(text: (server: string) => string): (response: ResponseReader) => string {
  return (response) => {
    const expected = text(response.fields.get('x-app-server') ?? '');
    return response.text === expected
      ? ''
      : `body "${response.text.trim()}", not "${expected.trim()}"`;
  };
}

/** Bytes that compress badly and differ from request to request. */
function bytes(random: () => number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) buffer.writeUInt32LE(random() * 0xffff_ffff, at);
  return buffer;
}

/** Random numbers in [0, 1) from a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

function isKind(text: string): text is Kind {
  return text in MIXED;
}
