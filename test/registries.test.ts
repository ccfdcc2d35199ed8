// Several registries of one gateway: an upstream's servers come from all that it follows, each says which
// is whose, and the trouble of one, also over a restart, is nobody else's.

import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { serve, sluice, temporaryFolder } from './support/cli/process.ts';
import { daemonConfig, get, runDaemon, startServer, until } from './support/daemon/builders.ts';

function file(folder: string, name: string) {
  const path = join(folder, name);
  return (text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
}

test('servers come from all registries, and what concerns one goes to the right one', async (t) => {
  const [one, two, three] = [await startServer(t), await startServer(t), await startServer(t)];
  const folder = temporaryFolder(t);
  const write = file(folder, 'list.yaml');
  write(`app: ["${two.id}", "${three.id}"]`);
  const daemon = await serve(
    t,
    `registries: { list: { file: { path: ${folder}/list.yaml } } }
upstreams: { app: { registry: [default, list] } }`,
  );
  const here = [...daemon.here, '-c', join(daemon.folder, 'sluice.yaml')];
  const run = (...words: readonly string[]) => sluice([...words, ...here]);
  assert.equal((await run('kv', 'put', `upstreams/app/${one.id}`, '{"weight":2}')).code, 0);
  assert.equal((await run('kv', 'put', `upstreams/app/${two.id}`, '{"weight":3}')).code, 0);
  await until('all are there', async () => {
    const { stdout } = await run('status');
    return stdout.includes('also in list, where default counts') && stdout.includes(one.id);
  });
  const { stdout } = await run('status');
  assert.match(stdout, /registry +embedded at .*reachable/);
  assert.match(stdout, /registry +list: file at .*list\.yaml, reachable, index 1, only read/);
  assert.match(stdout, new RegExp(`${three.id} .*from list`));

  assert.equal((await run('weight', 'app', two.id, '9')).code, 0);
  const refused = await run('weight', 'app', three.id, '9');
  assert.match(refused.stderr, /come from the file .*list\.yaml, which is only read/);
  const ls = (registry: string) =>
    sluice(['kv', 'ls', '--registry', registry, '-c', join(daemon.folder, 'sluice.yaml')]);
  const kv = await ls('list');
  assert.match(kv.stderr, /the servers come from the file .*list\.yaml, so there are no records/);
  assert.match((await ls('lst')).stderr, /known there: default, list/);

  write(`app: [{ address: "${three.id}", down: 1 }]`);
  await until('it is down', async () => (await run('status')).stdout.includes('down in the reg'));
  const undrain = await run('undrain', 'app', three.id);
  assert.match(undrain.stderr, /list\.yaml says that it is down; change it there/);
});

test('the trouble of one registry leaves the servers of the others alone, also at a start', async (t) => {
  const [one, two] = [await startServer(t), await startServer(t)];
  const folder = temporaryFolder(t);
  const [east, west] = [file(folder, 'east.yaml'), file(folder, 'west.yaml')];
  east(`app: ["${one.id}"]`);
  west(`app: ["${two.id}"]`);
  const yaml = `registry: { none: on }
registries: { east: { file: { path: east.yaml } }, west: { file: { path: west.yaml } } }
upstreams: { app: { registry: [east, west] } }`;
  const first = await runDaemon(t, daemonConfig(yaml, folder));
  const seen = async (gateway: string): Promise<string> => {
    const bodies = await Promise.all([1, 2, 3, 4].map(async () => (await get(gateway)).body));
    return [...new Set(bodies)].sort().join(' ');
  };
  const both = [one.id, two.id].sort().join(' ');
  await until('both serve', async () => (await seen(first.gateway)) === both);
  east('app: [nonsense]');
  west('app: []');
  await until('the trouble is seen', async () => {
    const { registries, upstreams } = await status(first.control);
    const [, server] = upstreams[0]?.servers ?? [];
    return registries[0]?.reachable === false && server?.source === 'held';
  });
  assert.equal(await seen(first.gateway), both);
  await first.close();
  const second = await runDaemon(t, daemonConfig(yaml, folder));
  assert.equal(await seen(second.gateway), both, 'each is remembered by its own name');
  east(`app: [{ address: "${one.id}", down: 1 }]`);
  await until('one is down', async () => (await seen(second.gateway)) === two.id);
  assert.deepEqual(
    (await status(second.control)).upstreams[0]?.servers.map(({ registry }) => registry),
    ['east', 'west'],
  );
});

type Status = {
  readonly registries: readonly { readonly reachable: boolean }[];
  readonly upstreams: readonly {
    readonly servers: readonly { readonly registry: string; readonly source: string }[];
  }[];
};

async function status(control: string): Promise<Status> {
  // The fields are those of the status document.
  return (await (await fetch(`${control}/api/status`)).json()) as Status;
}
