// What is written on the connection, byte for byte, below and above the size that is sent as one text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, header, startEmbedded } from '../../../../test/support/registry/builders.ts';

test('a body of any bytes and any size arrives as it is stored', async (t) => {
  const { store, address } = await startEmbedded(t);
  for (const bytes of [0, 1, 255, 8_191, 8_192, 8_193, 70_000]) {
    const value = Buffer.from(Array.from({ length: bytes }, (_, at) => (at * 7) % 256));
    await store.put('some', value);
    const answer = await ask(address, 'GET /v1/kv/some?raw');
    assert.equal(Buffer.compare(Buffer.from(answer.body, 'latin1'), value), 0, `${bytes} bytes`);
    assert.equal(header(answer, 'Content-Length'), String(bytes));
    const head = await ask(address, 'HEAD /v1/kv/some?raw');
    assert.equal(head.body, '');
  }
});
