// Attempts as bars: they lie one behind the other, within the whole time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partsOf } from './bars.ts';

const ATTEMPT: Parameters<typeof partsOf>[0] = {
  ...{ server: 'a:1', stateThen: 'ok', version: '', owner: '', startMs: 0, status: 200 },
  ...{ connectMs: 2, headMs: 10, tookMs: 20, failure: '', retried: false },
};

test('connecting, waiting and the rest are one behind the other', () => {
  assert.deepEqual(partsOf(ATTEMPT, 40), [
    { kind: 'connect', from: 0, to: 0.05, ms: 2 },
    { kind: 'wait', from: 0.05, to: 0.25, ms: 8 },
    { kind: 'body', from: 0.25, to: 0.5, ms: 10 },
  ]);
  const later = partsOf({ ...ATTEMPT, startMs: 20 }, 40);
  assert.deepEqual([later[0]?.from, later.at(-1)?.to], [0.5, 1]);
});

test('a kept connection has no connecting, a failed attempt no rest', () => {
  const kinds = (attempt: Parameters<typeof partsOf>[0]): readonly string[] =>
    partsOf(attempt, 40).map(({ kind }) => kind);
  assert.deepEqual(kinds({ ...ATTEMPT, connectMs: null }), ['wait', 'body']);
  assert.deepEqual(kinds({ ...ATTEMPT, headMs: null }), ['connect', 'wait']);
  assert.deepEqual(kinds({ ...ATTEMPT, tookMs: 0 }), []);
});

test('what is measured a little beyond the end stays inside, and no time is no bar', () => {
  assert.equal(partsOf({ ...ATTEMPT, startMs: 30 }, 40).at(-1)?.to, 1);
  assert.equal(partsOf(ATTEMPT, 0).at(-1)?.to, 0);
  assert.deepEqual(
    partsOf({ ...ATTEMPT, connectMs: 15, headMs: 10 }, 40).map(({ ms }) => ms),
    [15, 5],
  );
});
