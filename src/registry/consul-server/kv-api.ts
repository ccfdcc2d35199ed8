// /v1/kv/:key of Consul's HTTP API: reads (also blocking), writes, deletes. Behaves as Consul 1.8.7
// does, except that a chunked body over the limit is refused too, an index beyond ours is answered
// at once (our data was restored: waiting would leave the client blind), and there are no sessions.

import { type Store, VALUE_BYTES_MAX } from '../embedded.ts';
import {
  type Answer,
  Body,
  JSON_TYPE,
  jsonAnswer,
  textAnswer,
  variedAnswer,
} from './http-answer.ts';
import { keysJson, prettyJson, recordJson, recordsJson } from './kv-json.ts';
import type { ParkedQueries } from './parked-queries.ts';
import { parseQueryOptions, type QueryOptions } from './query-options.ts';
import { encodeQuery, parameter, parseUint64, type Query } from './request-target.ts';

/** Queries parked at once in this process; each is small, but it is somebody else who opens them. */
const PARKED_MAX = 20_000;
/** Rendered answers kept until the next change, so that those who wake together share one. */
const RENDERED_MAX = 64;

export const SESSIONS_MISSING =
  'Sessions are not offered by this registry yet (?acquire, ?release, /v1/session); use ?cas to write without overwriting others';

/** Whoever sent the request: what a handler needs beyond the target. */
export type Caller = {
  readonly declaredBytes: number;
  /** The X-Consul-Namespace field, '' when there is none. */
  readonly namespace: string;
  /** Undefined when the body is over the limit. */
  readonly readBody: (bytesMax: number) => Promise<Buffer | undefined>;
  /** Calls back when the client leaves before its answer; returns the way to stop listening. */
  readonly onGone: (callback: () => void) => () => void;
};

type View = {
  readonly kind: 'record' | 'list' | 'keys';
  readonly key: string;
  readonly separator: string;
  readonly raw: boolean;
};

type Rendered = {
  readonly found: boolean;
  readonly headers: readonly string[];
  readonly body: Body;
};

export class KvApi {
  readonly #store: Store;
  readonly #parked: ParkedQueries;
  readonly #random: () => number;
  readonly #rendered = new Map<string, Rendered>();
  #renderedIndex = -1;

  constructor(store: Store, parked: ParkedQueries, random: () => number) {
    this.#store = store;
    this.#parked = parked;
    this.#random = random;
  }

  read(key: string, query: Query, caller: Caller): Answer | Promise<Answer> {
    const options = parseQueryOptions(query);
    if ('status' in options) return options;
    const kind = query.has('keys') ? 'keys' : query.has('recurse') ? 'list' : 'record';
    if (kind === 'record' && key === '') return textAnswer(400, 'Missing key name');
    const namespaced = inNamespace(query, caller);
    if (namespaced !== undefined) return namespaced;
    const separator = parameter(query, 'separator') || parameter(query, 'seperator');
    const view: View = { kind, key, separator, raw: kind === 'record' && query.has('raw') };
    const index = this.#index(view);
    if (index > options.index || options.index > this.#store.index) {
      return this.#answer(view, options, index);
    }
    return this.#park(view, options, index, caller);
  }

