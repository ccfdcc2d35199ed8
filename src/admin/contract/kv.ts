// The records of the registries, for a page that shows and changes them.

import { type Body, isInteger, type Parameter, parseObject, shortText, usage } from './requests.ts';
import type { Route } from './route.ts';
import { either, flag, list, nothing, number, object, text, type ValueOf, word } from './shape.ts';

/** Rows of one answer. */
export const KV_ROWS_MAX = 1000;
/** Of a value; a registry takes no more. */
const VALUE_BYTES_MAX = 512 * 1024;
/** JSON may take six bytes for one. */
const BODY_BYTES_MAX = 6 * VALUE_BYTES_MAX + 16 * 1024;
const KEY_LENGTH_MAX = 4096;
/** Of a value in a question; server records are far shorter. */
const ASKED_VALUE_MAX = 8192;

/** What a key is for: a server's record, sluice's own, or anybody's. */
export type KvOwner = 'server' | 'sluice' | 'other';

export const KV_LIST = object({
  registry: text,
  /** All that have records. */
  registries: list(text),
  prefix: text,
  /** Below which the servers are, and what gateways and releases write. */
  recordPrefix: text,
  ownPrefix: text,
  /** Sorted bytewise. `keys`: below a folder, which ends with a slash; of a key 1. */
  rows: list(object({ key: text, isFolder: flag, keys: number })),
  /** There are others behind the last row: ask with `after`. */
  more: flag,
  /** Keys that fit, on all pages. */
  total: number,
});

export type KvListDocument = ValueOf<typeof KV_LIST>;

/** A server's record as gateways read it. */
export const KV_DECODED = object({
  upstream: text,
  server: text,
  weight: number,
  maxFails: number,
  failTimeoutMs: number,
  /** 0 = no limit. */
  maxConns: number,
  backup: flag,
  down: flag,
  /** A drain or maint wrote `down`, and takes it back. */
  isIntentDown: flag,
});

export type KvDecoded = ValueOf<typeof KV_DECODED>;

export const KV_ENTRY = object({
  registry: text,
  key: text,
  exists: flag,
  owner: word<KvOwner>(),
  /** null: it does not exist, or is withheld. */
  value: either(text, nothing),
  /** `value` is base64: it is no text, and only read. */
  base64: flag,
  bytes: number,
  /** The role of the token does not show the value. */
  withheld: flag,
  /** 64 bits, so a text. */
  flags: text,
  /** For a write that only replaces this; 0 = it does not exist. */
  index: number,
  createIndex: number,
  lockIndex: number,
  /** Of the session or lease that holds it, and whose that is as far as is known; '' = nobody. */
  session: text,
  holder: text,
  decoded: either(KV_DECODED, nothing),
  /** What gateways say of the record, in words. */
  problems: list(text),
  warnings: list(text),
});

export type KvEntryDocument = ValueOf<typeof KV_ENTRY>;

const SERVER_CHANGE = object({
  server: text,
  /** Eligibility; '' = it is not there. */
  before: text,
  after: text,
  weightBefore: number,
  weightAfter: number,
});

export const KV_EFFECT = object({
  registry: text,
  key: text,
  action: word<'write' | 'remove' | 'removePrefix'>(),
  /** It would be done without `force`. */
  allowed: flag,
  refusal: text,
  level: word<'light' | 'confirm' | 'type'>(),
  /** Records that would be written or removed. */
  keys: number,
  /** Of a prefix, for its removal. Of a key, its index. */
  index: number,
  upstreams: list(
    object({
      name: text,
      eligibleBefore: number,
      eligibleAfter: number,
      serversBefore: number,
      serversAfter: number,
      /** Servers that differ. */
      servers: list(SERVER_CHANGE),
      /** The last record would go, and the list is held as it is. */
      held: flag,
    }),
  ),
  /** The same in sentences. */
  says: list(text),
  problems: list(text),
  warnings: list(text),
  cli: text,
  curl: text,
});

export type KvEffectDocument = ValueOf<typeof KV_EFFECT>;

export type KvWriteRequest = {
  readonly registry: string;
  readonly key: string;
  readonly value: string;
  /** The entry's when it was read; 0 = there was none. */
  readonly index: number;
  /** Also what gateways cannot read, and what is sluice's own. */
  readonly force: boolean;
};

export type KvRemoveRequest = {
  readonly registry: string;
  readonly key: string;
  readonly index: number;
  /** All below `key`; `count` says how many these were. */
  readonly prefix: boolean;
  readonly count: number;
  readonly force: boolean;
};

