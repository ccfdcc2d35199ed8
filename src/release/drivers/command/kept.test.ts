import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Keeper } from '../../hosts.ts';
import { keptWords } from './kept.ts';

const KEEPER: Keeper = {
  ...{ mode: 'on', process: { pid: 7, identity: 'boot/1' }, isAlive: true, isKept: true },
  ...{ isSameBoot: true, restarts: 0, sinceMs: Date.UTC(2026, 10, 27, 1, 2, 3), code: null },
  endedMs: 0,
};
const AGAIN = { restarts: 3, code: 7, endedMs: Date.UTC(2026, 10, 27, 4) };
const SAID =
  'started again 3 times since 2026-11-27T01:02:03Z, last: exited with code 7 at 2026-11-27T04:00:00Z';

for (const [what, part, text, isNews] of [
  ['all is well', {}, /^started again when it ends, but not after a reboot: driver systemd/, false],
  ['it was started again', AGAIN, SAID, true],
  [
    'once, after a kill',
    { ...AGAIN, restarts: 1, code: 137 },
    /^started again once since .* by signal 9 at/,
    true,
  ],
  ['it has just ended', { ...AGAIN, isAlive: false }, `${SAID}; ended now, will be started`, true],
  ['it ended in a drain', { mode: 'hold', isAlive: false }, /; ended now, held/, false],
  ['given up', { ...AGAIN, mode: 'lost', isKept: false }, `given up: ${SAID}`, true],
  [
    'somebody ended it',
    { ...AGAIN, mode: 'done', code: 0, isKept: false },
    /^not started again: it exited with code 0 at .*, as one that somebody ends$/,
    true,
  ],
  [
    'what it started still runs',
    { mode: 'left', isAlive: false },
    /^not started again: what it had started/,
    true,
  ],
  [
    'the host was started anew',
    { isAlive: false, isKept: false, isSameBoot: false },
    /^ended with its host/,
    true,
  ],
  [
    'the keeper was ended',
    { isKept: false },
    /^nobody starts it again when it ends: its keeper/,
    true,
  ],
  [
    'no release has let it in',
    { mode: 'new' },
    /^not started again when it ends: no release/,
    false,
  ],
  ['a release stopped it', { mode: 'off', isAlive: false, isKept: false }, 'was stopped', false],
] as const) {
  test(`what is said of a keeper: ${what}`, () => {
    const kept = keptWords({ ...KEEPER, ...part });
    if (typeof text === 'string') assert.equal(kept?.text, text);
    else assert.match(kept?.text ?? '', text);
    assert.equal(kept?.isNews, isNews);
  });
}

test('what is said of an instance without a keeper', () => {
  assert.match(keptWords(null)?.text ?? '', /^nobody starts it again when it ends: it was started/);
});
