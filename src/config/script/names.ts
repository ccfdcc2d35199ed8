// camelCase and snake_case of keys. Only keys of the schema are renamed: names of upstreams, variables and
// header fields are the user's. What is no plain data is named.

import { z } from 'zod';
import type { Path } from '../document.ts';
import { fileSchema } from '../schema.ts';

type Schema = z.core.JSONSchema.BaseSchema;

export type SnakeData = {
  readonly data: unknown;
  /** Path in the data, as JSON → the same as it was written. */
  readonly names: ReadonlyMap<string, Path>;
  readonly flaws: readonly { readonly path: Path; readonly message: string }[];
};

/** Made once: a reload needs it again. */
let known: { readonly root: Schema; readonly words: ReadonlySet<string> } | undefined;

export function snakeData(exported: object): SnakeData {
  const names = new Map<string, Path>();
  const flaws: { path: Path; message: string }[] = [];
  const above = new Set<object>();
  const convert = (
    value: unknown,
    path: Path,
    written: Path,
    schemas: readonly Schema[],
  ): unknown => {
    names.set(JSON.stringify(path), written);
    const flaw = flawOf(value, above);
    if (flaw !== '') {
      flaws.push({ path: written, message: flaw });
      return undefined;
    }
    if (typeof value !== 'object' || value === null) return value;
    above.add(value);
    const result = Array.isArray(value)
      ? value.map((item: unknown, index) =>
          convert(item, [...path, index], [...written, index], itemsOf(schemas)),
        )
      : Object.fromEntries(
          Object.entries(value)
            .filter(([, inner]) => inner !== undefined)
            .map(([key, inner]) => {
              const [name, below] = keyOf(key, schemas);
              if (name === key && key.includes('_') && below.length > 0 && !isNamed(schemas)) {
                const message = `is written ${camelCase(key)} here; keys of sluice.yaml are in camelCase in a script`;
                flaws.push({ path: [...written, key], message });
              }
              return [name, convert(inner, [...path, name], [...written, key], below)];
            }),
        );
    above.delete(value);
    return result;
  };
  const data = convert(exported, [], [], alternatives([schema().root]));
  return { data, names, flaws };
}

/** `max_fails` → `maxFails`, `max_5xx` → `max5xx`. */
export function camelCase(key: string): string {
  return key.replaceAll(/(?<=.)_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** A message about keys of the file, for somebody who writes them in camelCase. */
export function camelWords(message: string): string {
  const { words } = schema();
  return message.replaceAll(/\b[a-z]+(?:_[a-z0-9]+)+\b/g, (word) =>
    words.has(word) ? camelCase(word) : word,
  );
}

/** Why it is no data; '' when it is. */
function flawOf(value: unknown, above: ReadonlySet<object>): string {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return '';
    case 'number':
      return Number.isFinite(value) ? '' : `is ${value}; write a number`;
    case 'object': {
      if (value === null || Array.isArray(value)) return '';
      if (above.has(value)) return 'holds itself; write it out';
      const prototype: unknown = Object.getPrototypeOf(value);
      return prototype === Object.prototype || prototype === null
        ? ''
        : 'is an object of a class; write plain data';
    }
    default:
      return `is a ${typeof value}; a configuration is data alone: text, numbers, lists and maps`;
  }
}

/** The key of the file, and what may be below it. */
function keyOf(key: string, schemas: readonly Schema[]): readonly [string, readonly Schema[]] {
  for (const { properties = {} } of schemas) {
    const name = Object.keys(properties).find((own) => own === key || camelCase(own) === key);
    const below = name === undefined ? undefined : properties[name];
    if (name !== undefined && isSchema(below)) return [name, alternatives([below])];
  }
  const values = schemas.flatMap(({ additionalProperties: all }) => (isSchema(all) ? [all] : []));
  return [key, alternatives(values)];
}

/** Names of the user's may stand there. */
function isNamed(schemas: readonly Schema[]): boolean {
  return schemas.some(({ additionalProperties: all }) => isSchema(all));
}

function itemsOf(schemas: readonly Schema[]): readonly Schema[] {
  return alternatives(schemas.flatMap(({ items }) => (isSchema(items) ? [items] : [])));
}

/** Each of the forms that a value may have. */
function alternatives(schemas: readonly Schema[]): readonly Schema[] {
  return schemas.flatMap((one) => {
    const forms = [...(one.anyOf ?? []), ...(one.oneOf ?? []), ...(one.allOf ?? [])].filter(
      isSchema,
    );
    return forms.length === 0 ? [one] : [one, ...alternatives(forms)];
  });
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function schema(): NonNullable<typeof known> {
  if (known !== undefined) return known;
  const root = z.toJSONSchema(fileSchema, { io: 'input' });
  const words = new Set<string>();
  const look = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(look);
    if (!isSchema(value)) return;
    for (const name of Object.keys(value.properties ?? {})) {
      if (name.includes('_')) words.add(name);
    }
    Object.values(value).forEach(look);
  };
  look(root);
  known = { root, words };
  return known;
}
