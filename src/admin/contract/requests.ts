// What a request carries beside its path: bodies and query parameters, from `unknown` to types. Strict:
// an unknown key is an error, because a misspelt `keepEligible` would silently drop the guard.

import { parseDuration } from '../../base/duration.ts';
import { SluiceError } from '../../base/errors.ts';
import { type AdminState, isRecordOwner } from '../../model.ts';

export type AdminRequest = {
  readonly state: AdminState;
  /** `user:alice`, `release:r42`. */
  readonly owner: string;
  readonly reason: string;
  /** Refuse (guard_refused) when fewer than this many other servers would stay eligible. */
  readonly keepEligible?: number;
  /** Only change an admin state that this owner holds or that is ready; else conflict. */
  readonly ifOwner?: string;
  /** Refuse (locked) when the lock of this service is not held with this fence any more. */
  readonly lock?: LockRequest;
};

export type LockRequest = { readonly service: string; readonly fence: number };

export type WeightRequest = { readonly weight: number };

export type RegisterRequest = {
  /** `instance:web-1`. */
  readonly owner: string;
  /** True: its record says down, so that it takes no requests yet. */
  readonly down: boolean;
  /** Left out: as the record has it. */
  readonly weight?: number;
};

export type DeregisterRequest = {
  /** Its drain, if there is one, ends with the record. */
  readonly owner: string;
};

/** The body of a request. `names`: every key that it may have. */
export type Body<Value> = {
  readonly names: readonly string[];
  /** More than what most bodies may have. */
  readonly bytesMax?: number;
  /** @throws usage */
  parse(body: unknown): Value;
};

/** One query parameter, both ways. */
export type Parameter<Value> = {
  /** Undefined: it was left out. @throws usage */
  parse(text: string | undefined): Value;
  format(value: Value): string;
};

const OWNER_LENGTH_MAX = 200;
const REASON_LENGTH_MAX = 1000;
export const WEIGHT_MAX = 65_535;
const WAIT_DEFAULT_MS = 30_000;
const EVENTS_DEFAULT = 100;
/** Kept to be asked for; the audit log has all. */
export const EVENTS_MAX = 1000;
/** A longer wait is cut to this; the caller asks again. */
const WAIT_MAX_MS = 600_000;

// By name, so that the compiler asks for a new key here, too.
const ADMIN_KEYS: Readonly<Record<keyof AdminRequest, true>> = {
  state: true,
  owner: true,
  reason: true,
  keepEligible: true,
  ifOwner: true,
  lock: true,
};
const STATES: Readonly<Record<AdminState, true>> = { ready: true, drain: true, maint: true };

export const ADMIN_BODY: Body<AdminRequest> = {
  names: Object.keys(ADMIN_KEYS),
  parse: (body) => {
    const keys = parseObject(body, ADMIN_BODY.names);
    const { state, owner, reason = '', keepEligible, ifOwner, lock } = keys;
    if (!isState(state)) throw usage('state', 'must be ready, drain or maint');
    if (typeof reason !== 'string' || reason.length > REASON_LENGTH_MAX) {
      throw usage('reason', `must be a text of at most ${REASON_LENGTH_MAX} characters`);
    }
    if (keepEligible !== undefined && !isInteger(keepEligible, 0)) {
      throw usage('keepEligible', 'must be a whole number, 0 or more');
    }
    if (ifOwner !== undefined && typeof ifOwner !== 'string') {
      throw usage('ifOwner', 'must be a text');
    }
    return {
      state,
      owner: parseOwnerText(owner),
      reason,
      ...(keepEligible === undefined ? {} : { keepEligible }),
      ...(ifOwner === undefined ? {} : { ifOwner }),
      ...(lock === undefined ? {} : { lock: parseLock(lock) }),
    };
  },
};

export const WEIGHT_BODY: Body<WeightRequest> = {
  names: ['weight'],
  parse: (body) => {
    const { weight } = parseObject(body, WEIGHT_BODY.names);
    if (!isInteger(weight, 1) || weight > WEIGHT_MAX) {
      throw usage(
        'weight',
        `must be a whole number from 1 to ${WEIGHT_MAX}; to stop traffic, drain`,
      );
    }
    return { weight };
  },
};

