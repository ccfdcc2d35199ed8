import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HistoryDocument } from '../../../src/admin/contract.ts';
import { type StateNow, windowsOf } from './windows.ts';

type Mark = HistoryDocument['marks'][number];

function mark(atMs: number, from: string, to: string, what: Mark['what'] = 'eligibility'): Mark {
  return { atMs, server: 'a', what, from, to, owner: '' };
}

/** From 1000 to 2000. */
function shaded(marks: readonly Mark[], now: Readonly<Record<string, StateNow>> = {}): string[] {
  const history: HistoryDocument = {
    ...{ upstream: 'app', span: '5m', startMs: 1000, stepMs: 100, slots: 10, series: [] },
    ...{ marks: [...marks], complete: true, scope: { gateway: 'A', heard: [], unheard: [] } },
  };
  return windowsOf(history, now).map((one) => {
    const { server, state, fromMs, toMs } = one;
    return `${server} ${state} ${fromMs}-${toMs}`;
  });
}

test('a drain is shaded from its mark to the next one', () => {
  assert.deepEqual(shaded([mark(1200, 'ok', 'drain'), mark(1500, 'drain', 'ok')]), [
    'a drain 1200-1500',
  ]);
});

test('what began before is shaded from the begin, what goes on to the end', () => {
  assert.deepEqual(shaded([mark(1300, 'maint', 'ok'), mark(1600, 'ok', 'down')]), [
    'a maint 1000-1300',
    'a down 1600-2000',
  ]);
});

test('what a server was before it joined is not shaded, nor the wait for its first check', () => {
  const joined = [mark(1200, '', 'unchecked', 'joined'), mark(1300, 'unchecked', 'ok')];
  assert.deepEqual(shaded(joined), []);
  assert.deepEqual(shaded([mark(1200, '', 'down', 'joined'), mark(1400, 'down', 'ok')]), []);
});

test('a server that left is shaded no more, and one that is full takes requests', () => {
  const left = [mark(1200, 'ok', 'drain'), mark(1400, '', '', 'left')];
  assert.deepEqual(shaded(left, { a: { state: 'drain', sinceMs: 0 } }), ['a drain 1200-1400']);
  assert.deepEqual(shaded([mark(1200, 'ok', 'full')]), []);
});

test('without a mark it was so all the time, or since somebody said so', () => {
  assert.deepEqual(
    shaded([], { b: { state: 'drain', sinceMs: 1700 }, c: { state: 'down', sinceMs: 0 } }),
    ['b drain 1700-2000', 'c down 1000-2000'],
  );
  assert.deepEqual(shaded([], { d: { state: 'ok', sinceMs: 0 } }), []);
});
