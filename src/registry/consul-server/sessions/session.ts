// What a session is, and how it is kept and shown.

import { DocumentKind, type KeyTable, type Stored } from '../../embedded.ts';
import { goJson, goString } from '../go.ts';

export type Behavior = 'release' | 'delete';

export type Session = {
  readonly name: string;
  readonly node: string;
  /** How long the keys that it held cannot be locked after it was invalidated. */
  readonly lockDelayMs: number;
  /** What happens to the keys that it holds when it ends. */
  readonly behavior: Behavior;
  /** As the client wrote it; '' for a session without. */
  readonly ttl: string;
  /** 0: it is never too old. */
  readonly ttlMs: number;
  /** Ids of checks of its node; when one is critical, the session ends. null: none was named. */
  readonly nodeChecks: readonly string[] | null;
  /** Ids of checks of services on its node; null: none was named. */
  readonly serviceChecks: readonly string[] | null;
  /** Ids in the field that older clients use. */
  readonly checks: readonly string[];
};

/** The check of a node itself, which is there without being registered. */
export const NODE_CHECK = 'serfHealth';

/** Every check on which the session depends. */
export function checksOf(session: Session): readonly string[] {
  const { checks, nodeChecks, serviceChecks } = session;
  return [...checks, ...(nodeChecks ?? []), ...(serviceChecks ?? [])];
}

/** Anybody may open sessions where there is no access control; Consul has no limit. */
const LIMITS = { most: 20_000, lengthMax: 4096 };

export const SESSIONS = new DocumentKind<Session>('session', (json) => json as Session, LIMITS);

export function hasSession(table: KeyTable, id: string): boolean {
  return SESSIONS.find(table, id) !== undefined;
}

/** What changes with this one session and no other. */
export function sessionTopic(id: string): string {
  return `session/${id}`;
}

/** A key that was held by a session which was invalidated cannot be locked until then. */
export type LockDelay = { readonly untilMs: number };
export const LOCK_DELAYS = new DocumentKind<LockDelay>('lock-delay', (json) => json as LockDelay);

const UUID_LENGTH = 36;

/** Why the text cannot be an id, as Consul says it; '' when it can. `what`: session, acl token, … */
export function idProblem(id: string, what = 'session'): string {
  const problem = uuidProblem(id);
  return problem === '' ? '' : `failed ${what} lookup: index error: ${problem}`;
}

function uuidProblem(id: string): string {
  if (Buffer.byteLength(id) !== UUID_LENGTH) return `UUID must be ${UUID_LENGTH} characters`;
  const hex = id.replaceAll('-', '');
  const hyphens = id.length - hex.length;
  if (hyphens > 4) return `UUID should have maximum of 4 "-"; got ${hyphens}`;
  if (hex.length % 2 !== 0) return 'Input (without hyphens) must be even length';
  const wrong = /[^0-9a-fA-F]/u.exec(hex)?.[0];
  if (wrong === undefined) return '';
  const code = (wrong.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return `Invalid UUID: encoding/hex: invalid byte: U+${code} '${wrong}'`;
}

export function sessionJson({ id, value, createIndex, modifyIndex }: Stored<Session>): string {
  const services = value.serviceChecks?.map((check) => ({ ID: check, Namespace: '' })) ?? null;
  const legacy = value.checks.length === 0 ? '' : `"Checks":${goJson(value.checks)},`;
  return (
    `{"ID":"${id}","Name":${goString(value.name)},"Node":${goString(value.node)},` +
    `"LockDelay":${nanoseconds(value.lockDelayMs)},"Behavior":"${value.behavior}",` +
    `"TTL":${goString(value.ttl)},"NodeChecks":${goJson(value.nodeChecks)},` +
    `"ServiceChecks":${goJson(services)},${legacy}` +
    `"CreateIndex":${createIndex},"ModifyIndex":${modifyIndex}}`
  );
}

function nanoseconds(ms: number): string {
  return BigInt(Math.round(ms * 1e6)).toString();
}
