// Request bodies and parameters of the control API, from `unknown` to types. Strict: an unknown key
// is an error, because a misspelt `keepEligible` would silently drop the guard.

import { SluiceError } from '../../base/errors.ts';
import { parseDuration } from '../../base/units.ts';
import type { AdminRequest } from './documents.ts';

const OWNER_LENGTH_MAX = 200;
const REASON_LENGTH_MAX = 1000;
const WEIGHT_MAX = 65_535;
const WAIT_DEFAULT_MS = 30_000;
/** A longer wait is cut to this; the caller asks again. */
const WAIT_MAX_MS = 600_000;

const ADMIN_KEYS = ['state', 'owner', 'reason', 'keepEligible', 'ifOwner'];

/** @throws usage */
export function parseAdminRequest(body: unknown): AdminRequest {
  const { state, owner, reason = '', keepEligible, ifOwner } = parseObject(body, ADMIN_KEYS);
  if (state !== 'ready' && state !== 'drain' && state !== 'maint') {
    throw usage('state', 'must be ready, drain or maint');
  }
  if (typeof owner !== 'string' || owner === '' || owner.length > OWNER_LENGTH_MAX) {
    throw usage('owner', `must be a text of 1 to ${OWNER_LENGTH_MAX} characters, as "user:alice"`);
  }
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
    owner,
    reason,
    ...(keepEligible === undefined ? {} : { keepEligible }),
    ...(ifOwner === undefined ? {} : { ifOwner }),
  };
}

/** @throws usage */
export function parseWeight(body: unknown): number {
  const { weight } = parseObject(body, ['weight']);
  if (!isInteger(weight, 1) || weight > WEIGHT_MAX) {
    throw usage('weight', `must be a whole number from 1 to ${WEIGHT_MAX}; to stop traffic, drain`);
  }
  return weight;
}

/** Milliseconds. @throws usage */
export function parseWait(text: string | undefined): number {
  if (text === undefined) return WAIT_DEFAULT_MS;
  const ms = parseDuration(text);
  if (ms === undefined) throw usage('wait', 'must be a duration with its unit, as 30s');
  return Math.min(ms, WAIT_MAX_MS);
}

function parseObject(body: unknown, keys: readonly string[]): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new SluiceError('usage', `request body: must be an object with ${keys.join(', ')}`);
  }
  for (const key of Object.keys(body)) {
    if (!keys.includes(key)) throw usage(key, `is not known here; known: ${keys.join(', ')}`);
  }
  return { ...body };
}

function isInteger(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && Number(value) >= least;
}

function usage(key: string, what: string): SluiceError {
  return new SluiceError('usage', `request: "${key}" ${what}`);
}
