// A server of the primary with as many connections as it may have.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { boundConnections, descriptorPart } from './bounded-server.ts';
import { silentLog } from './log.ts';

test('a quarter of the descriptors, at most what is wanted, at least a few', () => {
  assert.equal(descriptorPart(25_000, 1024), 256);
  assert.equal(descriptorPart(256, 256), 64);
  assert.equal(descriptorPart(256, 20_000), 256);
  assert.equal(descriptorPart(256, 16), 8);
});

test('connections too many are dropped, and each burst is one line with its number', async (t) => {
  const said = Promise.withResolvers<Record<string, unknown>>();
  const server = createServer();
  const warn = (fields: Record<string, unknown>): void => said.resolve(fields);
  boundConnections(server, { most: 8, log: { ...silentLog, warn }, text: 'dropped' });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const sockets = Array.from({ length: 12 }, () => connect(port, '127.0.0.1').resume());
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  assert.deepEqual(await said.promise, { dropped: 4, connectionsMax: 8 });
});
