// A release over two gateways, of which the one that it asks is killed in the middle: the lock is in the
// registry, and the other gateway goes on with all of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endApps } from '../demo/stack.ts';
import type { ReleasesDocument } from '../src/admin/contract.ts';
import { calm, startCluster, until } from './support/gateways/cluster.ts';
import { versionOf } from './support/release/builders.ts';

test('the gateway that a release asks is killed: the release goes on by the other one', async (t) => {
  const cluster = await startCluster({
    ...{ registry: 'embedded', gateways: 2, servers: 2, rate: 0, seed: 1, isReleased: true },
  });
  t.after(() => cluster.cleanup.run());
  const [a, b] = cluster.gateways;
  assert(a !== undefined && b !== undefined);
  const history = async (): Promise<ReleasesDocument> => {
    const response = await fetch(`http://127.0.0.1:${a.admin}/api/releases/app`);
    const document: ReleasesDocument = JSON.parse(await response.text());
    return document;
  };
  const ports = cluster.servers.map((server) => Number(server.split(':')[1]));
  cluster.cleanup.add(() => endApps(ports));
  const first = await a.cli(['deploy', 'app', '--version', 'v1']);
  assert.equal(first.code, 0, first.text);
  await calm(cluster, 2);
  const control = `127.0.0.1:${b.admin},127.0.0.1:${a.admin}`;
  const deployed = a.cli(['deploy', 'app', '--version', 'v2', '--control', control]);
  await until('a step of the release', 30_000, async () => {
    const { lock } = await history();
    return (lock?.holder?.step ?? '') === '' ? 'not yet' : '';
  });
  await b.end('SIGKILL');
  const { code, text } = await deployed;
  assert.equal(code, 0, text);
  assert.deepEqual(await Promise.all(cluster.servers.map(versionOf)), ['v2', 'v2']);
  const { lock, releases } = await history();
  assert.equal(lock?.holder, null);
  assert.deepEqual(
    releases.map(({ release, outcome }) => [release, outcome]),
    [
      ['r2', 'succeeded'],
      ['r1', 'succeeded'],
    ],
  );
});
