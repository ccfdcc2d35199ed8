// Where the servers come from, for a running gateway and everything around it: a file that is only read,
// and records under another prefix than the usual one.

import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../src/base/log.ts';
import { startDaemon } from '../src/daemon.ts';
import { serve, sluice, temporaryFolder } from './support/cli/process.ts';
import { daemonConfig, get, runDaemon, startServer, until } from './support/daemon/builders.ts';

test('a file of servers is followed; what would write it says where to', async (t) => {
  const [one, two] = [await startServer(t), await startServer(t)];
  const file = join(temporaryFolder(t), 'servers.yaml');
  const write = (text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  write(`app: ["${one.id}"]`);
  const service = `services: { app: { instances: ["127.0.0.1:1"], start: [node, app.js] } }`;
  const yaml = `registry: { file: { path: ${file} } }\n${service}\n`;
  const daemon = await serve(t, yaml);
  assert.deepEqual(await get(daemon.gateway), { status: 200, body: one.id });

  write(`app: ["${two.id}", { address: "${one.id}", down: 1 }]`);
  await until('the other takes over', async () => (await get(daemon.gateway)).body === two.id);
  const status = async (): Promise<string> => (await sluice(['status', ...daemon.here])).stdout;
  assert.match(
    await status(),
    new RegExp(`registry +file at ${file}, reachable, index 2, only read`),
  );

  const weight = await sluice(['weight', 'app', two.id, '3', ...daemon.here]);
  assert.equal(weight.code, 1);
  assert.match(
    weight.stderr,
    new RegExp(
      `upstream "app": its servers come from the file ${file}, which is only read; change the weight there`,
    ),
  );
  const put = [
    'kv',
    'put',
    `upstreams/app/${one.id}`,
    '{}',
    '-c',
    join(daemon.folder, 'sluice.yaml'),
  ];
  const kv = await sluice(put);
  assert.equal(kv.code, 2);
  assert.match(
    kv.stderr,
    new RegExp(`the servers come from the file ${file}, so there are no records`),
  );
  const undrain = await sluice(['undrain', 'app', one.id, ...daemon.here]);
  assert.match(
    undrain.stderr,
    new RegExp(`still maint; ${file} says that it is down; change it there`),
  );
  const plan = await sluice([
    'plan',
    'app',
    '--version',
    'v1',
    '-c',
    join(daemon.folder, 'sluice.yaml'),
    ...daemon.here,
  ]);
  assert.match(
    plan.stdout + plan.stderr,
    new RegExp(`has no such server; add it to the file ${file}`),
  );

  write('app: [127.0.0.1]');
  await until('the broken file is seen', async () =>
    /cannot be read \(last read .*\): line 1: app\[0\] is no server; .*last known servers stay in use/.test(
      await status(),
    ),
  );
  assert.deepEqual(await get(daemon.gateway), { status: 200, body: two.id });
  write(`app: ["${two.id}", { address: "${one.id}", weight: heavy }]`);
  await until('the record is named', async () =>
    (await status()).includes(`app/${one.id}: weight "heavy" is not 1 to 65535`),
  );
});

test('a start without the file: at once with what the config has, or refused', async (t) => {
  const folder = temporaryFolder(t);
  const server = await startServer(t);
  const upstreams = `upstreams: { app: { servers: ["${server.id}"] }, web: {} }`;
  const yaml = (more: string): string =>
    `registry: { file: { path: servers.yaml }${more} }\n${upstreams}\nroutes: [{ path: /, upstream: app }]`;
  const daemon = await runDaemon(t, daemonConfig(yaml(''), folder));
  assert.deepEqual(await get(daemon.gateway), { status: 200, body: server.id });
  const ready = await fetch(`${daemon.control}/readyz`);
  assert.equal(ready.status, 503);
  assert.match(
    await ready.text(),
    /nothing is known of upstream .*web.* \(does not exist; write it, or correct registry\.file\.path\)/,
  );
  const strong = daemonConfig(yaml(', strong_dependency: on'), temporaryFolder(t));
  await assert.rejects(startDaemon(strong, { log: silentLog, registryDeadlineMs: 300 }), {
    code: 'registry_unreachable',
    message:
      /servers\.yaml: no answer within 300ms \(does not exist; write it, .*\); start it or mend it/,
  });
  writeFileSync(join(folder, 'servers.yaml'), `web: ["${server.id}"]`);
  await until('it is ready', async () => (await fetch(`${daemon.control}/readyz`)).status === 200);
});

test('another prefix of the records holds everywhere', async (t) => {
  const server = await startServer(t);
  const service = `services: { app: { instances: ["127.0.0.1:1"], start: [node, app.js] } }`;
  const registry = 'registry: { prefix: prod/eu/, embedded: { listen: "127.0.0.1:0" } }';
  const daemon = await serve(t, `${registry}\n${service}\n`);
  assert.match(daemon.stderr(), /try .*\n.*\/v1\/kv\/prod\/eu\/app\/127\.0\.0\.1:9001/);
  const here = [...daemon.here, '-c', join(daemon.folder, 'sluice.yaml')];
  const kv = (...words: readonly string[]) => sluice(['kv', ...words, ...here]);

  const key = `prod/eu/app/${server.id}`;
  const refused = await kv('put', key, '{"weight":');
  assert.match(refused.stderr, new RegExp(`^sluice: ${key}: nothing was written; .*not JSON`));
  assert.equal((await kv('put', `upstreams/app/${server.id}`, 'no server, a note')).code, 0);
  assert.equal((await kv('put', key, '{"weight":2}')).code, 0);
  await until('it takes requests', async () => (await get(daemon.gateway)).body === server.id);

  assert.equal((await sluice(['weight', 'app', server.id, '5', ...here])).code, 0);
  assert.equal((await kv('get', key)).stdout, '{"weight":5}\n');
  assert.equal((await kv('put', key, '{"weight":5,"wait":1}')).code, 0);
  await until('the record is named', async () =>
    (await sluice(['status', ...here])).stdout.includes(`${key}: attribute "wait" is not read`),
  );
  assert.equal((await kv('put', key, '{"down":1}')).code, 0);
  await until('it is down', async () => (await get(daemon.gateway)).status === 503);
  const undrain = await sluice(['undrain', 'app', server.id, ...here]);
  assert.match(undrain.stderr, new RegExp(`says down; sluice kv put ${key} with "down":0`));
  const plan = await sluice(['plan', 'app', '--version', 'v1', ...here]);
  assert.match(plan.stdout, /127\.0\.0\.1:1 .*new in the upstream/);
});
