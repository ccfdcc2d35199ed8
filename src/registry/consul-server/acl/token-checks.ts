// What a token must be to be written, in Consul's order and words.

import { randomUUID } from 'node:crypto';
import type { Stored, WriteGroup } from '../../embedded.ts';
import { idProblem } from '../sessions.ts';
import { isUuid, Unfit } from './acl-request.ts';
import { checkedBundle, type Link } from './bundles.ts';
import type { Identities } from './identities.ts';
import { findRoleNamed, ROLES } from './roles.ts';
import { ANONYMOUS_ID, TOKENS, type Token, type TokenBody } from './tokens.ts';

const EXPIRES_MIN_MS = 60_000;
const EXPIRES_MAX_MS = 24 * 3_600_000;
const RESERVED = '00000000-0000-0000-0000-0000000000';

/** @throws Unfit */
export function newToken(
  writes: WriteGroup,
  identities: Identities,
  body: TokenBody,
  wallMs: number,
): { readonly id: string; readonly token: Token } {
  const isTaken = (of: (token: Stored<Token>) => boolean): boolean => identities.list().some(of);
  const id = body.accessorId === '' ? randomUUID() : body.accessorId;
  const secretId = body.secretId === '' ? randomUUID() : body.secretId;
  checkId(id);
  if (!isUuid(secretId)) throw new Unfit('Invalid Token: SecretID is not a valid UUID');
  if (isTaken((token) => token.id === id)) {
    throw new Unfit('Invalid Token: AccessorID is already in use');
  }
  if (isTaken(({ value }) => value.secretId === secretId)) {
    throw new Unfit('Invalid Token: SecretID is already in use');
  }
  if ([id, secretId].some((each) => each.startsWith(RESERVED))) {
    throw new Unfit(`Invalid Token: UUIDs with the prefix "${RESERVED}" are reserved`);
  }
  const expirationTime = expiration(body, wallMs);
  const createTime = new Date(wallMs).toISOString();
  return { id, token: { ...contentOf(writes, body), secretId, expirationTime, createTime } };
}

/** @throws Unfit */
export function changedToken(
  writes: WriteGroup,
  before: Stored<Token> | undefined,
  id: string,
  body: TokenBody,
): Token {
  checkId(id);
  if (before === undefined) throw new Unfit(`Cannot find token ${JSON.stringify(id)}`);
  const { secretId, local, expirationTime, createTime } = before.value;
  if (body.secretId !== '' && body.secretId !== secretId) {
    throw new Unfit('Changing a tokens SecretID is not permitted');
  }
  if (body.local !== local && id !== ANONYMOUS_ID) {
    throw new Unfit(`cannot toggle local mode of ${id}`);
  }
  const isSameTime = body.expirationTime === '' || body.expirationTime === expirationTime;
  if (!isSameTime || body.expirationTtlMs !== 0) {
    throw new Unfit(`Cannot change expiration time of ${id}`);
  }
  return { ...contentOf(writes, body), secretId, local, expirationTime, createTime };
}

function checkId(id: string): void {
  const problem = idProblem(id, 'acl token');
  if (problem !== '') throw new Unfit(`Failed acl token lookup by accessor: ${problem}`);
}

function expiration(body: TokenBody, wallMs: number): string {
  const { expirationTime, expirationTtl, expirationTtlMs } = body;
  if (expirationTtl !== '' && expirationTtlMs < 0) {
    throw new Unfit(`Token Expiration TTL '${expirationTtl}' should be > 0`);
  }
  if (expirationTtlMs !== 0 && expirationTime !== '') {
    throw new Unfit('Token Expiration TTL and Expiration Time cannot both be set');
  }
  if (expirationTtlMs === 0 && expirationTime === '') return '';
  const atMs = expirationTime === '' ? wallMs + expirationTtlMs : Date.parse(expirationTime);
  const leftMs = atMs - wallMs;
  if (leftMs <= 0) throw new Unfit('ExpirationTime cannot be before CreateTime');
  if (leftMs < EXPIRES_MIN_MS) {
    throw new Unfit(
      `ExpirationTime cannot be less than 1m0s in the future (was ${goDuration(leftMs)})`,
    );
  }
  if (leftMs > EXPIRES_MAX_MS) {
    throw new Unfit(
      `ExpirationTime cannot be more than 24h0m0s in the future (was ${goDuration(leftMs)})`,
    );
  }
  return new Date(atMs).toISOString();
}

/** As Go writes a duration: 48h0m0s, 1m30s, 5s. */
function goDuration(ms: number): string {
  const [hours, minutes] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60];
  const seconds = `${(ms / 1000) % 60}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

function contentOf(
  writes: WriteGroup,
  body: TokenBody,
): Omit<Token, 'secretId' | 'expirationTime' | 'createTime'> {
  if (body.authMethod !== '') throw new Unfit('AuthMethod field is disallowed outside of Login');
  const { policies, ...identities } = checkedBundle(writes, body, 'token');
  const roles = new Set(body.roles.map((link) => roleOf(writes, link)));
  const { description, local } = body;
  return { policies, ...identities, roles: [...roles], description, local };
}

function roleOf({ table }: WriteGroup, { id, name }: Link): string {
  const role = id === '' ? findRoleNamed(table, name) : ROLES.find(table, id);
  if (role !== undefined) return role.id;
  throw new Unfit(`No such ACL role with ${id === '' ? `name "${name}"` : `ID "${id}"`}`);
}

/** Keeps a client's token. @throws Unfit when there are too many, or it is too long. */
export function kept(writes: WriteGroup, id: string, token: Token): Stored<Token> {
  const over = TOKENS.overLimit(writes, id, token);
  if (over !== '') throw new Unfit(over);
  return TOKENS.put(writes, id, token);
}
