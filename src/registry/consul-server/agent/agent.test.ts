// The agent with a clock that the test moves, and its checks against real servers.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ask,
  header,
  startEmbedded,
  temporaryFolder,
} from '../../../../test/support/registry/builders.ts';
import { HeldClock } from '../../../../test/support/registry/held-clock.ts';
import type { Address } from '../../../base/units.ts';

async function put(address: Address, path: string, body?: object): Promise<void> {
  const answer = await ask(
    address,
    `PUT /v1/agent/${path}`,
    body === undefined ? {} : { body: JSON.stringify(body) },
  );
  assert.equal(answer.status, 200, `${path}: ${answer.body}`);
}

type Check = { readonly CheckID: string; readonly Status: string; readonly Output: string };

async function checksOf(address: Address, service: string): Promise<readonly Check[]> {
  const answer = await ask(address, `GET /v1/health/checks/${service}`);
  return JSON.parse(answer.body);
}

async function statusOf(address: Address, service: string): Promise<string | undefined> {
  return (await checksOf(address, service))[0]?.Status;
}

/** Asks until it is so, a few seconds at most. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (!(await isSo())) {
    assert.ok(performance.now() < endMs, 'it did not become so');
    await sleep(5);
  }
}

test('a TTL check is critical when nobody reports in time, and keeps what was said last', async (t) => {
  const clock = new HeldClock();
  const { address } = await startEmbedded(t, { clock });
  await put(address, 'service/register', { Name: 'web', Check: { TTL: '10s' } });
  assert.equal(await statusOf(address, 'web'), 'critical');
  await put(address, 'check/pass/service:web?note=fine');
  assert.equal(await statusOf(address, 'web'), 'passing');
  clock.advance(9_000);
  await put(address, 'check/pass/service:web?note=fine');
  clock.advance(9_000);
  assert.equal(await statusOf(address, 'web'), 'passing');
  clock.advance(1_000);
  await until(async () => (await statusOf(address, 'web')) === 'critical');
  const [check] = await checksOf(address, 'web');
  assert.equal(check?.Output, 'TTL expired (last output before timeout follows): fine');
});

test('services, checks and what they found survive a restart', async (t) => {
  const dataDir = temporaryFolder(t);
  const first = await startEmbedded(t, { dataDir, nodeName: 'one' });
  await put(first.address, 'service/register', { Name: 'web', Port: 80, Check: { TTL: '1h' } });
  await put(first.address, 'check/pass/service:web?note=fine');
  const health = async ({ address }: { readonly address: Address }): Promise<string> =>
    (await ask(address, 'GET /v1/health/service/web')).body.replaceAll(/"Port":\d{4,5}/g, '');
  const before = await health(first);
  const { index } = first.store;
  await first.api.close();
  first.store.close();
  const again = await startEmbedded(t, { dataDir, nodeName: 'one' });
  assert.ok(again.store.index >= index);
  const last = JSON.parse(await health(again));
  assert.deepEqual(last[0].Checks, JSON.parse(before)[0].Checks);
  await put(again.address, 'check/fail/service:web');
  assert.equal(await statusOf(again.address, 'web'), 'critical');
});

test('under another node name the agent takes its services along', async (t) => {
  const dataDir = temporaryFolder(t);
  const first = await startEmbedded(t, { dataDir, nodeName: 'one' });
  await put(first.address, 'service/register', { Name: 'web' });
  await first.api.close();
  first.store.close();
  const again = await startEmbedded(t, { dataDir, nodeName: 'two' });
  const nodes = JSON.parse((await ask(again.address, 'GET /v1/catalog/nodes')).body);
  assert.deepEqual(
    nodes.map(({ Node }: { Node: string }) => Node),
    ['two'],
  );
  const found = JSON.parse((await ask(again.address, 'GET /v1/catalog/service/web')).body);
  assert.deepEqual([found.length, found[0].Node], [1, 'two']);
});

test('a service whose check is critical for too long is removed', async (t) => {
  const clock = new HeldClock();
  const { address } = await startEmbedded(t, { clock });
  const check = { TTL: '1h', DeregisterCriticalServiceAfter: '90s' };
  await put(address, 'service/register', { Name: 'web', Check: check });
  await put(address, 'service/register', { Name: 'well', Check: { ...check, Status: 'passing' } });
  const services = async (): Promise<string> =>
    (await ask(address, 'GET /v1/catalog/services')).body;
  clock.advance(89_000);
  await sleep(0);
  assert.match(await services(), /"web"/);
  clock.advance(2_000);
  await until(async () => {
    clock.advance(30_000);
    return !/"web"/.test(await services());
  });
  assert.match(await services(), /"well"/);
});

test('what is deregistered from the catalog alone comes back', async (t) => {
  const clock = new HeldClock();
  const { address } = await startEmbedded(t, { clock, nodeName: 'one' });
  await put(address, 'service/register', { Name: 'web' });
  const body = '{"Node":"one","ServiceID":"web"}';
  await ask(address, 'PUT /v1/catalog/deregister', { body });
  assert.equal((await ask(address, 'GET /v1/catalog/service/web')).body, '[]');
  clock.advance(60_000);
  await until(async () => (await ask(address, 'GET /v1/catalog/service/web')).body !== '[]');
});

test('a text beside an unchanged status shows at the agent at once, and wakes nobody', async (t) => {
  const { address, store } = await startEmbedded(t);
  await put(address, 'service/register', { Name: 'web', Check: { TTL: '1h' } });
  await put(address, 'check/pass/service:web?note=one');
  const { index } = store;
  await put(address, 'check/pass/service:web?note=two');
  assert.equal(store.index, index);
  const shown = JSON.parse((await ask(address, 'GET /v1/agent/checks')).body);
  assert.equal(shown['service:web'].Output, 'two');
  assert.equal((await checksOf(address, 'web'))[0]?.Output, 'one');
});

/** Answers with this status and text. */
async function answering(t: TestContext, status: () => number): Promise<number> {
  const server = createHttp((request, response) => {
    response.writeHead(status(), { 'X-Asked': request.method });
    response.end(`${request.method} ${request.headers['x-own'] ?? ''}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port; // It listens on TCP.
}

test('HTTP checks take 2xx as passing, 429 as warning, everything else as critical', async (t) => {
  let status = 204;
  const port = await answering(t, () => status);
  const { address } = await startEmbedded(t, { random: () => 0 });
  const check = {
    HTTP: `http://127.0.0.1:${port}/health`,
    Interval: '1s',
    Method: 'POST',
    Header: { 'X-Own': ['mine'] },
  };
  await put(address, 'service/register', { Name: 'web', Check: check });
  await until(async () => (await statusOf(address, 'web')) === 'passing');
  status = 429;
  await until(async () => (await statusOf(address, 'web')) === 'warning');
  status = 500;
  await until(async () => (await statusOf(address, 'web')) === 'critical');
  const [found] = await checksOf(address, 'web');
  assert.equal(
    found?.Output,
    `HTTP POST http://127.0.0.1:${port}/health: 500 Internal Server Error Output: POST mine`,
  );
});

test('TCP checks pass where somebody accepts, and alias checks are as the service is', async (t) => {
  const server = createTcp((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // It listens on TCP.
  const { address } = await startEmbedded(t, { random: () => 0 });
  const check = { TCP: `127.0.0.1:${port}`, Interval: '1s' };
  await put(address, 'service/register', { Name: 'db', Check: check });
  await put(address, 'service/register', { Name: 'proxy', Check: { AliasService: 'db' } });
  await until(async () => (await statusOf(address, 'db')) === 'passing');
  await until(async () => (await statusOf(address, 'proxy')) === 'passing');
  server.close();
  await until(async () => (await statusOf(address, 'db')) === 'critical');
  await until(async () => (await statusOf(address, 'proxy')) === 'critical');
});

test('a check that would run a program is refused', async (t) => {
  const { address } = await startEmbedded(t);
  const body = '{"Name":"x","Args":["true"],"Interval":"10s"}';
  const answer = await ask(address, 'PUT /v1/agent/check/register', { body });
  assert.equal(answer.status, 500);
  assert.match(answer.body, /^Scripts are disabled on this agent/);
  const docker = '{"Name":"x","DockerContainerID":"a","Args":["true"],"Interval":"10s"}';
  assert.equal((await ask(address, 'PUT /v1/agent/check/register', { body: docker })).status, 501);
});

test('a sidecar comes and goes with its service', async (t) => {
  const { address } = await startEmbedded(t);
  const Connect = { SidecarService: {} };
  await put(address, 'service/register', { Name: 'web', Port: 80, Connect });
  const services = async () => JSON.parse((await ask(address, 'GET /v1/agent/services')).body);
  const sidecar = (await services())['web-sidecar-proxy'];
  assert.equal(sidecar.Kind, 'connect-proxy');
  assert.equal(sidecar.Port, 21_000);
  assert.equal(sidecar.Proxy.DestinationServiceID, 'web');
  await put(address, 'service/deregister/web');
  assert.deepEqual(await services(), {});
});

test('services of a configuration are there from the start, and follow it at a reload', async (t) => {
  let services: readonly object[] = [{ name: 'redis', port: 1 }, { name: 'old' }, { nope: 1 }];
  const definitions = () => ({ services, checks: [{ name: 'node', ttl: '1h' }] });
  const { address } = await startEmbedded(t, { definitions });
  const names = async () =>
    Object.keys(JSON.parse((await ask(address, 'GET /v1/agent/services')).body));
  assert.deepEqual(await names(), ['old', 'redis']);
  assert.match((await ask(address, 'GET /v1/agent/checks')).body, /"node"/);
  await put(address, 'service/register', { Name: 'own' });
  services = [{ name: 'redis', port: 2 }];
  await put(address, 'reload');
  assert.deepEqual(await names(), ['own', 'redis']);
  assert.match((await ask(address, 'GET /v1/agent/service/redis')).body, /"Port":2/);
});

test('scripts run where they are allowed: 0 passes, 1 warns, all else is critical', async (t) => {
  const { address } = await startEmbedded(t, { scripts: true, random: () => 0 });
  for (const [code, status] of [
    [0, 'passing'],
    [1, 'warning'],
    [2, 'critical'],
  ] as const) {
    const Args = ['sh', '-c', `echo said; exit ${code}`];
    const Check = { Args, Interval: '1s', Status: code === 2 ? 'passing' : 'critical' };
    await put(address, 'service/register', { Name: `s${code}`, Check });
    await until(async () => (await statusOf(address, `s${code}`)) === status);
    assert.equal((await checksOf(address, `s${code}`))[0]?.Output, 'said\n');
  }
});

test('it has joined itself, and joins no other', async (t) => {
  const { address } = await startEmbedded(t, { nodeName: 'one' });
  await put(address, `join/127.0.0.1:${address.port}`);
  await put(address, 'force-leave/one');
  assert.equal((await ask(address, 'PUT /v1/agent/join/10.0.0.1')).status, 501);
  assert.equal((await ask(address, 'PUT /v1/agent/force-leave/two')).status, 500);
});

test('what ?cached asks for says whether it was there already', async (t) => {
  const { address } = await startEmbedded(t);
  const cache = async () =>
    header(await ask(address, 'GET /v1/catalog/services?cached'), 'X-Cache');
  assert.deepEqual([await cache(), await cache()], ['MISS', 'HIT']);
  await put(address, 'service/register', { Name: 'web' });
  assert.equal(await cache(), 'MISS');
});

test('an empty registry is at index 1, and beyond it in place of Consul', async (t) => {
  const plain = await startEmbedded(t);
  assert.equal(plain.store.index, 1);
  const standing = await startEmbedded(t, { standsIn: true });
  assert.equal(standing.store.index, 2);
});