export const REGISTER_BODY: Body<RegisterRequest> = {
  names: ['owner', 'down', 'weight'],
  parse: (body) => {
    const { owner, down, weight } = parseObject(body, REGISTER_BODY.names);
    if (typeof down !== 'boolean') throw usage('down', 'must be true or false');
    if (weight !== undefined && (!isInteger(weight, 1) || weight > WEIGHT_MAX)) {
      throw usage('weight', `must be a whole number from 1 to ${WEIGHT_MAX}`);
    }
    return { owner: parseOwnerText(owner), down, ...(weight === undefined ? {} : { weight }) };
  },
};

export const DEREGISTER_BODY: Body<DeregisterRequest> = {
  names: ['owner'],
  parse: (body) => ({ owner: parseOwnerText(parseObject(body, DEREGISTER_BODY.names)['owner']) }),
};

export type ReloadRequest = {
  /** Only say what it would change. */
  readonly dryRun: boolean;
};

export const RELOAD_BODY: Body<ReloadRequest> = {
  names: ['dryRun'],
  parse: (body) => {
    const { dryRun = false } = parseObject(body, RELOAD_BODY.names);
    if (typeof dryRun !== 'boolean') throw usage('dryRun', 'must be true or false');
    return { dryRun };
  },
};

/** How long to wait at most; milliseconds in the program, a duration with its unit in the query. */
export const WAIT: Parameter<number> = {
  parse: (text) => {
    if (text === undefined) return WAIT_DEFAULT_MS;
    const ms = parseDuration(text);
    if (ms === undefined) throw usage('wait', 'must be a duration with its unit, as 30s');
    return Math.min(ms, WAIT_MAX_MS);
  },
  format: (ms) => `${ms}ms`,
};

/** Any text; '' where it is left out. */
export const TEXT: Parameter<string> = { parse: (value = '') => value, format: String };

/** As TEXT, of a bounded length. */
export function shortText(name: string, lengthMax: number): Parameter<string> {
  return {
    parse: (value = '') => {
      if (value.length <= lengthMax) return value;
      throw usage(name, `must be a text of at most ${lengthMax} characters`);
    },
    format: String,
  };
}

/** How many of the newest there are to be: events, lines, requests. */
export function newest(initial: number, most: number, least = 0): Parameter<number> {
  return {
    parse: (text) => {
      if (text === undefined) return initial;
      if (!/^\d{1,9}$/.test(text)) throw usage('last', 'must be a whole number');
      return Math.max(least, Math.min(Number(text), most));
    },
    format: String,
  };
}

export const LAST = newest(EVENTS_DEFAULT, EVENTS_MAX);

function parseLock(lock: unknown): LockRequest {
  const { service, fence } = parseObject(lock, ['service', 'fence']);
  if (typeof service !== 'string') throw usage('lock.service', 'must be a text');
  if (!isInteger(fence, 0)) throw usage('lock.fence', 'must be a whole number, 0 or more');
  return { service, fence };
}

export function parseOwnerText(owner: unknown): string {
  if (typeof owner !== 'string' || owner === '' || owner.length > OWNER_LENGTH_MAX) {
    throw usage('owner', `must be a text of 1 to ${OWNER_LENGTH_MAX} characters, as "user:alice"`);
  }
  if (isRecordOwner(owner)) {
    throw usage('owner', `must not be "${owner}": that is what records say; write "user:alice"`);
  }
  return owner;
}

function isState(value: unknown): value is AdminState {
  return typeof value === 'string' && Object.hasOwn(STATES, value);
}

export function parseObject(body: unknown, keys: readonly string[]): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new SluiceError('usage', `request body: must be an object with ${keys.join(', ')}`);
  }
  for (const key of Object.keys(body)) {
    if (!keys.includes(key)) throw usage(key, `is not known here; known: ${keys.join(', ')}`);
  }
  return { ...body };
}

export function isInteger(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && Number(value) >= least;
}

export function usage(key: string, what: string): SluiceError {
  return new SluiceError('usage', `request: "${key}" ${what}`);
}
