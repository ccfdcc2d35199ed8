// What a joining and leaving instance writes into its record, and what of others it leaves alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient, startEmbedded } from '../../test/support/registry/builders.ts';
import { type Registration, removeRegistration, writeRegistration } from './registration.ts';

const KEY = 'upstreams/app/127.0.0.1:9001';

/** The record before, what is registered, the record after. */
const CASES: readonly (readonly [string | undefined, Partial<Registration>, string])[] = [
  [undefined, { down: true }, '{"down":1}'],
  [undefined, { down: true, weight: 3 }, '{"weight":3,"down":1}'],
  ['{"down":1}', {}, '{}'],
  ['{"weight":2,"Down":1,"max_fails":3}', {}, '{"weight":2,"max_fails":3}'],
  ['{"weight":2,"x-note":"a"}', { down: true }, '{"weight":2,"x-note":"a","down":1}'],
  ['{"Weight":2}', { weight: 5 }, '{"weight":5}'],
  ['', { down: true }, '{"down":1}'],
  // What a person's drain wrote stays for as long as that holds.
  ['{"down":1,"x-sluice-down":1}', { isTakenOut: true }, '{"down":1,"x-sluice-down":1}'],
  ['{"down":1,"x-sluice-down":1}', {}, '{}'],
  ['{"down":1}', { isTakenOut: true }, '{}'],
];

test('down and weight are written, the rest stays, and so do the flags', async (t) => {
  const { address } = await startEmbedded(t);
  const store = openClient(t, [address]);
  const record = { store, prefix: 'upstreams/', upstream: 'app', server: '127.0.0.1:9001' };
  const plain = { ...record, down: false, configured: undefined, isTakenOut: false };
  for (const [before, registration, after] of CASES) {
    if (before !== undefined) await store.put(KEY, before, { flags: '7' });
    await writeRegistration({ ...plain, ...registration });
    const entry = await store.get(KEY);
    assert.equal(Buffer.from(entry?.value ?? '').toString(), after, before);
    assert.equal(entry?.flags, before === undefined ? '0' : '7');
    const index = entry?.modifyIndex;
    await writeRegistration({ ...plain, ...registration });
    assert.equal((await store.get(KEY))?.modifyIndex, index, 'what stands there is not written');
    await removeRegistration(record);
    assert.equal(await store.get(KEY), undefined);
  }
  await removeRegistration(record);
  await store.put(KEY, 'not JSON');
  await assert.rejects(writeRegistration(plain), { code: 'conflict', message: /cannot be read/ });
});
