// What there is to know about the keys of one kind of registry.

import type { z } from 'zod';
import type { Address } from '../../../base/units.ts';
import type { RegistryKind, RegistrySettings } from '../../../registry.ts';

/** Where the file's paths start, and its secrets read. */
export type Origin = {
  readonly folder: string;
  readonly stateDir: string;
  readonly secret: (text: string | undefined) => string;
};

export type Kind<Name extends RegistryKind, Keys extends z.ZodType> = {
  readonly kind: Name;
  readonly keys: Keys;
  /** What people may call it where a map of keys belongs. */
  readonly called: RegExp;
  /** What to write behind its name, with the word or the address that stood there; either may be ''. */
  example(word: string, address: string): string;
  settings(read: z.output<Keys>, origin: Origin): RegistrySettings<Name>;
  /** Under the key `listen`. */
  listen(read: z.output<Keys>): Address | undefined;
  /** The secrets, by their keys. */
  secrets?(read: z.output<Keys>): Readonly<Record<string, string | undefined>>;
  /** What is wrong with its keys together, by the key that is named for it; '' = nothing. */
  problems?(read: z.output<Keys>): Readonly<Record<string, string>>;
  /** Where people write the servers, if not as records under the prefix. */
  serversIn(read: z.output<Keys>, origin: Pick<Origin, 'folder'>): string | undefined;
  /** What is wrong with the name that an upstream has there; undefined: its own. */
  serviceProblem(service: string | undefined): string;
};

/** Infers the types of an entry. */
export function kindOf<Name extends RegistryKind, Keys extends z.ZodType>(
  kind: Kind<Name, Keys>,
): Kind<Name, Keys> {
  return kind;
}
