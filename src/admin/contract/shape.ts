// What a document looks like, said once: a type for whoever writes it, a check for whoever reads it.
// Fields that a shape does not name are let through, for newer daemons. A closed set of words is a
// type only, so that an older client can still show what a newer daemon says.
//
//   const WORKER = object({ id: number, pid: number });
//   type WorkerDocument = ValueOf<typeof WORKER>;   // { readonly id: number; readonly pid: number }

/** A JSON value of the type `Value`. */
export type Shape<Value> = {
  readonly fits: (value: unknown) => value is Value;
  /** Every field inside by name, nested ones too; for the documentation. */
  readonly names: readonly string[];
};

export type ValueOf<Declared> = Declared extends Shape<infer Value> ? Value : never;

type Fields = { readonly [name: string]: Shape<unknown> };

export const text = plain((value): value is string => typeof value === 'string');
export const number = plain((value): value is number => typeof value === 'number');
export const flag = plain((value): value is boolean => typeof value === 'boolean');

/** An object of whatever is in it. */
export const fields = plain(
  (value): value is Readonly<Record<string, unknown>> =>
    typeof value === 'object' && value !== null,
);

/** null: there is none. */
export const nothing = plain((value): value is null => value === null);

/** One of a set of words that may grow. */
export function word<Word extends string>(): Shape<Word> {
  return plain((value): value is Word => typeof value === 'string');
}

export function list<Item>(item: Shape<Item>): Shape<readonly Item[]> {
  return {
    fits: (value): value is readonly Item[] => Array.isArray(value) && value.every(item.fits),
    names: item.names,
  };
}

export function object<Named extends Fields>(
  fields: Named,
): Shape<{ readonly [Name in keyof Named]: ValueOf<Named[Name]> }> {
  const declared = Object.entries(fields);
  return {
    fits: (value): value is { readonly [Name in keyof Named]: ValueOf<Named[Name]> } => {
      if (typeof value !== 'object' || value === null) return false;
      // Own fields alone: what every object inherits was not sent.
      const sent = new Map<string, unknown>(Object.entries(value));
      return declared.every(([name, shape]) => shape.fits(sent.get(name)));
    },
    names: declared.flatMap(([name, shape]) => [name, ...shape.names]),
  };
}

export function either<One, Other>(one: Shape<One>, other: Shape<Other>): Shape<One | Other> {
  return {
    fits: (value): value is One | Other => one.fits(value) || other.fits(value),
    names: [...new Set([...one.names, ...other.names])],
  };
}

/** A field that may be left out: an older daemon, or an older record, does not have it. */
export function optional<Value>(shape: Shape<Value>): Shape<Value | undefined> {
  return {
    fits: (value): value is Value | undefined => value === undefined || shape.fits(value),
    names: shape.names,
  };
}

function plain<Value>(fits: (value: unknown) => value is Value): Shape<Value> {
  return { fits, names: [] };
}
