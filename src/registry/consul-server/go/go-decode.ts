// Reads the JSON of a request into a shape that we name, as strictly as Go does: an unknown member or
// a value of another type refuses the body, member names match in any case, null and absent are the
// zero value. A shape is built from decoders; its TypeScript type follows from them. Pure.

import { goDurationNs } from './go-duration.ts';
import { JsonNumber, kindOf, membersOf, mismatch, parseGoJson, Refused } from './go-json.ts';

export type Decoder<Value> = {
  readonly zero: Value;
  /** Go's name of the type, for complaints. */
  readonly type: string;
  /** `place`: `struct field Check.Name`, for complaints. @throws Refused */
  readonly read: (value: unknown, place: string) => Value;
};

/** What a decoder gives. */
export type Decoded<From> = From extends Decoder<infer Value> ? Value : never;

/** The body, or why it is refused. */
export function decodeBody<Value>(
  body: Buffer | string,
  decoder: Decoder<Value>,
): { readonly value: Value } | { readonly refused: string } {
  const text = body.toString();
  if (text.trim() === '') return { refused: 'EOF' };
  try {
    return { value: orZero(parseGoJson(text), decoder, 'value') };
  } catch (error) {
    if (error instanceof Refused) return { refused: error.message };
    if (error instanceof RangeError) return { refused: 'nested too deeply' };
    throw error;
  }
}

/** A part of a body that is parsed already. @throws Refused */
export function decode<Value>(value: unknown, decoder: Decoder<Value>, place: string): Value {
  return orZero(value, decoder, place);
}

function orZero<Value>(value: unknown, decoder: Decoder<Value>, place: string): Value {
  return value === null || value === undefined ? decoder.zero : decoder.read(value, place);
}

export const text: Decoder<string> = {
  zero: '',
  type: 'string',
  read: (value, place) => {
    if (typeof value === 'string') return value.toWellFormed();
    throw mismatch(value, place, 'string');
  },
};

export const flag: Decoder<boolean> = {
  zero: false,
  type: 'bool',
  read: (value, place) => {
    if (typeof value === 'boolean') return value;
    throw mismatch(value, place, 'bool');
  },
};

export const integer: Decoder<number> = {
  zero: 0,
  type: 'int',
  read: (value, place) => {
    if (!(value instanceof JsonNumber)) throw mismatch(value, place, 'int');
    if (/^-?\d+$/.test(value.source)) return Number(value.source);
    throw new Refused(`json: cannot unmarshal number ${value.source} into Go ${place} of type int`);
  },
};

/** Nanoseconds: a number as it is, or a text as `10s`. Other kinds are passed over, as Consul does. */
export const duration: Decoder<number> = {
  zero: 0,
  type: 'time.Duration',
  read: (value) => {
    if (value instanceof JsonNumber) return Math.trunc(Number(value.source));
    if (typeof value !== 'string') return 0;
    const ns = goDurationNs(value);
    if (ns !== undefined) return ns;
    throw new Refused(`time: invalid duration ${JSON.stringify(value)}`);
  },
};

/** Null and absent are null: Go tells an absent list from an empty one. */
export function list<Value>(items: Decoder<Value>): Decoder<readonly Value[] | null> {
  const type = `[]${items.type}`;
  return {
    zero: null,
    type,
    read: (value, place) => {
      if (!Array.isArray(value)) throw mismatch(value, place, type);
      return value.map((item: unknown) => orZero(item, items, place));
    },
  };
}

/** In the order of the names, as Go writes maps. */
export function map<Value>(
  values: Decoder<Value>,
): Decoder<Readonly<Record<string, Value>> | null> {
  const type = `map[string]${values.type}`;
  return {
    zero: null,
    type,
    read: (value, place) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw mismatch(value, place, type);
      }
      if (value instanceof JsonNumber) throw mismatch(value, place, type);
      const entries = Object.entries(value)
        .map(([name, item]: [string, unknown]) => [name, orZero(item, values, place)] as const)
        .sort(([left], [right]) => (left < right ? -1 : 1));
      return Object.fromEntries(entries);
    },
  };
}

/** Null instead of the zero value when it is absent. */
export function optional<Value>(decoder: Decoder<Value>): Decoder<Value | null> {
  return { ...decoder, zero: null };
}

/** Any JSON, numbers as numbers. */
export const anything: Decoder<unknown> = {
  zero: null,
  type: 'interface {}',
  read: (value) => plain(value),
};

function plain(value: unknown): unknown {
  if (value instanceof JsonNumber) return Number(value.source);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]: [string, unknown]) => [name, plain(item)]),
  );
}

type Fields = Readonly<Record<string, Decoder<unknown>>>;
type StructOf<From extends Fields> = { readonly [Name in keyof From]: Decoded<From[Name]> };

/**
 * An object with these members. `aliases`: other names of members, by lower-case name; the member's own
 * name goes before. `ignored`: members that may be there and mean nothing, by lower-case name.
 */
export function struct<From extends Fields>(
  type: string,
  fields: From,
  { aliases = {}, ignored = [] }: StructOptions<From> = {},
): Decoder<StructOf<From>> {
  const names = new Map(Object.keys(fields).map((name) => [name.toLowerCase(), name]));
  for (const [alias, name] of Object.entries(aliases)) names.set(alias, String(name));
  const last = type.slice(type.lastIndexOf('.') + 1);
  const read = (value: unknown, place: string): StructOf<From> => {
    const values: Record<string, unknown> = {};
    for (const [name, decoder] of Object.entries(fields)) values[name] = decoder.zero;
    const members = kindOf(value) === 'object' ? value : undefined;
    if (members === undefined) throw mismatch(value, place, type);
    for (const [lower, member] of membersOf(value, { place, type })) {
      const name = names.get(lower);
      const decoder = name === undefined ? undefined : fields[name];
      if (name === undefined || decoder === undefined) {
        if (ignored.includes(lower)) continue;
        throw new Refused(`json: unknown field ${JSON.stringify(spelling(value, lower))}`);
      }
      // Another name of the member does not overrule its own one.
      if (lower !== name.toLowerCase() && values[name] !== decoder.zero) continue;
      if (member === null || member === undefined) continue;
      values[name] = decoder.read(member, `struct field ${last}.${name}`);
    }
    // Every member was set to what its decoder gives.
    return values as StructOf<From>;
  };
  const zero: Record<string, unknown> = {};
  for (const [name, decoder] of Object.entries(fields)) zero[name] = decoder.zero;
  return { zero: zero as StructOf<From>, type, read };
}

type StructOptions<From extends Fields> = {
  readonly aliases?: Readonly<Record<string, keyof From>>;
  readonly ignored?: readonly string[];
};

/** A member's name as the client wrote it. */
function spelling(value: unknown, lower: string): string {
  const names = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return names.find((name) => name.toLowerCase() === lower) ?? lower;
}
