// Texts of owners and back: what older snapshots and scripts say must mean the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRecordOwner, type Owner, ownerText, parseOwner } from '../model.ts';

const CASES: readonly (readonly [string, Owner])[] = [
  ['', { kind: 'nobody' }],
  ['user:alice', { kind: 'person', name: 'alice' }],
  ['user:', { kind: 'person', name: '' }],
  ['user:release:r1', { kind: 'person', name: 'release:r1' }],
  ['release:r42', { kind: 'release', id: 'r42' }],
  ['release:', { kind: 'release', id: '' }],
  ['kv', { kind: 'registry' }],
  ['config', { kind: 'config' }],
  ['kv:1', { kind: 'other', text: 'kv:1' }],
  ['config ', { kind: 'other', text: 'config ' }],
  ['KV', { kind: 'other', text: 'KV' }],
  ['alice', { kind: 'other', text: 'alice' }],
  ['releases:r1', { kind: 'other', text: 'releases:r1' }],
];

test('each text is one owner, and has its text back', () => {
  for (const [text, owner] of CASES) {
    assert.deepEqual(parseOwner(text), owner, text);
    assert.equal(ownerText(owner), text);
  }
});

test('a record is the registry or the file, and nobody who asked', () => {
  const records = CASES.map(([text]) => text).filter(isRecordOwner);
  assert.deepEqual(records, ['kv', 'config']);
});
