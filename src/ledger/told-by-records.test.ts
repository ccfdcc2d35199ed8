import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReleaseRecord } from '../admin/contract.ts';
import { toldByRecords } from './told-by-records.ts';

const record = (kind: string, data: ReleaseRecord['data']): ReleaseRecord => ({
  ...{ seq: 0, ts: '', kind, instance: '', step: '', fence: 1, data },
});

test('a plan says which versions were before, an end what became of the requests', () => {
  const receipt = { requests: 9, cut: 1, lost: 2, retried: 3, complete: false, servers: [] };
  const told = toldByRecords([
    record('plan', { plan: { from: ['v1'] } }),
    record('end', { receipt }),
  ]);
  assert.deepEqual(told, {
    from: ['v1'],
    counted: { requests: 9, failed: 3, retried: 3, complete: false },
  });
});

test('other records say nothing, and what cannot be read neither', () => {
  for (const records of [
    [record('intent', {}), record('note', { plan: { from: ['v1'] } })],
    [record('plan', { shortened: 200_000 }), record('end', { receipt: null })],
    [record('end', { receipt: { requests: 'many' } })],
  ]) {
    assert.equal(toldByRecords(records), undefined);
  }
});

test('of very many versions ten are told', () => {
  const from = Array.from({ length: 50 }, (_, place) => `v${place}`);
  assert.equal(toldByRecords([record('plan', { plan: { from } })])?.from?.length, 10);
});