export type KvListQuestion = {
  readonly registry: string;
  readonly prefix: string;
  readonly after: string;
  readonly separator: string;
  readonly find: string;
};

export type KvEffectQuestion = {
  readonly registry: string;
  readonly key: string;
  readonly value: string;
  readonly remove: '' | 'entry' | 'prefix';
};

const REGISTRY = shortText('registry', 200);
const PREFIX = shortText('prefix', KEY_LENGTH_MAX);
const AFTER_KEY = shortText('after', KEY_LENGTH_MAX);
const FIND = shortText('find', 200);
const VALUE = shortText('value', ASKED_VALUE_MAX);

const SEPARATOR: Parameter<string> = {
  parse: (value = '') => {
    if (value === '' || value === '/') return value;
    throw usage('separator', 'must be "/", or left out');
  },
  format: String,
};

const KEY: Parameter<string> = {
  parse: (value = '') => parseKey(value),
  format: String,
};

const REMOVE: Parameter<'' | 'entry' | 'prefix'> = {
  parse: (value = '') => {
    if (value === '' || value === 'entry' || value === 'prefix') return value;
    throw usage('remove', 'must be entry, prefix, or left out');
  },
  format: String,
};

const WRITE_BODY: Body<KvWriteRequest> = {
  names: ['registry', 'key', 'value', 'index', 'force'],
  bytesMax: BODY_BYTES_MAX,
  parse: (body) => {
    const { registry = '', key, value, index, force = false } = parseObject(body, WRITE_BODY.names);
    if (typeof value !== 'string') throw usage('value', 'must be a text');
    return { ...parsePlace(registry, key, index, force), value };
  },
};

const REMOVE_BODY: Body<KvRemoveRequest> = {
  names: ['registry', 'key', 'index', 'prefix', 'count', 'force'],
  parse: (body) => {
    const keys = parseObject(body, REMOVE_BODY.names);
    const { registry = '', key, index, prefix = false, count = 1, force = false } = keys;
    if (typeof prefix !== 'boolean') throw usage('prefix', 'must be true or false');
    if (!isInteger(count, 0)) throw usage('count', 'must be a whole number, 0 or more');
    return { ...parsePlace(registry, key, index, force), prefix, count };
  },
};

function parsePlace(registry: unknown, key: unknown, index: unknown, force: unknown) {
  if (typeof registry !== 'string') throw usage('registry', 'must be a text');
  if (!isInteger(index, 0)) throw usage('index', 'must be a whole number, 0 or more');
  if (typeof force !== 'boolean') throw usage('force', 'must be true or false');
  return { registry, key: parseKey(key), index, force };
}

function parseKey(key: unknown): string {
  if (typeof key === 'string' && key !== '' && key.length <= KEY_LENGTH_MAX) return key;
  throw usage('key', `must be a text of 1 to ${KEY_LENGTH_MAX} characters`);
}

const READ_ERRORS = ['not_found', 'registry_unreachable', 'registry_refused'] as const;

export const KV_ROUTES = {
  kvList: {
    method: 'GET',
    path: '/api/kv',
    role: 'read',
    query: {
      registry: REGISTRY,
      prefix: PREFIX,
      after: AFTER_KEY,
      separator: SEPARATOR,
      find: FIND,
    },
    answer: KV_LIST,
    errors: READ_ERRORS,
  },
  kvEntry: {
    method: 'GET',
    path: '/api/kv/entry',
    role: 'read',
    query: { registry: REGISTRY, key: KEY },
    answer: KV_ENTRY,
    errors: READ_ERRORS,
  },
  kvEffect: {
    method: 'GET',
    path: '/api/kv/effect',
    role: 'read',
    query: { registry: REGISTRY, key: KEY, value: VALUE, remove: REMOVE },
    answer: KV_EFFECT,
    errors: READ_ERRORS,
  },
  kvWrite: {
    method: 'POST',
    path: '/api/kv/entry',
    role: 'operate',
    body: WRITE_BODY,
    answer: KV_ENTRY,
    tellsItself: true,
    errors: ['not_found', 'conflict', 'registry_unreachable', 'registry_refused'],
  },
  kvRemove: {
    method: 'POST',
    path: '/api/kv/remove',
    role: 'operate',
    body: REMOVE_BODY,
    answer: object({ registry: text, key: text, removed: number }),
    tellsItself: true,
    errors: ['not_found', 'conflict', 'registry_unreachable', 'registry_refused'],
  },
} as const satisfies Readonly<Record<string, Route>>;
