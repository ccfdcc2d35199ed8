// JSON of a request's body as Go reads it: member names match in any case, null means absent, numbers
// keep their text (64 bits do not fit into ours), and the complaints are Go's. Pure.

import { messageOf } from '../../../base/errors.ts';
import { parseUint64 } from '../http.ts';

/** A number as it was written: 64 bits do not fit into ours, and 1e2 is none for Go. */
export class JsonNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

/** Stops the parsing; the message is for the client. */
export class Refused extends Error {}

/** The value with numbers as JsonNumber. @throws Refused */
export function parseGoJson(text: string): unknown {
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

/** What an object is, for a complaint: `place` as in `struct field TxnOp.KV`, `type` Go's. */
export type GoType = { readonly place: string; readonly type: string };

/** The members of an object by lower-case name; the last one counts. @throws Refused */
export function membersOf(value: unknown, { place, type }: GoType): ReadonlyMap<string, unknown> {
  if (kindOf(value) !== 'object') throw mismatch(value, place, type);
  return new Map(
    Object.entries(value ?? {}).map(([name, member]) => [name.toLowerCase(), member] as const),
  );
}

/** As membersOf, for a body in which an unknown member is refused. `known` is in lower case. */
export function knownMembers(
  value: unknown,
  known: readonly string[],
  type: GoType,
): ReadonlyMap<string, unknown> {
  const members = membersOf(value, type);
  for (const name of Object.keys(value ?? {})) {
    if (known.includes(name.toLowerCase())) continue;
    throw new Refused(`json: unknown field ${JSON.stringify(name)}`);
  }
  return members;
}

/** A text member, '' when absent. @throws Refused. `struct`: as in `struct field STRUCT.Name`. */
export function textMember(
  members: ReadonlyMap<string, unknown>,
  name: string,
  struct: string,
  type = 'string',
): string {
  const value = members.get(name.toLowerCase()) ?? '';
  // As Go does: a lone half of a surrogate pair has no UTF-8, so memory and disk would disagree.
  if (typeof value === 'string') return value.toWellFormed();
  throw mismatch(value, `struct field ${struct}.${name}`, type);
}

/** The text of an unsigned 64-bit number, '0' when absent. @throws Refused */
export function uint64Member(
  members: ReadonlyMap<string, unknown>,
  name: string,
  struct: string,
): string {
  const value = members.get(name.toLowerCase()) ?? null;
  if (value === null) return '0';
  const place = `struct field ${struct}.${name}`;
  if (!(value instanceof JsonNumber)) throw mismatch(value, place, 'uint64');
  const parsed = parseUint64(value.source);
  if ('value' in parsed) return parsed.value;
  throw new Refused(
    `json: cannot unmarshal number ${value.source} into Go ${place} of type uint64`,
  );
}

export function mismatch(value: unknown, place: string, type: string): Refused {
  return new Refused(`json: cannot unmarshal ${kindOf(value)} into Go ${place} of type ${type}`);
}

export function kindOf(value: unknown): string {
  if (value instanceof JsonNumber) return 'number';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
