// The stream of what changes, as Server-Sent Events: for each topic a whole snapshot, then patches. What a page
// needs to follow it is here: the names of topics, the messages, and how a patch is applied.
//
//   const source = new EventSource('/api/stream?topics=overview,pool:app');
//   source.onmessage = ({ data }) => { const message = readMessage(data); … }

import { type Parameter, TEXT, usage } from './requests.ts';
import { fields, object, text } from './shape.ts';

/** `name`: of the upstream; of the service, or `service/release`. */
export type Topic = {
  readonly kind: 'overview' | 'events' | 'requests' | 'pool' | 'release';
  readonly name: string;
};

export type StreamMessage =
  | { readonly topic: string; readonly snapshot: object }
  /** A JSON merge patch (RFC 7396): null takes a key away. */
  | { readonly topic: string; readonly patch: object };

/** Where a stream is written to. */
export type StreamSink = {
  write(text: string | Uint8Array): void;
  /** Not yet taken by the client, bytes. */
  queued(): number;
  end(): void;
  /** Drops it, with what is queued. */
  destroy(): void;
};
/** Begins the stream; the function that it returns ends it. */
export type OpenStream = (sink: StreamSink) => () => void;

const TOPICS_MAX = 16;
const PLAIN = object({ topic: text });
const SNAPSHOT = object({ topic: text, snapshot: fields });
const PATCH = object({ topic: text, patch: fields });

/** @throws usage */
export function parseTopic(written: string): Topic {
  const [, kind = '', name = ''] = /^(\w+)(?::(.+))?$/.exec(written) ?? [];
  const isWhole = kind === 'overview' || kind === 'events' || kind === 'requests';
  if (isWhole && name === '') return { kind, name };
  if ((kind === 'pool' || kind === 'release') && name !== '') return { kind, name };
  throw usage(
    'topics',
    `"${written}" is none; there are overview, events, requests, pool:UPSTREAM, release:SERVICE and release:SERVICE/RELEASE`,
  );
}

export const TOPICS: Parameter<readonly string[]> = {
  parse: (value = 'overview') => {
    const topics = [...new Set(value.split(','))];
    if (topics.length > TOPICS_MAX) throw usage('topics', `must be at most ${TOPICS_MAX}`);
    for (const topic of topics) parseTopic(topic);
    return topics;
  },
  format: (topics) => topics.join(','),
};

/** The `id` of the last event that was seen, for a client that opens a stream anew. */
export const AFTER = TEXT;

/** Undefined: of a newer daemon. */
export function readMessage(data: string): StreamMessage | undefined {
  const value: unknown = JSON.parse(data);
  if (!PLAIN.fits(value)) return undefined;
  if (SNAPSHOT.fits(value)) return { topic: value.topic, snapshot: value.snapshot };
  return PATCH.fits(value) ? { topic: value.topic, patch: value.patch } : undefined;
}

/** What the patch makes of it; what it does not touch is shared with `value`. */
export function applyPatch(value: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result = new Map<string, unknown>(isObject(value) ? Object.entries(value) : []);
  for (const [key, next] of Object.entries(patch)) {
    if (next === null) result.delete(key);
    else result.set(key, applyPatch(result.get(key), next));
  }
  return Object.fromEntries(result);
}

/** The patch from one to the other; undefined: they are the same. Neither has a null in it. */
export function patchBetween(last: unknown, next: unknown): unknown {
  if (last === next) return undefined;
  if (!isObject(last) || !isObject(next)) {
    return JSON.stringify(last) === JSON.stringify(next) ? undefined : next;
  }
  const patch: [string, unknown][] = [];
  const before = new Map<string, unknown>(Object.entries(last));
  for (const [key, value] of Object.entries(next)) {
    const change = before.has(key) ? patchBetween(before.get(key), value) : value;
    before.delete(key);
    if (change !== undefined) patch.push([key, change]);
  }
  for (const key of before.keys()) patch.push([key, null]);
  return patch.length === 0 ? undefined : Object.fromEntries(patch);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
