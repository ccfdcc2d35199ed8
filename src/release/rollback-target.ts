// Which version a rollback goes to: the last one that was complete and was not undone itself. Pure.

import { SluiceError } from '../base/errors.ts';
import type { PastRelease } from './journal/history.ts';

export type RollbackTarget = {
  readonly version: string;
  /** The release that is undone. */
  readonly of: string;
};

/**
 * `history`: newest first. `to` '' looks for the version.
 *
 *   r5 v3 failed                        r5 v3 succeeded        r6 rollback of r5 to v2
 *   r4 v2 succeeded  <- v2              r4 v2 succeeded <- v2  r5 v3 succeeded (undone)
 *                                                              r4 v2 succeeded, r3 v1  <- v1
 *
 * @throws preflight_failed when there is none
 */
export function rollbackTarget(
  service: string,
  history: readonly PastRelease[],
  to: string,
): RollbackTarget {
  const releases = history.filter(({ kind, outcome }) => kind !== 'stop' && outcome !== 'refused');
  const [newest] = releases;
  if (newest === undefined) throw none(service, 'no release is known');
  const good = releases.filter(({ outcome, complete }) => GOOD.has(outcome) && complete);
  if (to !== '') {
    const known = good.some(({ version }) => version === to);
    if (known) return { version: to, of: newest.id };
    const versions = [...new Set(good.map(({ version }) => version))].slice(0, 5);
    const advice = versions.length === 0 ? 'none has succeeded' : `known: ${versions.join(', ')}`;
    throw none(service, `no release to ${to} has succeeded on every instance; ${advice}`);
  }
  const undone = new Set(releases.filter(isGoodRollback).map(({ of }) => of));
  const left = releases.filter(({ id }) => undone.has(id)).map(({ version }) => version);
  const found = good.find(
    ({ version, kind }) =>
      version !== newest.version && !left.includes(version) && kind === 'deploy',
  );
  if (found !== undefined) return { version: found.version, of: newest.id };
  const what = `no earlier version than ${newest.version} has succeeded on every instance`;
  throw none(service, `${what}; name one with --to VERSION, or deploy it`);
}

const GOOD: ReadonlySet<string> = new Set(['succeeded', 'unchanged']);

function isGoodRollback({ kind, outcome }: PastRelease): boolean {
  return kind === 'rollback' && outcome === 'succeeded';
}

function none(service: string, what: string): SluiceError {
  return new SluiceError(
    'preflight_failed',
    `service "${service}": nothing to go back to: ${what}`,
  );
}
