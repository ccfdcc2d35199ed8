// PUT /v1/txn of Consul's HTTP API: up to 64 operations on the KV that happen together or not at
// all. Operations on nodes, services, checks and sessions are refused.

import { Draft } from './draft.ts';
import { type Answer, jsonAnswer, textAnswer } from './http-answer.ts';
import type { KvEntry } from './kv.ts';
import { type Client, SESSIONS_MISSING, tooLarge } from './kv-api.ts';
import { goString, prettyJson, recordJson } from './kv-json.ts';
import { parseQueryOptions } from './query-options.ts';
import { parseUint64, type Query } from './request-target.ts';
import { KEY_BYTES_MAX, type Store, VALUE_BYTES_MAX } from './store.ts';

const OPERATIONS_MAX = 64;
const READS: readonly string[] = [
  'get',
  'get-tree',
  'check-index',
  'check-session',
  'check-not-exists',
];

type Operation = {
  readonly verb: string;
  readonly key: string;
  readonly value: Buffer;
  readonly flags: string;
  readonly index: number;
};

type Result = { readonly record: KvEntry; readonly withValue: boolean };

/** Thrown inside the group so that what the transaction changed is undone. */
class Aborted extends Error {
  readonly failures: readonly string[];

  constructor(failures: readonly string[]) {
    super('transaction aborted');
    this.failures = failures;
  }
}

export async function runTransaction(store: Store, query: Query, client: Client): Promise<Answer> {
  const options = parseQueryOptions(query);
  if ('status' in options) return options;
  const body = await client.readBody(VALUE_BYTES_MAX);
  if (body === undefined) return tooLarge(client.declaredBytes);
  const operations = parseOperations(body.toString());
  if ('status' in operations) return operations;
  const readOnly = operations.every(({ verb }) => READS.includes(verb) || !VERBS.has(verb));
  const [status, results, failures] = await settle(store, operations, readOnly);
  const tail = readOnly
    ? ',"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":""'
    : '';
  const json =
    failures.length > 0
      ? `{"Results":null,"Errors":[${failures.join(',')}]${tail}}`
      : `{"Results":[${results.map(resultJson).join(',')}],"Errors":null${tail}}`;
  const headers = readOnly ? ['X-Consul-Knownleader', 'true', 'X-Consul-Lastcontact', '0'] : [];
  return jsonAnswer(options.pretty ? prettyJson(json) : json, headers, status);
}

async function settle(
  store: Store,
  operations: readonly Operation[],
  readOnly: boolean,
): Promise<readonly [number, readonly Result[], readonly string[]]> {
  try {
    const results = readOnly
      ? applyAll(new Draft(store.table), operations)
      : await store.transact((draft) => applyAll(draft, operations));
    return [200, results, []];
  } catch (error) {
    if (error instanceof Aborted) return [409, [], error.failures];
    throw error;
  }
}

function applyAll(draft: Draft, operations: readonly Operation[]): readonly Result[] {
  const results: Result[] = [];
  const failures: string[] = [];
  operations.forEach((operation, at) => {
    const outcome = applyOne(draft, operation);
    if (typeof outcome !== 'string') results.push(...outcome);
    else failures.push(`{"OpIndex":${at},"What":${goString(outcome)}}`);
  });
  if (failures.length > 0) throw new Aborted(failures);
  return results;
}

const VERBS = new Set([
  ...READS,
  'set',
  'cas',
  'lock',
  'unlock',
  'delete',
  'delete-tree',
  'delete-cas',
]);

/** The records to report, or why it failed. */
function applyOne(draft: Draft, operation: Operation): readonly Result[] | string {
  const { verb, key, value, flags, index } = operation;
  if (!VERBS.has(verb)) return `unknown KV verb ${JSON.stringify(verb)}`;
  const tree = verb === 'get-tree' || verb === 'delete-tree';
  if (key === '' && !tree) return 'Must provide key';
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) return `key is over ${KEY_BYTES_MAX} bytes`;
  const quoted = JSON.stringify(key);
  const record = draft.read(key);
  switch (verb) {
    case 'set':
      return [{ record: draft.put(key, value, flags), withValue: false }];
    case 'cas':
      if ((record?.modifyIndex ?? 0) !== index)
        return `failed to set key ${quoted}, index is stale`;
      return [{ record: draft.put(key, value, flags), withValue: false }];
    case 'get':
      return record === undefined ? `key ${quoted} doesn't exist` : [{ record, withValue: true }];
    case 'get-tree':
      return draft.table.records.values(key).map((each) => ({ record: each, withValue: true }));
    case 'delete':
      draft.remove(key);
      return [];
    case 'delete-tree':
      draft.removeTree(key);
      return [];
    case 'delete-cas':
      if (record !== undefined && record.modifyIndex !== index) {
        return `failed to delete key ${quoted}, index is stale`;
      }
      draft.remove(key);
      return [];
    case 'check-index':
      if (record === undefined) return `failed index check for key ${quoted}, key doesn't exist`;
      return record.modifyIndex === index
        ? [{ record, withValue: false }]
        : `failed index check for key ${quoted}, current modify index ${record.modifyIndex} != ${index}`;
    case 'check-not-exists':
      return record === undefined ? [] : `key ${quoted} exists`;
    default:
      return SESSIONS_MISSING;
  }
}

function resultJson({ record, withValue }: Result): string {
  return `{"KV":${recordJson(record, withValue)}}`;
}

function parseOperations(text: string): readonly Operation[] | Answer {
  const refuse = (why: string): Answer => textAnswer(400, `Failed to parse body: ${why}`);
  let list: unknown;
  try {
    // Flags are 64 bits wide: keep long numbers as text.
    list = JSON.parse(text.replace(/("(?:Flags|Index)"\s*:\s*)(\d{16,})/gi, '$1"$2"'));
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  if (list === null) return [];
  if (!Array.isArray(list)) {
    return refuse(`json: cannot unmarshal ${goKind(list)} into Go value of type api.TxnOps`);
  }
  if (list.length > OPERATIONS_MAX) {
    return textAnswer(
      413,
      `Transaction contains too many operations (${list.length} > ${OPERATIONS_MAX})`,
    );
  }
  const operations: Operation[] = [];
  for (const item of list) {
    const operation = parseOperation(item);
    if (typeof operation === 'string') return refuse(operation);
    operations.push(operation);
  }
  return operations;
}

function parseOperation(item: unknown): Operation | string {
  const kv = fieldsOf(fieldsOf(item).get('kv'));
  if (kv.size === 0) return 'only operations on the KV are offered';
  const value = kv.get('value') ?? '';
  if (typeof value !== 'string') return 'Value is not base64';
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value) || value.length % 4 !== 0) {
    return `Value of key ${JSON.stringify(kv.get('key'))} is not base64`;
  }
  const flags = parseUint64(String(kv.get('flags') ?? 0));
  if ('error' in flags) return flags.error;
  const index = parseUint64(String(kv.get('index') ?? 0));
  if ('error' in index) return index.error;
  return {
    verb: String(kv.get('verb') ?? ''),
    key: String(kv.get('key') ?? ''),
    value: Buffer.from(value, 'base64'),
    flags: flags.value,
    index: Number(index.value),
  };
}

/** The fields of an object by lower-case name: Go matches them without regard to case. */
function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(Object.entries(value).map(([name, field]) => [name.toLowerCase(), field]));
}

function goKind(value: unknown): string {
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'object' ? 'object' : typeof value;
}
