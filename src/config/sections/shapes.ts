// The kinds of key that hold others or text with a rule: map of known keys, list, map of names,
// folder, secret. The single values are in values.ts.

import { z } from 'zod';
import { show, text } from './values.ts';

/**
 * A map of known keys. No value (`limits:` with nothing under it) means all defaults; a text alone is
 * the key `short`, where there is one.
 */
export function section<Shape extends z.core.$ZodLooseShape, Short extends string = ''>(
  about: string,
  shape: Shape,
  short?: Short,
) {
  const object = z.strictObject(shape, {
    // What is said of unknown keys is in issues.ts.
    error: ({ input }) =>
      `${show(input)} where a map of keys belongs; write lines like "key: value" under it`,
  });
  return z
    .preprocess((value: Short extends '' ? unknown : string) => {
      return short !== undefined && typeof value === 'string' ? { [short]: value } : (value ?? {});
    }, object)
    .meta({ description: about, 'x-short': short === undefined ? 'null' : 'string' });
}

/** A list; one value alone is a list of one. */
export function list<Item extends z.ZodType>(about: string, item: Item, least = 0) {
  const wrong = ({ input }: { input?: unknown }): string =>
    `${show(input)} where a list belongs; write [a, b] or lines that begin with "- "`;
  const array = z
    .array(item, { error: wrong })
    .refine((items) => items.length >= least, { error: 'is empty; write at least one' });
  return z
    .preprocess((value) => (isSingle(value) ? [value] : value), array)
    .meta({ description: about, 'x-short': 'string' });
}

export function isSingle(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number';
}

export function record<Value extends z.ZodType>(about: string, value: Value) {
  return z
    .record(z.string(), value, {
      error: ({ input }) =>
        `${show(input)} where a map of names belongs; write "name:" lines under it`,
    })
    .meta({ description: about });
}

const printable = (value: string): string =>
  /^[\x21-\x7e]+$/.test(value)
    ? ''
    : 'is empty or holds blanks or non-ASCII characters; remove them';

export const folder = (about: string, initial: string) =>
  text({
    about,
    kind: 'path',
    problemOf: (value) => pathProblem(value, 'a folder'),
  }).prefault(initial);

/** Also a key segment in the registry, a metric label and a part of a URL. */
const NAME = /^(?!__proto__$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/** '' for a good name of an upstream, a service or a registry. */
export function nameProblem(name: string): string {
  return NAME.test(name)
    ? ''
    : 'is not a name; write 1 to 64 letters, digits, _ . or -, beginning with a letter, digit or _';
}

export function pathProblem(value: string, wanted: string): string {
  if (value === '') return `is empty; write ${wanted}`;
  return value.startsWith('~')
    ? `${show(value)} begins with ~, which no shell replaces here; write the whole path`
    : '';
}

export const secret = (about: string) =>
  text({
    about: `${about} \`env:NAME\` reads an environment variable, \`file:/path\` a file's first line.`,
    kind: 'secret',
    problemOf: (value) => (/^(file:.+|[\x21-\x7e]+)$/.test(value) ? '' : printable(value)),
  });
