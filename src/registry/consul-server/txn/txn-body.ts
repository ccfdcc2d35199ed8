// The body of PUT /v1/txn, read as strictly as Consul does: a member that we do not know (`cas`
// where `Index` is meant) or a value of another type refuses the whole body, since to leave it out
// would write what should have been guarded. Names match in any case and null means absent, as in
// Go. Stricter than Consul: an operation of no kind or of several, bytes after the list, and a Value as a list of
// numbers are refused. Pure.

import { messageOf } from '../../../base/errors.ts';
import { type CatalogOperation, readCatalogOperation } from '../catalog.ts';
import { knownMembers, mismatch, parseGoJson, Refused, textMember, uint64Member } from '../go.ts';

export type Operation = KvOperation | CatalogOperation;

export type KvOperation = {
  readonly kind: 'KV';
  readonly verb: string;
  readonly key: string;
  readonly value: Buffer;
  readonly flags: string;
  readonly index: number;
  readonly session: string;
};

const OPERATION_MEMBERS = ['kv', 'node', 'service', 'check'];
const STRUCT = 'KVTxnOp.KV';
const KV_MEMBERS = ['verb', 'key', 'value', 'flags', 'index', 'session', 'namespace'];

/** The operations, or why the body is refused. */
export function parseOperations(
  text: string,
  datacenter: string,
): readonly Operation[] | { readonly refused: string } {
  if (text.trim() === '') return { refused: 'EOF' };
  try {
    const list = parseGoJson(text);
    if (list === null) return [];
    if (!Array.isArray(list)) throw mismatch(list, 'value', 'api.TxnOps');
    return list.map((item: unknown) => parseOperation(item, datacenter));
  } catch (error) {
    // A body nested beyond the stack is a RangeError, and no better than any other broken one.
    return { refused: messageOf(error) };
  }
}

function parseOperation(item: unknown, datacenter: string): Operation {
  const operation = knownMembers(item, OPERATION_MEMBERS, { place: 'value', type: 'api.TxnOp' });
  const kinds = (['KV', 'Node', 'Service', 'Check'] as const).filter(
    (name) => (operation.get(name.toLowerCase()) ?? null) !== null,
  );
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    throw new Refused('an operation is one of KV, Node, Service and Check');
  }
  if (kind !== 'KV') {
    return readCatalogOperation(kind, operation.get(kind.toLowerCase()), datacenter);
  }
  const kv = operation.get('kv');
  const members = knownMembers(kv, KV_MEMBERS, {
    place: 'struct field TxnOp.KV',
    type: 'api.KVTxnOp',
  });
  textMember(members, 'Namespace', STRUCT);
  return {
    kind,
    verb: textMember(members, 'Verb', STRUCT, 'api.KVOp'),
    key: textMember(members, 'Key', STRUCT),
    value: decodeBase64(textMember(members, 'Value', STRUCT, '[]uint8')),
    flags: uint64Member(members, 'Flags', STRUCT),
    index: Number(uint64Member(members, 'Index', STRUCT)),
    session: textMember(members, 'Session', STRUCT),
  };
}

/** Go's decoder ignores line breaks and bits left over, and wants the padding. */
function decodeBase64(text: string): Buffer {
  const digits = text.replace(/[\r\n]/g, '');
  const valid = /^[A-Za-z0-9+/]*={0,2}$/.exec(digits) !== null && digits.length % 4 === 0;
  if (valid) return Buffer.from(digits, 'base64');
  const whole = /^(?:[A-Za-z0-9+/]{4})*/.exec(digits)?.[0].length ?? 0;
  throw new Refused(`illegal base64 data at input byte ${whole}`);
}
