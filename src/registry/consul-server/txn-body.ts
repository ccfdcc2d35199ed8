// The body of PUT /v1/txn, read as strictly as Consul does: a member that we do not know (`cas`
// where `Index` is meant) or a value of another type refuses the whole body, since to leave it out
// would write what should have been guarded. Names match in any case and null means absent, as in
// Go. Stricter than Consul: an operation without KV, bytes after the list, and a Value as a list of
// numbers are refused. Pure.

import { messageOf } from '../../base/errors.ts';
import { parseUint64 } from './request-target.ts';

export type Operation = {
  readonly verb: string;
  readonly key: string;
  readonly value: Buffer;
  readonly flags: string;
  readonly index: number;
};

/** A number as it was written: 64 bits do not fit into ours, and 1e2 is none for Go. */
class JsonNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

/** Stops the parsing; the message is for the client. */
class Refused extends Error {}

const OPERATION_MEMBERS = ['kv', 'node', 'service', 'check'];
const KV_MEMBERS = ['verb', 'key', 'value', 'flags', 'index', 'session', 'namespace'];

/** The operations, or why the body is refused. */
export function parseOperations(text: string): readonly Operation[] | { readonly refused: string } {
  if (text.trim() === '') return { refused: 'EOF' };
  try {
    const list = parseJson(text);
    if (list === null) return [];
    if (!Array.isArray(list)) throw mismatch(list, 'value', 'api.TxnOps');
    return list.map(parseOperation);
  } catch (error) {
    // A body nested beyond the stack is a RangeError, and no better than any other broken one.
    return { refused: messageOf(error) };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text, (_name, value: unknown, context?: { readonly source?: string }) =>
      typeof value === 'number' ? new JsonNumber(context?.source ?? '') : value,
    );
  } catch (error) {
    const reason = messageOf(error);
    const at = /at position (\d+)/.exec(reason)?.[1];
    const isCutOff = reason.startsWith('Unexpected end') || Number(at) === text.length;
    throw new Refused(isCutOff ? 'unexpected EOF' : reason);
  }
}

function parseOperation(item: unknown): Operation {
  const operation = membersOf(item, OPERATION_MEMBERS, 'value', 'api.TxnOp');
  const kv = operation.get('kv') ?? null;
  const isOther = OPERATION_MEMBERS.some((name) => name !== 'kv' && (operation.get(name) ?? null));
  if (kv === null || isOther) throw new Refused('only operations on the KV are offered');
  const members = membersOf(kv, KV_MEMBERS, 'struct field TxnOp.KV', 'api.KVTxnOp');
  textOf(members, 'Session', 'string');
  textOf(members, 'Namespace', 'string');
  return {
    verb: textOf(members, 'Verb', 'api.KVOp'),
    // As Go does: a lone half of a surrogate pair has no UTF-8, so memory and disk would disagree.
    key: textOf(members, 'Key', 'string').toWellFormed(),
    value: decodeBase64(textOf(members, 'Value', '[]uint8')),
    flags: uint64Of(members, 'Flags'),
    index: Number(uint64Of(members, 'Index')),
  };
}

/** The members of an object by lower-case name; the last one counts. */
function membersOf(
  value: unknown,
  known: readonly string[],
  place: string,
  type: string,
): ReadonlyMap<string, unknown> {
  if (kindOf(value) !== 'object') throw mismatch(value, place, type);
  const members = new Map<string, unknown>();
  for (const [name, member] of Object.entries(value ?? {})) {
    const lower = name.toLowerCase();
    if (!known.includes(lower)) throw new Refused(`json: unknown field ${JSON.stringify(name)}`);
    members.set(lower, member);
  }
  return members;
}

function textOf(members: ReadonlyMap<string, unknown>, name: string, type: string): string {
  const value = members.get(name.toLowerCase()) ?? '';
  if (typeof value === 'string') return value;
  throw mismatch(value, `struct field KVTxnOp.KV.${name}`, type);
}

function uint64Of(members: ReadonlyMap<string, unknown>, name: string): string {
  const value = members.get(name.toLowerCase()) ?? null;
  if (value === null) return '0';
  const place = `struct field KVTxnOp.KV.${name}`;
  if (!(value instanceof JsonNumber)) throw mismatch(value, place, 'uint64');
  const parsed = parseUint64(value.source);
  if ('value' in parsed) return parsed.value;
  throw new Refused(
    `json: cannot unmarshal number ${value.source} into Go ${place} of type uint64`,
  );
}

/** Go's decoder ignores line breaks and bits left over, and wants the padding. */
function decodeBase64(text: string): Buffer {
  const digits = text.replace(/[\r\n]/g, '');
  const valid = /^[A-Za-z0-9+/]*={0,2}$/.exec(digits) !== null && digits.length % 4 === 0;
  if (valid) return Buffer.from(digits, 'base64');
  const whole = /^(?:[A-Za-z0-9+/]{4})*/.exec(digits)?.[0].length ?? 0;
  throw new Refused(`illegal base64 data at input byte ${whole}`);
}

function mismatch(value: unknown, place: string, type: string): Refused {
  return new Refused(`json: cannot unmarshal ${kindOf(value)} into Go ${place} of type ${type}`);
}

function kindOf(value: unknown): string {
  if (value instanceof JsonNumber) return 'number';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
