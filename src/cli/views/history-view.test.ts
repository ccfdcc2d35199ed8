import assert from 'node:assert/strict';
import { test } from 'node:test';
import { past } from '../../../test/support/release/surveys.ts';
import { historyView, journalView } from './history-view.ts';

const PLAIN = (_: string, text: string): string => text;
const MINUTE = 60_000;

test('a history says what each release was, who wanted it and how it ended', () => {
  const waits = { before: 'rest', sinceMs: MINUTE, untilMs: 61 * MINUTE };
  const releases = [
    past({ id: 'r10', version: 'v4', over: false, beganAtMs: MINUTE, waits }),
    past({ id: 'r9', version: 'v3', over: false, beganAtMs: MINUTE, lastStep: 'drain of a:1' }),
    past({ id: 'r8', kind: 'rollback', of: 'r7', why: 'checkout fails', outcome: 'succeeded' }),
    past({ id: 'r7', version: 'v2', lastStep: 'stop of a:1' }),
    past({ id: 'r6', kind: 'stop', version: '', outcome: 'failed', exit: 1, tookMs: 90_000 }),
  ];
  const text = historyView('app', releases, { nowMs: 3 * MINUTE, paint: PLAIN, width: 0 });
  assert.deepEqual(
    text.split('\n').map((line) => line.trimEnd().replaceAll(/ {2,}/g, ' | ')),
    [
      'RELEASE | VERSION | OUTCOME | BEGAN | TOOK | WHAT',
      'r10 | v4 | waiting for approval | 1970-01-01 00:01:00Z | 2m | deploy by alice; since 00:01:00Z, until 01:01:00Z: sluice approve app r10',
      'r9 | v3 | running in drain of a:1 | 1970-01-01 00:01:00Z | 2m | deploy by alice',
      'r8 | v2 | succeeded | - | - | rollback of r7 by alice: checkout fails',
      'r7 | v2 | died in stop of a:1 | - | - | deploy by alice',
      'r6 | - | failed | - | 1m30s | stop by alice',
    ],
  );
  assert.equal(
    historyView('app', [], { nowMs: 0, paint: PLAIN, width: 0 }),
    'app: no release is known',
  );
});

test('a journal is a line per record, its nested facts left out', () => {
  const record = { ts: '2026-01-02T03:04:05.678Z', fence: 1, instance: '', step: '' };
  const records = [
    { ...record, seq: 0, kind: 'begin', data: { user: 'ann', pid: 7, settings: { force: true } } },
    { ...record, seq: 1, kind: 'plan', data: { plan: {} } },
    {
      ...record,
      seq: 2,
      kind: 'done',
      instance: 'a:1',
      step: 'drain',
      data: { cut: 0, revert: false },
    },
  ];
  const release = past({ id: 'r7', outcome: 'failed', reason: 'check failed' });
  assert.deepEqual(
    journalView('app', release, records, PLAIN)
      .split('\n')
      .map((line) => line.trimEnd()),
    [
      'r7 of app to v2: failed, deploy by alice',
      'check failed',
      '2026-01-02 03:04:05  -    -      begin  ann, pid 7',
      '2026-01-02 03:04:05  a:1  drain  done   cut=0',
    ],
  );
});
