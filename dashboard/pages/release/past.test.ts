// The list of all releases, and how each of them stands by the lock of its service.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReleaseSummary, ReleasesTopic } from '../../../src/admin/contract.ts';
import { isWanted, pastOf, wordFor } from './past.ts';

const RELEASE: ReleaseSummary = {
  ...{ release: 'r1', number: 1, kind: 'deploy', version: 'v1', upstream: 'app', user: 'ann' },
  ...{ runner: '', beganAtMs: 1000, endedAtMs: 0, outcome: '', exit: 0, reason: '', lastStep: '' },
  ...{ complete: false, of: '', why: 'new menu', from: undefined, counted: undefined },
};
const HOLDER = {
  ...{ release: 'r1', upstream: 'app', version: 'v1', user: 'ann', runner: '', ticket: '' },
  ...{ sinceMs: 1, step: 'drain of a', waits: undefined },
};
type Known = Exclude<ReleasesTopic, { readonly trouble: unknown }>;

function topic(lock: Known['lock'], more: Partial<Known> = {}): Known {
  return { shared: true, stale: false, lock, releases: { r1: RELEASE }, ...more };
}

test('a release that has not ended is what the lock of its service says', () => {
  const waits = { before: 'rest', sinceMs: 1, untilMs: 2 };
  const cases: readonly (readonly [string, ReleasesTopic | undefined])[] = [
    ['running', undefined],
    ['running', { trouble: { code: 'registry_unreachable', message: '' } }],
    ['running', topic({ holder: HOLDER })],
    ['stale', topic({ holder: HOLDER }, { stale: true })],
    ['waiting', topic({ holder: { ...HOLDER, waits } })],
    ['paused', topic({ holder: { ...HOLDER, step: 'pause' } })],
    ['lost', topic({ holder: { ...HOLDER, release: 'r2' } })],
    ['lost', topic({})],
    ['running', topic({}, { shared: false })],
  ];
  for (const [word, known] of cases) assert.equal(wordFor(RELEASE, known), word);
  assert.equal(wordFor({ ...RELEASE, endedAtMs: 2, outcome: 'failed' }, topic({})), 'failed');
});

test('releases of all services are one list, the newest first', () => {
  const later = { ...RELEASE, release: 'r2', number: 2, beganAtMs: 3000 };
  const other = { ...RELEASE, beganAtMs: 2000 };
  const past = pastOf({
    app: topic({}, { releases: { r1: RELEASE, r2: later } }),
    shop: topic({}, { releases: { r1: other } }),
    lost: { trouble: { code: 'registry_unreachable', message: '' } },
    unread: undefined,
  });
  const names = past.map(({ service, summary }) => `${service} ${summary.release}`);
  assert.deepEqual(names, ['app r2', 'shop r1', 'app r1']);
});

test('a filter finds by service, version, person, reason and how it ended', () => {
  const past = { service: 'shop', summary: RELEASE, word: 'lost' };
  for (const filter of ['', 'SHOP', 'ann v1', 'menu', 'lost', ' r1 ']) {
    assert.equal(isWanted(past, filter), true, filter);
  }
  for (const filter of ['app', 'ann v2']) assert.equal(isWanted(past, filter), false, filter);
});