  async put(key: string, query: Query, caller: Caller): Promise<Answer> {
    const options = parseQueryOptions(query);
    if ('status' in options) return options;
    const namespaced = inNamespace(query, caller);
    if (namespaced !== undefined) return namespaced;
    if (key === '') return textAnswer(400, 'Missing key name');
    const conflict = conflicting(query, ['cas', 'acquire', 'release']);
    if (conflict !== undefined) return conflict;
    const flags = optionalUint64(query, 'flags');
    if ('error' in flags) return textAnswer(500, flags.error);
    const cas = optionalUint64(query, 'cas');
    if ('error' in cas) return textAnswer(500, cas.error);
    if (query.has('acquire') || query.has('release')) return textAnswer(501, SESSIONS_MISSING);
    const body = await caller.readBody(VALUE_BYTES_MAX);
    if (body === undefined) return tooLarge(caller.declaredBytes);
    const done = await this.#store.put(key, body, {
      ...(cas.value === undefined ? {} : { cas: Number(cas.value) }),
      ...(flags.value === undefined ? {} : { flags: flags.value }),
    });
    return writeAnswer(done, options);
  }

  async delete(key: string, query: Query, caller: Caller): Promise<Answer> {
    const options = parseQueryOptions(query);
    if ('status' in options) return options;
    const namespaced = inNamespace(query, caller);
    if (namespaced !== undefined) return namespaced;
    const conflict = conflicting(query, ['recurse', 'cas']);
    if (conflict !== undefined) return conflict;
    const recurse = query.has('recurse');
    if (key === '' && !recurse) return textAnswer(400, 'Missing key name');
    const cas = optionalUint64(query, 'cas');
    if ('error' in cas) return textAnswer(500, cas.error);
    const done = await this.#store.delete(key, {
      recurse,
      ...(cas.value === undefined ? {} : { cas: Number(cas.value) }),
    });
    return writeAnswer(done, options);
  }

  #park(
    view: View,
    options: QueryOptions,
    index: number,
    caller: Caller,
  ): Answer | Promise<Answer> {
    if (this.#parked.size >= PARKED_MAX) {
      return textAnswer(
        429,
        `Too many blocking queries are waiting here (${PARKED_MAX}); close some, or share one between watchers`,
      );
    }
    return new Promise((resolve, reject) => {
      const leave = this.#parked.park({
        key: view.key,
        tree: view.kind !== 'record',
        // Spread, so that those who came together do not return together.
        waitMs: options.waitMs * (1 + this.#random() / 16),
        answer: (changed) => {
          stopListening();
          try {
            // Out of time, nothing happened that it asked for: the index is the one it had.
            resolve(this.#answer(view, options, changed ? this.#index(view) : index));
          } catch (error) {
            reject(error); // A list beyond the longest string; the other watchers go on.
          }
        },
      });
      const stopListening = caller.onGone(() => {
        leave();
        resolve(this.#answer(view, options, index));
      });
    });
  }

  #index({ kind, key }: View): number {
    const { table } = this.#store;
    return kind === 'record' ? table.keyIndex(key) : table.prefixIndex(key);
  }

  #answer(view: View, options: QueryOptions, index: number): Answer {
    const { found, headers, body } = this.#render(view, options.pretty);
    return variedAnswer(
      found ? 200 : 404,
      [
        ...headers,
        'X-Consul-Index',
        String(index),
        'X-Consul-Knownleader',
        'true',
        'X-Consul-Lastcontact',
        '0',
      ],
      body,
    );
  }

  #render(view: View, pretty: boolean): Rendered {
    if (this.#renderedIndex !== this.#store.index || this.#rendered.size >= RENDERED_MAX) {
      this.#rendered.clear();
      this.#renderedIndex = this.#store.index;
    }
    const name = `${view.kind} ${view.raw} ${pretty} ${view.separator.length} ${view.separator}${view.key}`;
    let rendered = this.#rendered.get(name);
    if (rendered === undefined) {
      rendered = this.#renderNew(view, pretty);
      this.#rendered.set(name, rendered);
    }
    return rendered;
  }

  #renderNew({ kind, key, separator, raw }: View, pretty: boolean): Rendered {
    const { records } = this.#store.table;
    if (raw) {
      const record = records.get(key);
      return record === undefined ? ABSENT : rawRendered(record.value);
    }
    let json: string | undefined;
    if (kind === 'keys') {
      const keys = cutKeys(records.keys(key), key, separator);
      if (keys.length > 0 || key === '') json = keysJson(keys);
    } else if (kind === 'list') {
      const list = records.values(key);
      if (list.length > 0) json = recordsJson(list);
    } else {
      const record = records.get(key);
      if (record !== undefined) json = `[${recordJson(record)}]`;
    }
    if (json === undefined) return ABSENT;
    return { found: true, headers: JSON_TYPE, body: new Body(pretty ? prettyJson(json) : json) };
  }
}

const ABSENT: Rendered = { found: false, headers: [], body: new Body('') };

/** The sandbox policy keeps a browser from running a value that somebody stored as HTML. */
function rawRendered(value: Uint8Array): Rendered {
  return {
    found: true,
    headers: [
      'Content-Type',
      'text/plain',
      'Content-Security-Policy',
      'sandbox',
      'X-Content-Type-Options',
      'nosniff',
    ],
    body: new Body(value),
  };
}

/** Cuts each key after the first separator behind the prefix, without repetitions. */
function cutKeys(keys: readonly string[], prefix: string, separator: string): readonly string[] {
  if (separator === '') return keys;
  const cut: string[] = [];
  for (const key of keys) {
    const at = key.indexOf(separator, prefix.length);
    const part = at === -1 ? key : key.slice(0, at + separator.length);
    if (cut.at(-1) !== part) cut.push(part);
  }
  return cut;
}

/** The refusal of a request that means another namespace: here it would read or write the wrong key. */
function inNamespace(query: Query, { namespace }: Caller): Answer | undefined {
  const enterprise = 'Namespaces are a Consul Enterprise feature';
  if (namespace !== '') {
    return textAnswer(400, `Bad request: Invalid header: "X-Consul-Namespace" - ${enterprise}`);
  }
  if (parameter(query, 'ns') === '') return undefined;
  return textAnswer(400, `Bad request: Invalid query parameter: "ns" - ${enterprise}`);
}

function conflicting(query: Query, names: readonly string[]): Answer | undefined {
  if (names.filter((name) => query.has(name)).length < 2) return undefined;
  return textAnswer(400, `Conflicting flags: ${encodeQuery(query)}`);
}

function optionalUint64(
  query: Query,
  name: string,
): { readonly value: string | undefined } | { readonly error: string } {
  return query.has(name) ? parseUint64(parameter(query, name)) : { value: undefined };
}

/** The 413 of a body over the limit; Consul names the setting that its operator would change. */
export function tooLarge(declaredBytes: number, setting = 'kv_max_value_size'): Answer {
  const size = declaredBytes > 0 ? `(${declaredBytes} bytes) ` : ' ';
  const refused = textAnswer(
    413,
    `Request body${size}too large, max size: ${VALUE_BYTES_MAX} bytes. ` +
      `See https://www.consul.io/docs/agent/options.html#${setting}.`,
  );
  return { ...refused, closes: true };
}

function writeAnswer(done: boolean, { pretty }: QueryOptions): Answer {
  return jsonAnswer(`${done}${pretty ? '\n' : ''}`);
}
