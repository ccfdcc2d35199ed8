// The configuration file is read again: what that changes, or would change.

import { RELOAD_BODY } from './requests.ts';
import type { Route } from './route.ts';
import { flag, list, number, object, text, type ValueOf } from './shape.ts';

export const RELOADED = object({
  /** '' = the defaults: there is no file. */
  file: text,
  /** Nothing was put in force. */
  dryRun: flag,
  /** Every worker has it. */
  inForce: flag,
  /** Of the table that it came with. */
  generation: number,
  /** What differs in the file; a value '' = the key is not there. Secrets are not shown. */
  changes: list(object({ path: text, from: text, to: text })),
  /** Settings whose values change, also by what the file refers to; upstreams apart. */
  keys: list(text),
  /** Settings that keep their values until the next start or upgrade. */
  kept: list(object({ key: text, reason: text })),
  upstreams: object({ added: list(text), removed: list(text), changed: list(text) }),
  /** `file:line:col: path: …` */
  warnings: list(text),
});

export type ReloadedDocument = ValueOf<typeof RELOADED>;

export const RELOAD_ROUTES = {
  reload: {
    method: 'POST',
    path: '/api/reload',
    role: 'operate',
    body: RELOAD_BODY,
    answer: RELOADED,
    errors: [
      ...(['config_invalid', 'config_missing', 'conflict'] as const),
      ...(['address_in_use', 'address_unavailable'] as const),
    ],
  },
} as const satisfies Readonly<Record<string, Route>>;
