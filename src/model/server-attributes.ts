// What a configuration file or a registry's record may say of a server, declared once: the name there,
// the unit, the range and the default. The schema of the file, the reader and the writer of records, the
// snapshot, the table and the control API's documents take their types and values from here. A new
// attribute is a line here, its effect, and its line in docs/registry.md.

type Numeric = {
  /** The same in the file and in a record. For a time a record has seconds, the file a duration. */
  readonly name: string;
  readonly unit: 'count' | 'seconds';
  /** For docs/config.md. */
  readonly about: string;
  readonly least: number;
  readonly file: { readonly initial: number; readonly most: number };
  /** `initial` null: the file's value, where the file names the server. */
  readonly record: { readonly initial: number | null; readonly most: number };
};

type Flag = {
  readonly name: string;
  readonly unit: 'flag';
  readonly about: string;
  /** It is off when it is left out. `unreadable`: the value for a record that says neither 0 nor 1. */
  readonly record: { readonly unreadable: boolean };
};

/** By the field's name in the program. Times are ms there. */
export const SERVER_ATTRIBUTES = {
  /** Share of requests relative to the others; integer ≥ 1. */
  weight: {
    name: 'weight',
    unit: 'count',
    about: 'Share of requests relative to the other servers.',
    least: 1,
    file: { initial: 1, most: 65_535 },
    record: { initial: 1, most: 65_535 },
  },
  /** Failed attempts within failTimeoutMs that eject the server; 0 disables. */
  maxFails: {
    name: 'max_fails',
    unit: 'count',
    about: 'Failed attempts within `fail_timeout` that eject the server; 0 never ejects.',
    least: 0,
    file: { initial: 1, most: 65_535 },
    record: { initial: 2, most: 1_000_000 },
  },
  failTimeoutMs: {
    name: 'fail_timeout',
    unit: 'seconds',
    about: 'The window for `max_fails`, and how long an ejected server stays out.',
    least: 0,
    file: { initial: 10, most: 24 * 86_400 },
    // One day. More is probably a mistake in the unit.
    record: { initial: 10, most: 86_400 },
  },
  /** Most requests in flight per worker; 0 = no limit. */
  maxConns: {
    name: 'max_conns',
    unit: 'count',
    about: 'Most requests in flight per worker; 0 = no limit.',
    least: 0,
    file: { initial: 0, most: 1_000_000 },
    record: { initial: null, most: 1_000_000 },
  },
  backup: {
    name: 'backup',
    unit: 'flag',
    about: 'Takes requests only when no other server is eligible.',
    record: { unreadable: false },
  },
  /** Becomes an admin state: maint, by the file or the registry. */
  down: {
    name: 'down',
    unit: 'flag',
    about: 'No requests, as long as it stands here and the registry has no record of the server.',
    record: { unreadable: true },
  },
} as const satisfies Readonly<Record<string, Numeric | Flag>>;

type Declared = typeof SERVER_ATTRIBUTES;
export type AttributeField = keyof Declared;
/** Names of the attributes that are on or off. */
export type FlagName = Extract<Declared[AttributeField], { readonly unit: 'flag' }>['name'];

/** A server as the file has it. */
export type ServerAttributes = {
  readonly [Field in AttributeField]: Declared[Field]['unit'] extends 'flag' ? boolean : number;
};

/** The attributes that a record may leave to the file. */
type FileField = {
  [Field in AttributeField]: Declared[Field]['record'] extends { readonly initial: null }
    ? Field
    : never;
}[AttributeField];

/** A server as a record has it. */
export type RecordAttributes = Omit<ServerAttributes, FileField> &
  Partial<Pick<ServerAttributes, FileField>>;

/** The attributes in the data plane and in documents. `down` is a part of the admin state there. */
export type StateAttributes = Omit<ServerAttributes, 'down'>;

// Object.keys and fromEntries do not know the names, which are those of the declaration.
export const ATTRIBUTE_FIELDS = Object.keys(SERVER_ATTRIBUTES) as readonly AttributeField[];
export const STATE_FIELDS = ATTRIBUTE_FIELDS.filter(
  (field): field is keyof StateAttributes => field !== 'down',
);

/** Takes these attributes alone from a server that has more fields. */
export function stateAttributes(server: StateAttributes): StateAttributes {
  const values: Values = {};
  for (const field of STATE_FIELDS) values[field] = server[field];
  return values as StateAttributes;
}

/** It is built field by field, and whole when each field of the declaration has its value. */
type Values = { -readonly [Field in AttributeField]?: ServerAttributes[AttributeField] };

/** What a record leaves out gets the file's value, or the default where the file has no such server. */
export function withFile(
  record: RecordAttributes,
  file: ServerAttributes | undefined,
): ServerAttributes {
  const values: Values = {};
  for (const field of ATTRIBUTE_FIELDS) {
    values[field] = record[field] ?? file?.[field] ?? initialOf(field);
  }
  return values as ServerAttributes;
}

/**
 * Asks `read` for each attribute. Undefined leaves it out, which is only for those that a record may
 * leave out.
 */
export function attributesFrom<Attributes extends RecordAttributes>(
  read: (
    attribute: Declared[AttributeField],
    field: AttributeField,
  ) => number | boolean | undefined,
): Attributes {
  const values: Values = {};
  for (const field of ATTRIBUTE_FIELDS) {
    const value = read(SERVER_ATTRIBUTES[field], field);
    if (value !== undefined) values[field] = value;
  }
  return values as Attributes;
}

/** How much one unit of the record is in the program: a second is 1000 ms. */
export function unitOf({ unit }: { readonly unit: 'count' | 'seconds' }): number {
  return unit === 'seconds' ? 1000 : 1;
}

function initialOf(field: AttributeField): number | boolean {
  const attribute = SERVER_ATTRIBUTES[field];
  if (attribute.unit === 'flag') return false;
  return attribute.file.initial * unitOf(attribute);
}

export function isSameAttributes(a: StateAttributes, b: StateAttributes): boolean {
  return STATE_FIELDS.every((field) => a[field] === b[field]);
}
