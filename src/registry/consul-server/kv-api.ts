// /v1/kv/:key of Consul's HTTP API: reads (also blocking), writes, deletes. Behaves as Consul 1.8.7
// does, except that a chunked body over the limit is refused too, an index beyond ours is answered
// at once (our data was restored: waiting would leave the client blind), and a write without acquire
// leaves the LockIndex as it is.

import { type Changed, checkRecordSize, KV, type Store, VALUE_BYTES_MAX } from '../embedded.ts';
import { keysJson, prettyJson, recordJson, recordsJson } from './go.ts';
import type { QueryOptions } from './http.ts';
import {
  type Answer,
  Body,
  encodeQuery,
  indexHeaders,
  JSON_TYPE,
  jsonAnswer,
  parameter,
  parseUint64,
  type Query,
  shared,
  textAnswer,
  variedAnswer,
} from './http.ts';
import { inNamespace } from './namespaces.ts';
import { permissionDenied, type Rights } from './rights.ts';
import type { ApiContext, Caller, Family, Reply } from './routes.ts';
import { type LockRequest, lockRecord, unlockRecord } from './sessions.ts';
import { WaitingRead } from './waiting-read.ts';

/** Answers kept until what they list changes. */
const LISTS_MAX = 64;
const LIST_BYTES_MAX = 64 * 1024 * 1024;

type View = {
  readonly kind: 'record' | 'list' | 'keys';
  readonly key: string;
  readonly separator: string;
  readonly raw: boolean;
  /** Of whoever asks. */
  readonly rights: Rights;
};

type KnownList = { readonly prefix: string; readonly index: number; readonly answer: Answer };

type Rendered = {
  readonly found: boolean;
  readonly headers: readonly string[];
  readonly body: Body;
};

export function kvFamily(context: ApiContext): Family {
  const kv = new KvApi(context);
  return {
    routes: {
      '/v1/kv/': {
        GET: (key, query, caller) => kv.read(key, query, caller),
        PUT: (key, query, caller) => kv.put(key, query, caller),
        DELETE: (key, query, caller) => kv.delete(key, query, caller),
      },
    },
    close: () => kv.close(),
  };
}

class KvApi {
  readonly #context: ApiContext;
  readonly #store: Store;
  /** By view. Those who wake together share one, and many clients ask for the same list. */
  readonly #lists = new Map<string, KnownList>();
  #listBytes = 0;
  /** The record that was answered last to one who waited for it: the others who wait get the same. */
  #woken: { readonly name: string; readonly answer: Answer } | undefined;
  readonly #stopListening: () => void;

  constructor(context: ApiContext) {
    this.#context = context;
    this.#store = context.store;
    this.#stopListening = this.#store.onChange((changes) => this.#forgetLists(changes));
  }

  close(): void {
    this.#stopListening();
  }

  read(key: string, query: Query, caller: Caller): Reply {
    const options = this.#context.optionsOf(query);
    if ('status' in options) return options;
    const kind = query.has('keys') ? 'keys' : query.has('recurse') ? 'list' : 'record';
    if (kind === 'record' && key === '') return textAnswer(400, 'Missing key name');
    const namespaced = inNamespace(query, caller);
    if (namespaced !== undefined) return namespaced;
    const { rights } = caller;
    if (kind === 'record' && !rights.allows('key', 'read', key)) return permissionDenied();
    const separator = parameter(query, 'separator') || parameter(query, 'seperator');
    const view: View = { kind, key, separator, raw: kind === 'record' && query.has('raw'), rights };
    if (options.index === 0) return this.#answerNow(view, options);
    const index = this.#lists.get(listName(view, options))?.index ?? this.#index(view);
    if (index > options.index || options.index > this.#store.index) {
      return this.#answerNow(view, options);
    }
    return this.#park(view, options, index, caller);
  }

