// A server given by name, in the whole daemon: checks and workers go where the name leads, together.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  daemonConfig,
  get,
  runDaemon,
  setAdmin,
  status,
  temporaryDir,
  until,
} from '../../test/support/daemon/builders.ts';

async function serve(t: TestContext, address: string, port: number): Promise<Server> {
  const server = createServer((_, response) => response.end(address));
  await once(server.listen(port, address), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server;
}

test('a server given by name moves without losing a request; one that does not resolve waits', async (t) => {
  const old = await serve(t, '127.0.0.1', 0);
  const { port } = old.address() as AddressInfo;
  await serve(t, '127.0.0.2', port);
  let answer: string[] = [];
  const config = daemonConfig(
    `upstreams: { app: { servers: ["app.internal:${port}"], check: { path: /, interval: 50ms, rise: 1, fall: 1 } } }`,
    temporaryDir(t),
  );
  const daemon = await runDaemon(t, config, { lookup: async () => answer });
  const server = async () => (await status(daemon.control)).upstreams[0]?.servers[0];
  assert.equal((await server())?.eligibility, 'unresolved');
  assert.equal((await get(daemon.gateway)).status, 503);

  answer = ['127.0.0.1'];
  await until('it is up', async () => (await server())?.eligibility === 'ok');
  assert.deepEqual((await server())?.addresses, ['127.0.0.1']);
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  assert.equal((await get(daemon.gateway, agent)).body, '127.0.0.1');

  answer = ['127.0.0.2'];
  await until('it has moved', async () => {
    const { status: code, body } = await get(daemon.gateway, agent);
    assert.equal(code, 200);
    return body === '127.0.0.2';
  });
  // Nothing is left there that still needs it: neither kept connections nor checks.
  old.closeAllConnections();
  old.close();
  for (let count = 0; count < 20; count += 1) {
    assert.deepEqual(await get(daemon.gateway, agent), { status: 200, body: '127.0.0.2' });
  }
  const moved = await server();
  assert.deepEqual(moved?.addresses, ['127.0.0.2']);
  assert.equal(moved?.checks, 'up');
  assert.equal(moved?.id, `app.internal:${port}`);

  // Started again while nothing resolves: what was known is enough.
  await daemon.close();
  const again = await runDaemon(t, config, { lookup: () => Promise.reject(new Error('no DNS')) });
  assert.deepEqual(await get(again.gateway), { status: 200, body: '127.0.0.2' });
});

test('a name with several addresses is a server for each; what changes loses no request', async (t) => {
  const one = await serve(t, '127.0.0.1', 0);
  const { port } = one.address() as AddressInfo;
  await serve(t, '127.0.0.2', port);
  let answer = ['127.0.0.1'];
  const config = daemonConfig(
    `upstreams: { app: { servers: ["app.internal:${port}"], check: { path: /, interval: 50ms, rise: 1, fall: 1 } } }`,
    temporaryDir(t),
  );
  const daemon = await runDaemon(t, config, { lookup: async () => answer });
  const servers = async () => (await status(daemon.control)).upstreams[0]?.servers ?? [];
  const ids = async () => (await servers()).map(({ id }) => id).join(' ');
  await until('it is up', async () => (await servers())[0]?.eligibility === 'ok');
  const failed: number[] = [];
  const seen = new Set<string>();
  let isOver = false;
  const load = (async () => {
    while (!isOver) {
      const { status: code, body } = await get(daemon.gateway);
      if (code !== 200) failed.push(code);
      seen.add(body);
    }
  })();

  answer = ['127.0.0.1', '127.0.0.2'];
  const [first, second] = [`127.0.0.1:${port}`, `127.0.0.2:${port}`];
  await until('both are there', async () => (await ids()) === `${first} ${second}`);
  await until('both serve', async () => seen.has('127.0.0.2') && seen.has('127.0.0.1'));
  const drain = (server: string) => setAdmin(daemon.control, server, { state: 'drain' });
  const refused = await drain(`app.internal:${port}`);
  assert.equal(refused.status, 404);
  assert.match(
    await refused.text(),
    new RegExp(`is a name with several addresses, each a server: ${first}, ${second}; name that`),
  );
  assert.equal((await drain(second)).status, 200);
  await until('it is out', async () => (await servers())[1]?.eligibility === 'drain');
  seen.clear();
  await until('the other serves', async () => seen.size > 0);
  assert.deepEqual([...seen], ['127.0.0.1']);

  answer = ['127.0.0.1'];
  await until('one is left', async () => (await ids()) === `app.internal:${port}`);
  assert.equal((await servers())[0]?.checks, 'up');
  answer = ['127.0.0.1', '127.0.0.2'];
  await until('both are there again', async () => (await ids()) === `${first} ${second}`);
  assert.equal((await servers())[1]?.admin.state, 'drain', 'it is remembered');
  isOver = true;
  await load;
  assert.deepEqual(failed, []);
});
