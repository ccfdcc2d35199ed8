// PUT /v1/txn of Consul's HTTP API: up to 64 operations on the KV and on the catalog that happen
// together or not at all.

import {
  type Entry,
  KEY_BYTES_MAX,
  type KeyTable,
  VALUE_BYTES_MAX,
  WriteGroup,
} from '../../embedded.ts';
import { applyCatalogOperation, type CatalogOperation } from '../catalog.ts';
import { goString, prettyJson, recordJson } from '../go.ts';
import type { Query } from '../http.ts';
import { type Answer, jsonAnswer, textAnswer } from '../http.ts';
import { tooLarge } from '../kv-api.ts';
import { goJson } from '../lists.ts';
import type { Rights } from '../rights.ts';
import type { ApiContext, Caller, Family } from '../routes.ts';
import { lockRecord, unlockRecord } from '../sessions.ts';
import { type KvOperation, type Operation, parseOperations } from './txn-body.ts';

const OPERATIONS_MAX = 64;
const READS: readonly string[] = [
  'get',
  'get-tree',
  'check-index',
  'check-session',
  'check-not-exists',
];

/** A record of the KV, or what is shown of the catalog. */
type Result =
  | { readonly record: Entry; readonly withValue: boolean }
  | { readonly shown: object; readonly by: CatalogOperation };

/** Thrown inside the group so that what the transaction changed is undone. */
class Aborted extends Error {
  readonly failures: readonly string[];

  constructor(failures: readonly string[]) {
    super('transaction aborted');
    this.failures = failures;
  }
}

export function txnFamily(context: ApiContext): Family {
  return {
    routes: {
      '/v1/txn': { PUT: (_path, query, caller) => runTransaction(context, query, caller) },
    },
  };
}

async function runTransaction(context: ApiContext, query: Query, caller: Caller): Promise<Answer> {
  const options = context.optionsOf(query);
  if ('status' in options) return options;
  const body = await caller.readBody(VALUE_BYTES_MAX);
  if (body === undefined) return tooLarge(caller.declaredBytes, 'txn_max_req_len');
  const operations = parseOperations(body.toString(), context.datacenter);
  if ('refused' in operations) {
    return textAnswer(400, `Failed to parse body: ${operations.refused}`);
  }
  if (operations.length > OPERATIONS_MAX) {
    return textAnswer(
      413,
      `Transaction contains too many operations (${operations.length} > ${OPERATIONS_MAX})`,
    );
  }
  const readOnly = operations.every(isRead);
  const { rights } = caller;
  const refused = refusals(operations, rights, context.store.table);
  const [status, results, failures] =
    refused.length > 0 ? [409, [], refused] : await settle(context, operations, readOnly);
  const tail = readOnly
    ? ',"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":""'
    : '';
  const json =
    failures.length > 0
      ? `{"Results":null,"Errors":[${failures.join(',')}]${tail}}`
      : `{"Results":[${seen(results, rights, context.store.table).map(resultJson).join(',')}],"Errors":null${tail}}`;
  const headers = readOnly ? ['X-Consul-Knownleader', 'true', 'X-Consul-Lastcontact', '0'] : [];
  return jsonAnswer(options.pretty ? prettyJson(json) : json, headers, status);
}

/** What the caller may not do, before anything is done. Reads are not refused, but left out. */
function refusals(
  operations: readonly Operation[],
  rights: Rights,
  table: KeyTable,
): readonly string[] {
  if (rights.unlimited) return [];
  return operations.flatMap((operation, at) => {
    if (mayDo(operation, rights, table)) return [];
    return [failureJson(at, 'Permission denied')];
  });
}

function mayDo(operation: Operation, rights: Rights, table: KeyTable): boolean {
  if (operation.kind !== 'KV') {
    return operation.verb === 'get' || operation.mayDo(rights, table);
  }
  const { verb, key } = operation;
  if (verb === 'get' || verb === 'get-tree') return true;
  if (verb === 'delete-tree') return rights.allowsAll('key', 'write', key);
  return rights.allows('key', verb.startsWith('check-') ? 'read' : 'write', key);
}

function seen(results: readonly Result[], rights: Rights, table: KeyTable): readonly Result[] {
  if (rights.unlimited) return results;
  return results.filter((result) =>
    'record' in result
      ? rights.allows('key', 'read', result.record.key)
      : result.by.mayRead(rights, table),
  );
}

function isRead(operation: Operation): boolean {
  const { verb } = operation;
  if (operation.kind !== 'KV') return verb === 'get';
  return READS.includes(verb) || !VERBS.has(verb);
}