  async put(key: string, query: Query, caller: Caller): Promise<Answer> {
    const options = this.#context.optionsOf(query);
    if ('status' in options) return options;
    const namespaced = inNamespace(query, caller);
    if (namespaced !== undefined) return namespaced;
    if (key === '') return textAnswer(400, 'Missing key name');
    const conflict = conflicting(query, ['cas', 'acquire', 'release']);
    if (conflict !== undefined) return conflict;
    if (!caller.rights.allows('key', 'write', key)) return permissionDenied();
    const flags = optionalUint64(query, 'flags');
    if ('error' in flags) return textAnswer(500, flags.error);
    const cas = optionalUint64(query, 'cas');
    if ('error' in cas) return textAnswer(500, cas.error);
    const read = caller.readBody(VALUE_BYTES_MAX);
    const body = read instanceof Promise ? await read : read;
    if (body === undefined) return tooLarge(caller.declaredBytes);
    const lock = query.has('acquire') ? 'acquire' : query.has('release') ? 'release' : undefined;
    if (lock !== undefined) {
      const session = parameter(query, lock);
      const write = { key, value: body, flags: flags.value ?? '0', session };
      return this.#writeLock(lock, write, options);
    }
    const done = await this.#store.put(key, body, {
      ...(cas.value === undefined ? {} : { cas: Number(cas.value) }),
      ...(flags.value === undefined ? {} : { flags: flags.value }),
    });
    return writeAnswer(done, options);
  }

  async #writeLock(
    lock: 'acquire' | 'release',
    write: LockRequest,
    options: QueryOptions,
  ): Promise<Answer> {
    const { key, value, session } = write;
    if (session === '') return textAnswer(500, 'missing session');
    checkRecordSize(key, value);
    if (lock === 'release') {
      const done = await this.#store.transact((writes) => unlockRecord(writes, write));
      return writeAnswer(done !== undefined, options);
    }
    const end = await this.#store.transact((writes) =>
      lockRecord(writes, write, this.#context.clock.wallMs()),
    );
    return end.kind === 'refused'
      ? textAnswer(500, end.why)
      : writeAnswer(end.kind === 'locked', options);
  }

  async delete(key: string, query: Query, caller: Caller): Promise<Answer> {
    const options = this.#context.optionsOf(query);
    if ('status' in options) return options;
    const namespaced = inNamespace(query, caller);
    if (namespaced !== undefined) return namespaced;
    const conflict = conflicting(query, ['recurse', 'cas']);
    if (conflict !== undefined) return conflict;
    const recurse = query.has('recurse');
    if (key === '' && !recurse) return textAnswer(400, 'Missing key name');
    const { rights } = caller;
    const may = recurse
      ? rights.allowsAll('key', 'write', key)
      : rights.allows('key', 'write', key);
    if (!may) return permissionDenied();
    const cas = optionalUint64(query, 'cas');
    if ('error' in cas) return textAnswer(500, cas.error);
    const done = await this.#store.delete(key, {
      recurse,
      ...(cas.value === undefined ? {} : { cas: Number(cas.value) }),
    });
    return writeAnswer(done, options);
  }

  #park(view: View, options: QueryOptions, index: number, caller: Caller): Reply {
    const full = this.#context.blocking.full();
    if (full !== undefined) return full;
    return new WaitingRead({
      key: view.key,
      tree: view.kind !== 'record',
      // Spread, so that those who came together do not return together.
      waitMs: options.waitMs * (1 + this.#context.random() / 16),
      parked: this.#context.parked,
      caller,
      // Out of time, nothing happened that it asked for: the index is the one it had.
      answerNow: (changed) =>
        changed ? this.#answerWoken(view, options) : this.#answer(view, options, index),
    });
  }

  #index({ kind, key }: View): number {
    const { table } = this.#store;
    return kind === 'record' ? table.keyIndex(key) : table.prefixIndex(key);
  }

  #answerWoken(view: View, options: QueryOptions): Answer {
    if (view.kind !== 'record') return this.#answerNow(view, options);
    const name = `${view.raw} ${listName(view, options)}`;
    if (this.#woken?.name !== name) {
      this.#woken = { name, answer: shared(this.#answerNow(view, options)) };
    }
    return this.#woken.answer;
  }

  /** The answer as of now; the same object for all who ask for the same list until it changes. */
  #answerNow(view: View, options: QueryOptions): Answer {
    if (view.kind === 'record') return this.#answer(view, options, this.#index(view));
    const name = listName(view, options);
    const known = this.#lists.get(name);
    if (known !== undefined) return known.answer;
    const index = this.#index(view);
    const answer = shared(this.#answer(view, options, index));
    // What is not there has the index of all records, which changes without it.
    if (answer.status === 404) return answer;
    this.#listBytes += answer.body.bytes.length;
    if (this.#lists.size >= LISTS_MAX || this.#listBytes > LIST_BYTES_MAX) {
      this.#lists.clear();
      this.#listBytes = answer.body.bytes.length;
    }
    this.#lists.set(name, { prefix: view.key, index, answer });
    return answer;
  }

  #forgetLists(changes: readonly Changed[] | 'all'): void {
    this.#woken = undefined; // Also where nothing of it changed: what is absent has the index of all.
    if (changes === 'all') {
      this.#lists.clear();
      this.#listBytes = 0;
      return;
    }
    if (this.#lists.size === 0) return;
    for (const { family, key, removed } of changes) {
      if (family !== KV) continue;
      for (const [name, { prefix, answer }] of this.#lists) {
        const isBelow = removed !== undefined && prefix.startsWith(key);
        if (!isBelow && !key.startsWith(prefix)) continue;
        this.#listBytes -= answer.body.bytes.length;
        this.#lists.delete(name);
      }
    }
  }

  #answer(view: View, options: QueryOptions, index: number): Answer {
    // Who waited may have lost the right meanwhile.
    if (view.kind === 'record' && !mayRead(view.rights, view.key)) return permissionDenied();
    const { found, headers, body } = this.#render(view, options.pretty);
    return variedAnswer(found ? 200 : 404, [...headers, ...indexHeaders(index)], body);
  }

  #render({ kind, key, separator, raw, rights }: View, pretty: boolean): Rendered {
    const { records } = this.#store.table;
    if (raw) {
      const record = records.get(key);
      return record === undefined ? ABSENT : rawRendered(record.value);
    }
    let json: string | undefined;
    if (kind === 'keys') {
      const keys = cutKeys(readable(records.keys(key), rights), key, separator);
      if (keys.length > 0 || key === '') json = keysJson(keys);
    } else if (kind === 'list') {
      const all = records.values(key);
      const list = rights.unlimited ? all : all.filter((one) => mayRead(rights, one.key));
      if (list.length > 0) json = recordsJson(list);
    } else {
      const record = records.get(key);
      if (record !== undefined) json = `[${recordJson(record)}]`;
    }
    if (json === undefined) return ABSENT;
    return { found: true, headers: JSON_TYPE, body: new Body(pretty ? prettyJson(json) : json) };
  }
}

function listName({ kind, key, separator, rights }: View, { pretty }: QueryOptions): string {
  const who = rights.name;
  return `${kind} ${pretty} ${who.length} ${who} ${separator.length} ${separator}${key}`;
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

function readable(keys: readonly string[], rights: Rights): readonly string[] {
  return rights.unlimited ? keys : keys.filter((key) => mayRead(rights, key));
}

function mayRead(rights: Rights, key: string): boolean {
  return rights.allows('key', 'read', key);
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

/** The same objects for all writes: each is rendered once a second. */
const WRITE_ANSWERS = ['false', 'true', 'false\n', 'true\n'].map((text) =>
  shared(jsonAnswer(text)),
);

function writeAnswer(done: boolean, { pretty }: QueryOptions): Answer {
  return WRITE_ANSWERS[Number(done) + 2 * Number(pretty)] ?? jsonAnswer(`${done}`);
}
