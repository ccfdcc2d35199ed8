// An instance that joins and leaves, as a unit file or its own program does it: under load on two gateways
// that share a registry, and no request is lost.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from './support/base/ports.ts';
import { serve, sluice, start } from './support/cli/process.ts';
import { get, startServer, status, until } from './support/daemon/builders.ts';

const UPSTREAM = `upstreams:
  app:
    slow_start: 200ms
    check: { type: http, path: /ping, interval: 100ms, rise: 1, fall: 2 }
`;

async function twoGateways(t: TestContext) {
  const one = await serve(t, UPSTREAM);
  const two = await serve(
    t,
    `registry: { consul: { addresses: ["${one.registry}"] } }\n${UPSTREAM}`,
  );
  await until(
    'they know each other',
    async () =>
      (await status(one.control)).gateways.length === 2 &&
      (await status(two.control)).gateways.length === 2,
  );
  return { one, two };
}

/** Requests on both until `stop`, which says who answered and what failed. */
function load(t: TestContext, gateways: readonly string[]) {
  let isOver = false;
  t.after(() => {
    isOver = true;
  });
  const answers = new Map<string, number>();
  const failures: string[] = [];
  const loops = [...gateways, ...gateways].map(async (gateway) => {
    while (!isOver) {
      const { status: code, body } = await get(`${gateway}/`).catch((error: unknown) => ({
        ...{ status: 0, body: String(error) },
      }));
      if (code === 200) answers.set(body, (answers.get(body) ?? 0) + 1);
      else failures.push(`${code} ${body}`);
      // Requests are to be under way all the time, not as many as the machine can take.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
  return {
    answers,
    stop: async () => {
      isOver = true;
      await Promise.all(loops);
      return failures;
    },
  };
}

test('join waits until it is healthy, leave until it is idle, and both may be said again', async (t) => {
  const { one, two } = await twoGateways(t);
  const [base, app] = [await startServer(t), await startServer(t)];
  const instance = (verb: string, id: string, ...more: readonly string[]) =>
    // By the gateway that does not have the registry; the first address is away.
    sluice(['instance', verb, 'app', id, '--control', `127.0.0.1:9,${two.control}`, ...more]);
  const first = await instance('join', base.id, '--check', '/ping');
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /takes traffic on all gateways/);
  const requests = load(t, [one.gateway, two.gateway]);
  await until('there is traffic', () => (requests.answers.get(base.id) ?? 0) > 10);

  app.health = 503;
  const late = await instance('join', app.id, '--check', '/ping', '--timeout', '300ms');
  assert.equal(late.code, 1);
  assert.match(late.stderr, /it does not answer after 300ms/);
  const byPort = await instance('join', app.id, '--timeout', '3s');
  assert.equal(byPort.code, 1);
  assert.match(byPort.stderr, /the checks of the gateway say down \(.*503.*\) after 3s/);
  assert.equal(app.requests(), 0);

  const joining = start(['instance', 'join', 'app', app.id, '--control', two.control]);
  joining.stdout?.resume();
  await until('it is registered', async () => {
    const [upstream] = (await status(one.control)).upstreams;
    return (
      upstream?.servers.some(({ id, admin }) => id === app.id && admin.owner === 'kv') === true
    );
  });
  assert.equal(app.requests(), 0);
  app.health = 200;
  const [code] = await once(joining, 'exit');
  assert.equal(code, 0);
  await until('it gets requests', () => (requests.answers.get(app.id) ?? 0) > 10);
  const again = await instance('join', app.id);
  assert.match(again.stdout, /takes traffic already/);

  // What is in flight is waited for, on both gateways.
  const held = get(`${one.gateway}/hold`);
  const other = get(`${two.gateway}/hold`);
  await until('both are held', () => base.held.length + app.held.length === 2);
  const from = [base, app].filter((server) => server.held.length > 0);
  for (const server of from) {
    // Long enough that both gateways confirm first, also where the machine is slow.
    const stuck = await instance('leave', server.id, '--timeout', '5s');
    assert.equal(stuck.code, 1);
    // The load may have one there, too.
    assert.match(stuck.stderr, /[1-9] still in flight; it stays drained and registered after 5s/);
    for (const response of server.held) response.end('held');
    // Both would be out: the other one takes over, and joins anew by its own word alone.
    const back = await instance('join', server.id);
    assert.equal(back.code, 0, back.stderr);
  }
  assert.deepEqual([(await held).status, (await other).status], [200, 200]);

  const left = await instance('leave', app.id);
  assert.equal(left.code, 0, left.stderr);
  assert.match(left.stdout, /left after .*, nothing in flight/);
  const count = app.requests();
  await until('others go on', () => (requests.answers.get(base.id) ?? 0) > 100);
  assert.equal(app.requests(), count);
  assert.match((await instance('leave', app.id)).stdout, /is not there/);
  const kv = await sluice(['kv', 'ls', 'upstreams/', '--keys', '--registry', one.registry]);
  assert.equal(kv.stdout, `upstreams/app/${base.id}\n`);

  // A person's word is not overruled.
  assert.equal((await sluice(['drain', 'app', app.id, '--control', one.control])).code, 2);
  assert.equal((await instance('join', app.id)).code, 0);
  const drain = await sluice(['maint', 'app', app.id, '-m', 'disk', '--control', one.control]);
  assert.equal(drain.code, 0, drain.stderr);
  const taken = await instance('join', app.id, '--timeout', '30s');
  assert.equal(taken.code, 0, taken.stderr);
  assert.match(taken.stderr, /healthy, but taken out by user:\S+ \(disk\)/);
  assert.equal((await instance('leave', app.id)).code, 0);
  assert.deepEqual(await requests.stop(), []);
});

test('a Node program joins, and leaves on SIGTERM before it ends: no request is lost', async (t) => {
  const { one, two } = await twoGateways(t);
  const base = await startServer(t);
  const added = await sluice(['instance', 'join', 'app', base.id, '--control', one.control]);
  assert.equal(added.code, 0, added.stderr);
  const requests = load(t, [one.gateway, two.gateway]);
  for (let round = 0; round < 2; round += 1) {
    const script = join(import.meta.dirname, 'support/daemon/joining-app.ts');
    const child = spawn(process.execPath, [script, 'app', two.control, `${await freePort()}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await until('it has joined', () => said === 'joined\n');
    const name = `joined ${child.pid}`;
    await until('it answers', () => (requests.answers.get(name) ?? 0) > 5);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.equal(said, 'joined\nleft\n');
  }
  assert.deepEqual(await requests.stop(), []);
});
