// Another configuration under a running daemon: real workers, real servers, requests in flight.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { ReceiptDocument } from '../src/admin.ts';
import type { Config } from '../src/config.ts';
import {
  daemonConfig,
  get,
  type RunningDaemon,
  runDaemon,
  setAdmin,
  startServer,
  status,
  type TestServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';

type Scene = {
  readonly daemon: RunningDaemon;
  readonly app: TestServer;
  readonly web: TestServer;
  /** The same program with another file. */
  readonly parse: (yaml: string) => Config;
};

async function scene(t: TestContext, yaml: (app: string, web: string) => string): Promise<Scene> {
  const [app, web] = [await startServer(t), await startServer(t)];
  const dir = temporaryDir(t);
  const parse = (text: string): Config => daemonConfig(`workers: 2\n${text}`, dir);
  return { daemon: await runDaemon(t, parse(yaml(app.id, web.id))), app, web, parse };
}

const route = (...names: readonly string[]): string =>
  `routes: [${names.map((name) => `{ path: /${name === 'app' ? '' : name}, upstream: ${name} }`)}]`;
const appOf = (id: string, more = ''): string =>
  `app: { servers: ["${id}"], registry: off${more} }`;

/** A request that the server has and does not answer yet. */
async function hold({ daemon, app }: Scene) {
  const answer = get(`${daemon.gateway}/hold`);
  await until('the server has the request', () => app.held.length === 1);
  return { answer };
}

test('an upstream and a route come and go while a request is in flight', async (t) => {
  const it = await scene(t, (app) => `upstreams: { ${appOf(app)} }`);
  const { daemon, app, web, parse } = it;
  const { answer: held } = await hold(it);
  assert.equal((await get(`${daemon.gateway}/web`)).body, app.id);

  const both = `upstreams: { ${appOf(app.id)}, web: { servers: ["${web.id}"] } }`;
  const added = await daemon.applyConfig(parse(`${both}\n${route('app', 'web')}`));
  assert.equal(added.isInForce, true);
  assert.deepEqual(added.upstreams, { added: ['web'], removed: [], changed: [] });
  assert.deepEqual(added.kept, []);
  assert.equal((await get(`${daemon.gateway}/web`)).body, web.id);
  assert.equal((await get(`${daemon.gateway}/`)).body, app.id);

  // Whoever has the old upstream's request finishes it; nobody new gets there.
  const only = `upstreams: { web: { servers: ["${web.id}"] } }\n${route('web')}`;
  const removed = await daemon.applyConfig(parse(only));
  assert.deepEqual(removed.upstreams, { added: [], removed: ['app'], changed: [] });
  assert.equal((await get(`${daemon.gateway}/`)).status, 404);
  assert.equal((await get(`${daemon.gateway}/web`)).body, web.id);
  app.held[0]?.end('late');
  assert.deepEqual(await held, { status: 200, body: 'late' });
  const names = (await status(daemon.control)).upstreams.map(({ name }) => name);
  assert.deepEqual(names, ['web']);
});

test('settings of the gateway apply to the next request, not to the one in flight', async (t) => {
  const it = await scene(t, (app) => `upstreams: { ${appOf(app)} }`);
  const { daemon, app, parse } = it;
  const { answer: held } = await hold(it);
  const config = parse(`upstreams: { ${appOf(app.id)} }
timeouts: { response_timeout: 50ms }
limits: { max_uri_size: 1k }
proxy: { show_reason: on, tries: 1, access_log: other.log }`);
  const log = config.gateway.accessLog;
  const applied = await daemon.applyConfig(config);
  assert.deepEqual(applied.keys.toSorted(), [
    'limits.max_uri_size',
    'proxy.access_log',
    'proxy.show_reason',
    'proxy.tries',
    'timeouts.response_timeout',
  ]);
  assert.equal((await get(`${daemon.gateway}/hold`)).status, 504);
  assert.equal((await get(`${daemon.gateway}/${'x'.repeat(2000)}`)).status, 414);
  app.held[0]?.end('late');
  assert.deepEqual(await held, { status: 200, body: 'late' });
  // Two workers write it, in any order.
  await until('both are in the new access log', () => {
    const lines = existsSync(log) ? readFileSync(log, 'utf8') : '';
    return lines.includes('"status":504') && lines.includes('"status":200');
  });
});

test('a method, checks and a slow start change, and what is known of a server stays', async (t) => {
  const check = ', check: { type: http, path: /ping, interval: 20ms, rise: 1, fall: 1 }';
  const it = await scene(t, (app) => `upstreams: { ${appOf(app)} }`);
  const { daemon, app, web, parse } = it;
  for (let request = 0; request < 5; request += 1) await get(`${daemon.gateway}/`);
  const server = async (id: string) =>
    (await status(daemon.control)).upstreams[0]?.servers.find((one) => one.id === id);
  await setAdmin(daemon.control, app.id, { state: 'ready', reason: '' });

  // Checks begin under traffic: no request is refused for want of a verdict.
  const answers: Promise<number>[] = [];
  const two = `upstreams: { app: { balance: least_conn, servers: ["${app.id}", "${web.id}"]${check} } }`;
  const applying = daemon.applyConfig(parse(two));
  for (let request = 0; request < 20; request += 1) {
    answers.push(get(`${daemon.gateway}/`).then((answer) => answer.status));
  }
  const applied = await applying;
  assert.deepEqual(applied.upstreams, { added: [], removed: [], changed: ['app'] });
  for (const answer of answers) assert.equal(await answer, 200);
  await until(
    'both passed',
    async () =>
      (await status(daemon.control)).upstreams[0]?.servers.every(
        ({ checks }) => checks === 'up',
      ) === true,
  );
  const known = await server(app.id);
  assert.ok((known?.requests ?? 0) >= 5, 'counters go on');
  assert.equal((await status(daemon.control)).upstreams[0]?.balance, 'least_conn');

  await setAdmin(daemon.control, web.id, { state: 'drain', reason: 'look' });
  const again = await daemon.applyConfig(
    parse(two.replace('least_conn', 'random_two').replace('path: /ping', 'path: /ping?2')),
  );
  assert.equal(again.isInForce, true);
  const [first, second] = (await status(daemon.control)).upstreams[0]?.servers ?? [];
  assert.equal(first?.checks, 'up');
  assert.deepEqual(
    [second?.checks, second?.admin.state, second?.admin.owner],
    [...['up', 'drain', 'user:test']],
  );
  assert.ok((first?.requests ?? 0) >= (known?.requests ?? 0));
});

test('an upstream that comes back counts on where it was, and is drained as it was', async (t) => {
  const it = await scene(t, (app) => `upstreams: { ${appOf(app)} }`);
  const { daemon, app, web, parse } = it;
  await get(`${daemon.gateway}/`);
  const receipts = `${daemon.control}/api/upstreams/app/receipts`;
  const opened = (await (await fetch(receipts, { method: 'POST' })).json()) as ReceiptDocument;
  const { answer: held } = await hold(it);
  for (let request = 0; request < 3; request += 1) await get(`${daemon.gateway}/`);
  await setAdmin(daemon.control, app.id, { state: 'drain', reason: 'look' });

  await daemon.applyConfig(parse(`upstreams: { web: { servers: ["${web.id}"] } }`));
  app.held[0]?.end('late');
  await held;
  assert.equal((await fetch(`${daemon.control}/api/receipts/${opened.id}`)).status, 404);
  await daemon.applyConfig(parse(`upstreams: { ${appOf(app.id)} }`));
  assert.equal((await get(`${daemon.gateway}/`)).status, 503, 'still drained');
  await setAdmin(daemon.control, app.id, { state: 'ready', reason: '' });
  assert.equal((await get(`${daemon.gateway}/`)).body, app.id);
  const read = await fetch(`${daemon.control}/api/receipts/${opened.id}`);
  const { requests, answered, lost, stillInFlight } = (await read.json()) as ReceiptDocument;
  assert.deepEqual(
    { requests, answered, lost, stillInFlight },
    {
      ...{ requests: 6, answered: 5, lost: 1, stillInFlight: 0 },
    },
  );
});

test('what cannot change keeps its value and is named; the rest is in force', async (t) => {
  const it = await scene(t, (app) => `upstreams: { ${appOf(app)} }`);
  const { daemon, app, parse } = it;
  const next = parse(`upstreams: { ${appOf(app.id)} }\nproxy: { via: on }`);
  const admin = { ...next.admin, auditLog: '/nowhere/audit.log' };
  const other: Config = { ...next, admin, stateDir: '/nowhere' };
  const applied = await daemon.applyConfig(other);
  assert.deepEqual(
    applied.kept.map(({ key }) => key),
    ['state_dir', 'admin.audit_log'],
  );
  assert.deepEqual(applied.keys, ['proxy.via']);
  assert.equal((await get(`${daemon.gateway}/`)).status, 200);
  // Kept values are those in force, so that they are named again as long as they differ.
  const again = await daemon.applyConfig(other);
  assert.deepEqual(
    again.kept.map(({ key }) => key),
    ['state_dir', 'admin.audit_log'],
  );
  assert.deepEqual(again.keys, []);
});

test('configurations that come at once are applied in their order', async (t) => {
  const it = await scene(t, (app) => `upstreams: { ${appOf(app)} }`);
  const { daemon, app, web, parse } = it;
  const web_ = parse(`upstreams: { app: { servers: ["${web.id}"], registry: off } }`);
  const back = parse(`upstreams: { ${appOf(app.id)} }`);
  const applied = await Promise.all([daemon.applyConfig(web_), daemon.applyConfig(back)]);
  assert.ok((applied[0]?.generation ?? 0) < (applied[1]?.generation ?? 0));
  assert.equal((await get(`${daemon.gateway}/`)).body, app.id);
});

test('a worker that is replaced has the latest configuration', async (t) => {
  const it = await scene(t, (app) => `upstreams: { ${appOf(app)} }`);
  const { daemon, app, web, parse } = it;
  const both = `upstreams: { ${appOf(app.id)}, web: { servers: ["${web.id}"] } }`;
  await daemon.applyConfig(parse(`${both}\n${route('app', 'web')}`));
  const before = (await status(daemon.control)).workers;
  for (const { pid } of before) process.kill(pid, 'SIGKILL');
  await until('others are in their place', async () => {
    const { workers, generation } = await status(daemon.control);
    const isNew = workers.every(({ pid }) => !before.some((old) => old.pid === pid));
    return (
      isNew && workers.length === 2 && workers.every((worker) => worker.generation === generation)
    );
  });
  assert.equal((await get(`${daemon.gateway}/web`)).body, web.id);
});

test('a server given by name has its address when its upstream comes', async (t) => {
  const [app, web] = [await startServer(t), await startServer(t)];
  const dir = temporaryDir(t);
  const asked: string[] = [];
  const first = daemonConfig(`workers: 1\nupstreams: { ${appOf(app.id)} }`, dir);
  const daemon = await runDaemon(t, first, {
    lookup: async (name) => {
      asked.push(name);
      return ['127.0.0.1'];
    },
  });
  const named = `upstreams: { app: { servers: ["web.test:${web.port}"], registry: off } }`;
  await daemon.applyConfig(daemonConfig(`workers: 1\n${named}`, dir));
  assert.deepEqual(asked, ['web.test']);
  assert.equal((await get(`${daemon.gateway}/`)).body, web.id);
});

test('after the end has begun a configuration is refused', async (t) => {
  const it = await scene(t, (app) => `upstreams: { ${appOf(app)} }`);
  const { daemon, app, parse } = it;
  const closing = daemon.close();
  await assert.rejects(daemon.applyConfig(parse(`upstreams: { ${appOf(app.id)} }`)), {
    code: 'conflict',
  });
  await closing;
});
