// The body of PUT /v1/session/create: defaults, Go's way of reading it, and what Consul refuses. Pure.

import { messageOf } from '../../../base/errors.ts';
import {
  type GoType,
  JsonNumber,
  membersOf,
  mismatch,
  parseGoJson,
  Refused,
  textMember,
} from '../go.ts';
import { parseGoDuration } from '../http.ts';
import { NODE_CHECK, type Session } from './session.ts';

const LOCK_DELAY_DEFAULT_MS = 15_000;
/** A smaller number of nanoseconds is taken as seconds, as Consul does. */
const SECONDS_BELOW_NS = 1000;
const TTL_MIN_MS = 10_000;
const TTL_MAX_MS = 24 * 3_600_000;

/** The session that is asked for, or Consul's refusal. `text` may be empty. */
export function parseSession(
  text: string,
  nodeName: string,
): Session | { readonly status: 400 | 500; readonly why: string } {
  let body: SessionBody;
  try {
    body = readBody(text, nodeName);
  } catch (error) {
    return { status: 400, why: `Request decode failed: ${messageOf(error)}` };
  }
  const { behavior, ttl, node } = body;
  const refuse = (why: string) => ({ status: 500, why }) as const;
  if (node === '') return refuse('Must provide Node');
  if (behavior !== '' && behavior !== 'release' && behavior !== 'delete') {
    return refuse(`Invalid Behavior setting '${behavior}'`);
  }
  const ttlMs = ttl === '' ? 0 : parseGoDuration(ttl);
  if (ttlMs === undefined) return refuse(`Session TTL '${ttl}' invalid: ${durationProblem(ttl)}`);
  if (ttlMs !== 0 && (ttlMs < TTL_MIN_MS || ttlMs > TTL_MAX_MS)) {
    const nanoseconds = BigInt(Math.round(ttlMs * 1e6));
    return refuse(`Invalid Session TTL '${nanoseconds}', must be between [10s=24h0m0s]`);
  }
  return { ...body, behavior: behavior === '' ? 'release' : behavior, ttlMs };
}

type SessionBody = Omit<Session, 'behavior' | 'ttlMs'> & { readonly behavior: string };

const WHOLE: GoType = {
  place: 'value',
  type: 'struct { LockDelay interface {}; *structs.Alias }',
};

/** @throws Refused */
function readBody(text: string, nodeName: string): SessionBody {
  const json = text.trim() === '' ? null : parseGoJson(firstValue(text));
  const members = json === null ? new Map<string, unknown>() : membersOf(json, WHOLE);
  const checks = textsMember(members, 'Checks', [NODE_CHECK]) ?? [];
  const nodeChecks = textsMember(members, 'NodeChecks', [NODE_CHECK]);
  const isOwnAlone = checks.length === 1 && checks[0] === NODE_CHECK;
  return {
    name: textMember(members, 'Name', ''),
    node: members.has('node') ? textMember(members, 'Node', '') : nodeName,
    lockDelayMs: lockDelay(members.get('lockdelay') ?? null),
    behavior: textMember(members, 'Behavior', '', 'structs.SessionBehavior'),
    ttl: textMember(members, 'TTL', ''),
    nodeChecks: checks.length === 0 ? [] : nodeChecks,
    serviceChecks: serviceChecks(members.get('servicechecks') ?? null),
    checks: isOwnAlone ? [] : checks,
  };
}

/** Go reads one value and leaves what follows. */
function firstValue(text: string): string {
  const start = text.trimStart();
  if (!start.startsWith('{')) return text;
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < start.length; at++) {
    const character = start[at];
    if (quoted) {
      if (character === '\\') at++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '{') depth++;
    else if (character === '}' && --depth === 0) return start.slice(0, at + 1);
  }
  return text;
}

/** Neither a text nor a number is no delay at all: odd, but Consul's. */
function lockDelay(value: unknown): number {
  if (value === null) return LOCK_DELAY_DEFAULT_MS;
  let nanoseconds = 0;
  if (typeof value === 'string') {
    const ms = parseGoDuration(value);
    if (ms === undefined) throw new Refused(durationProblem(value));
    nanoseconds = ms * 1e6;
  } else if (value instanceof JsonNumber) nanoseconds = Math.trunc(Number(value.source));
  return nanoseconds < SECONDS_BELOW_NS ? nanoseconds * 1000 : nanoseconds / 1e6;
}

function durationProblem(text: string): string {
  const isBare = /^[-+]?\d+(\.\d*)?$/.test(text);
  return `time: ${isBare ? 'missing unit in' : 'invalid'} duration ${JSON.stringify(text)}`;
}

function textsMember(
  members: ReadonlyMap<string, unknown>,
  name: string,
  initial: readonly string[],
): readonly string[] | null {
  const value = members.get(name.toLowerCase());
  if (value === undefined) return initial;
  if (value === null) return null;
  const place = `struct field .${name}`;
  if (!Array.isArray(value)) throw mismatch(value, place, '[]string');
  return value.map((item: unknown) => {
    if (typeof item === 'string') return item;
    throw mismatch(item, place, 'string');
  });
}

function serviceChecks(value: unknown): readonly string[] | null {
  if (value === null) return null;
  const place = 'struct field .ServiceChecks';
  if (!Array.isArray(value)) throw mismatch(value, place, '[]structs.ServiceCheck');
  return value.map((item: unknown) =>
    textMember(
      membersOf(item, { place, type: 'structs.ServiceCheck' }),
      'ID',
      'ServiceCheck.ServiceChecks',
    ),
  );
}
