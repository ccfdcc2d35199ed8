// What an action on a server would do, before it is done: for whoever has to decide.

import { ADMIN, SCOPE } from './documents.ts';
import { type Parameter, shortText, usage, WEIGHT_MAX } from './requests.ts';
import type { Route } from './route.ts';
import { flag, list, number, object, text, type ValueOf, word } from './shape.ts';

export type EffectAction = 'drain' | 'maint' | 'undrain' | 'weight' | 'deregister';

/**
 * How an action is confirmed. light: it can be undone at once; confirm: it changes the capacity; type: it
 * leaves nothing, or cannot be undone, so the name is typed.
 */
export type EffectLevel = 'light' | 'confirm' | 'type';

export const EFFECT = object({
  server: text,
  action: word<EffectAction>(),
  /** The same action, asked for now, would be done. */
  allowed: flag,
  /** Why not, in words, and its code; '' = it would. */
  refusal: text,
  refusalCode: text,
  level: word<EffectLevel>(),
  /** Servers of the upstream that may take the next request, on this gateway. */
  eligibleBefore: number,
  eligibleAfter: number,
  /** All of the upstream. */
  servers: number,
  /** Others that must stay eligible on every gateway; 0 = nobody asks. */
  need: number,
  inFlight: number,
  tunnels: number,
  streams: number,
  /** Who has taken it out; '' = nobody. */
  owner: text,
  admin: ADMIN,
  /** Of the release that holds it, or that runs on this upstream; '' = there is none. */
  release: text,
  /** Of new requests, 0 to 1, by the weights. */
  shareBefore: number,
  shareAfter: number,
  /** In words. */
  warnings: list(text),
  /** The same from a shell. */
  cli: text,
  curl: text,
  /** The owner that both name. */
  by: text,
  scope: SCOPE,
});

export type EffectDocument = ValueOf<typeof EFFECT>;

export type EffectQuestion = {
  readonly action: EffectAction;
  /** 0 = it is not said; for `weight` alone. */
  readonly weight: number;
  readonly keep: number;
  readonly reason: string;
  /** The owner that the lines name. */
  readonly by: string;
  /** A token is needed. */
  readonly isClosed: boolean;
};

const ACTIONS: Readonly<Record<EffectAction, true>> = {
  drain: true,
  maint: true,
  undrain: true,
  weight: true,
  deregister: true,
};
const KEEP_DEFAULT = 1;
const REASON_LENGTH_MAX = 1000;

const ACTION: Parameter<EffectAction> = {
  parse: (value = '') => {
    if (isAction(value)) return value;
    throw usage('action', `must be one of ${Object.keys(ACTIONS).join(', ')}`);
  },
  format: String,
};

const WEIGHT: Parameter<number> = {
  parse: (value = '0') => {
    if (/^\d{1,5}$/.test(value) && Number(value) <= WEIGHT_MAX) return Number(value);
    throw usage('weight', `must be a whole number from 1 to ${WEIGHT_MAX}`);
  },
  format: String,
};

const KEEP: Parameter<number> = {
  parse: (value = String(KEEP_DEFAULT)) => {
    if (/^\d{1,6}$/.test(value)) return Number(value);
    throw usage('keep', 'must be a whole number, 0 or more');
  },
  format: String,
};

const REASON = shortText('reason', REASON_LENGTH_MAX);

export const EFFECT_ROUTES = {
  effect: {
    method: 'GET',
    path: '/api/upstreams/:upstream/servers/:server/effect',
    role: 'read',
    query: { action: ACTION, weight: WEIGHT, keep: KEEP, reason: REASON },
    answer: EFFECT,
    errors: ['not_found'],
  },
} as const satisfies Readonly<Record<string, Route>>;

function isAction(value: string): value is EffectAction {
  return Object.hasOwn(ACTIONS, value);
}
