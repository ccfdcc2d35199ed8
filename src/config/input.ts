// The type of a configuration in TypeScript, derived from the schema: every key in camelCase, optional where it
// has a default, with the values as the file writes them. Types alone.

import type { z } from 'zod';
import type { SECTIONS } from './schema.ts';
import type { serviceSchema } from './sections/service.ts';
import type { upstreamSchema } from './sections/upstream.ts';

export type ConfigInput = KeysOf<typeof SECTIONS>;
export type ServiceInput = Input<typeof serviceSchema>;
export type UpstreamInput = Input<typeof upstreamSchema>;

/** What may be left out. */
type Optional = z.ZodPrefault | z.ZodDefault | z.ZodOptional;

type Camel<Key> = Key extends `${infer Head}_${infer Rest}`
  ? `${Head}${Capitalize<Camel<Rest> & string>}`
  : Key;

type KeysOf<Shape> = {
  readonly [Key in keyof Shape as Shape[Key] extends Optional ? never : Camel<Key>]: Input<
    Shape[Key]
  >;
} & {
  readonly [Key in keyof Shape as Shape[Key] extends Optional ? Camel<Key> : never]?:
    | Input<Shape[Key]>
    | undefined;
};

type Input<Schema> = Schema extends
  | z.ZodPrefault<infer Inner>
  | z.ZodDefault<infer Inner>
  | z.ZodOptional<infer Inner>
  ? Input<Inner>
  : Schema extends z.ZodPreprocess<infer Inner, infer Short>
    ? Input<Inner> | (unknown extends Short ? Single<Inner> : Short)
    : Schema extends z.ZodPipe<infer From, infer _>
      ? Input<From>
      : Schema extends z.ZodObject<infer Shape>
        ? KeysOf<Shape>
        : Schema extends z.ZodArray<infer Item>
          ? readonly Input<Item>[]
          : Schema extends z.ZodRecord<infer _, infer Value>
            ? { readonly [name: string]: Input<Value> }
            : Schema extends z.ZodUnion<infer Options>
              ? Input<Options[number]>
              : Schema extends z.ZodType
                ? z.input<Schema>
                : never;

/** A list of one may be written without its brackets. */
type Single<Schema> =
  Schema extends z.ZodArray<infer Item> ? Extract<Input<Item>, string | number> : never;