function failureJson(at: number, what: string): string {
  return `{"OpIndex":${at},"What":${goString(what)}}`;
}

async function settle(
  { store, clock }: ApiContext,
  operations: readonly Operation[],
  readOnly: boolean,
): Promise<readonly [number, readonly Result[], readonly string[]]> {
  const wallMs = clock.wallMs();
  try {
    const results = readOnly
      ? applyAll(new WriteGroup(store.table), operations, wallMs)
      : await store.transact((writes) => applyAll(writes, operations, wallMs));
    return [200, results, []];
  } catch (error) {
    if (error instanceof Aborted) return [409, [], error.failures];
    throw error;
  }
}

function applyAll(
  writes: WriteGroup,
  operations: readonly Operation[],
  wallMs: number,
): readonly Result[] {
  const results: Result[] = [];
  const failures: string[] = [];
  operations.forEach((operation, at) => {
    const outcome = applyAny(writes, operation, wallMs);
    if (typeof outcome !== 'string') results.push(...outcome);
    else failures.push(failureJson(at, outcome));
  });
  if (failures.length > 0) throw new Aborted(failures);
  return results;
}

function applyAny(
  writes: WriteGroup,
  operation: Operation,
  wallMs: number,
): readonly Result[] | string {
  if (operation.kind === 'KV') return applyOne(writes, operation, wallMs);
  const outcome = applyCatalogOperation(writes, operation, wallMs);
  return typeof outcome === 'string' ? outcome : outcome.map((shown) => ({ shown, by: operation }));
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
function applyOne(
  writes: WriteGroup,
  operation: KvOperation,
  wallMs: number,
): readonly Result[] | string {
  const { verb, key, value, flags, index, session } = operation;
  if (key === '' && verb !== 'delete-tree') return 'Must provide key';
  if (!VERBS.has(verb)) return `unknown KV verb ${JSON.stringify(verb)}`;
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) return `key is over ${KEY_BYTES_MAX} bytes`;
  const quoted = JSON.stringify(key);
  const record = writes.read(key);
  switch (verb) {
    case 'set':
      return [{ record: writes.put(key, value, flags), withValue: false }];
    case 'cas':
      if ((record?.modifyIndex ?? 0) !== index)
        return `failed to set key ${quoted}, index is stale`;
      return [{ record: writes.put(key, value, flags), withValue: false }];
    case 'get':
      return record === undefined ? `key ${quoted} doesn't exist` : [{ record, withValue: true }];
    case 'get-tree':
      return writes.table.records.values(key).map((each) => ({ record: each, withValue: true }));
    case 'delete':
      writes.remove(key);
      return [];
    case 'delete-tree':
      writes.removeTree(key);
      return [];
    case 'delete-cas':
      if (record !== undefined && record.modifyIndex !== index) {
        return `failed to delete key ${quoted}, index is stale`;
      }
      writes.remove(key);
      return [];
    case 'check-index':
      if (record === undefined) return `failed to check index, key ${quoted} doesn't exist`;
      return record.modifyIndex === index
        ? [{ record, withValue: false }]
        : `failed index check for key ${quoted}, current modify index ${record.modifyIndex} != ${index}`;
    case 'check-not-exists':
      return record === undefined ? [] : `key ${quoted} exists`;
    case 'check-session':
      if (record === undefined) return `failed to check session, key ${quoted} doesn't exist`;
      return record.session === session
        ? [{ record, withValue: false }]
        : `failed session check for key ${quoted}, current session "${record.session}" != ${JSON.stringify(session)}`;
    case 'lock':
      return lock(writes, operation, wallMs);
    default: {
      const freed = unlockRecord(writes, operation);
      return freed === undefined
        ? `failed to unlock key ${quoted}, lock isn't held, or is held by another session`
        : [{ record: freed, withValue: false }];
    }
  }
}

function lock(
  writes: WriteGroup,
  operation: KvOperation,
  wallMs: number,
): readonly Result[] | string {
  const end = lockRecord(writes, operation, wallMs);
  const quoted = JSON.stringify(operation.key);
  switch (end.kind) {
    case 'locked':
      return [{ record: end.record, withValue: false }];
    case 'held':
      return `failed to lock key ${quoted}, lock is already held`;
    case 'delayed':
      return `failed to lock key ${quoted} due to lock delay`;
    case 'refused':
      return end.why;
  }
}

function resultJson(result: Result): string {
  if ('shown' in result) return goJson(result.shown);
  const { record, withValue } = result;
  return `{"KV":${recordJson(record, withValue)}}`;
}
