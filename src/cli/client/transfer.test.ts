// Many records into a registry: in steps of at most 64, each whole, and what was written when one fails.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../base/errors.ts';
import { COMMIT_WRITES_MAX, type RecordStore, type RecordWrite } from '../../registry.ts';
import { planTransfer, type TransferWrite, transfer } from './transfer.ts';

function writes(count: number, bytes = 1): TransferWrite[] {
  return Array.from({ length: count }, (_, at) => ({
    ...{ key: `k${at}`, value: new Uint8Array(bytes), flags: '0', cas: 0 },
  }));
}

/** Takes notes of commits; the `failing`-th ends as it is told to. */
function store(failing: number, how: () => boolean) {
  const groups: (readonly RecordWrite[])[] = [];
  const commit = async (group: readonly RecordWrite[]): Promise<boolean> => {
    if (groups.length + 1 === failing) return how();
    groups.push(group);
    return true;
  };
  const put: RecordStore['put'] = (key, value, options = {}) =>
    commit([{ key, value, ...options }]);
  // The rest is not asked for.
  return { groups, registry: { commit, put } as unknown as RecordStore };
}

const never = (): boolean => true;

test('steps hold at most 64 records and 256 KiB', async () => {
  const many = store(0, never);
  assert.equal(await transfer(many.registry, writes(2 * COMMIT_WRITES_MAX + 1)), 129);
  assert.deepEqual(
    many.groups.map(({ length }) => length),
    [64, 64, 1],
  );
  const large = store(0, never);
  await transfer(large.registry, writes(5, 100 * 1024));
  assert.deepEqual(
    large.groups.map(({ length }) => length),
    [2, 2, 1],
  );
  const huge = store(0, never);
  await transfer(huge.registry, writes(2, 300 * 1024));
  assert.equal(huge.groups.length, 2);
});

test('what fails half-way says how far it came', async () => {
  const away = store(2, () => {
    throw new SluiceError('registry_unreachable', 'registry: no answer');
  });
  await assert.rejects(transfer(away.registry, writes(130)), {
    code: 'registry_unreachable',
    message:
      'registry: no answer; 64 of 130 records written, not those from "k64" on; run it again to go on',
    details: { written: 64 },
  });
  const raced = store(3, () => false);
  await assert.rejects(transfer(raced.registry, writes(130)), {
    code: 'conflict',
    message: /^somebody else wrote a record meanwhile; 128 of 130 records written/,
  });
});

test('records that are there as they shall be are left alone', () => {
  const entry = (key: string, value: string, flags: string) => ({
    ...{ key, value: Buffer.from(value), flags, createIndex: 1, modifyIndex: 7, lockIndex: 0 },
  });
  const wanted = [
    { key: 'same', value: Buffer.from('x'), flags: '1' },
    { key: 'value', value: Buffer.from('y'), flags: '1' },
    { key: 'flags', value: Buffer.from('x'), flags: '2' },
    { key: 'new', value: Buffer.from('x'), flags: '0' },
  ];
  const there = [entry('same', 'x', '1'), entry('value', 'x', '1'), entry('flags', 'x', '1')];
  const plan = planTransfer(wanted, there);
  assert.equal(plan.unchanged, 1);
  assert.deepEqual(
    plan.writes.map(({ key, cas }) => [key, cas]),
    [
      ['value', 7],
      ['flags', 7],
      ['new', 0],
    ],
  );
});
