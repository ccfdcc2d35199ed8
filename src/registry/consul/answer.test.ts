// Answers read one after the other: what did not change is the same object, and nothing else is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KnownEntries, parseEntries, parseState } from './answer.ts';

const record = (key: string, value: string | null, index: number, part: object = {}): object => ({
  ...{ Key: key, Value: value === null ? null : Buffer.from(value).toString('base64') },
  ...{ Flags: 0, CreateIndex: 1, ModifyIndex: index, LockIndex: 0, ...part },
});

test('a record that comes again is the same object, one that differs in anything is not', () => {
  const known: KnownEntries = new Map();
  const read = (...records: readonly object[]) => parseEntries(JSON.stringify(records), known);
  const [a, b] = read(record('a', '1', 1), record('b', null, 1));
  const again = read(record('a', '1', 1), record('b', null, 1));
  assert.equal(again[0], a);
  assert.equal(again[1], b);
  const changes = [
    // A registry that was restored may say other things under the same index.
    record('a', '2', 1),
    record('a', '1', 2),
    record('a', '1', 1, { CreateIndex: 2 }),
    record('a', '1', 1, { Flags: 3 }),
    record('a', '1', 1, { LockIndex: 4 }),
    record('a', null, 1),
  ];
  for (const changed of changes) {
    const [next, same] = read(changed, record('b', null, 1));
    assert.deepEqual(next, parseEntries(JSON.stringify([changed]))[0]);
    assert.equal(same, b);
  }
});

test('what is gone is forgotten, and is a new object when it comes back', () => {
  const known: KnownEntries = new Map();
  const reply = (status: number, body: string) => ({
    ...{ status, index: 2, knownLeader: true, lastContactMs: 0, body: Buffer.from(body) },
  });
  const list = JSON.stringify([record('a', '1', 1), record('b', '1', 1)]);
  const [a] = parseState(reply(200, list), known).entries;
  parseState(reply(200, JSON.stringify([record('b', '1', 1)])), known);
  assert.deepEqual([...known.keys()], ['b']);
  const [back] = parseState(reply(200, list), known).entries;
  assert.notEqual(back, a);
  assert.deepEqual(back, a);
  parseState(reply(404, ''), known);
  assert.equal(known.size, 0);
});
