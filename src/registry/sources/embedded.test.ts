// The embedded registry as the daemon opens it: with a token it is closed to all but those who have one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, openClient, temporaryFolder } from '../../../test/support/registry/builders.ts';
import { silentLog } from '../../base/log.ts';
import { embedded } from './embedded.ts';

test('with a token its own process and who has the token share it, and nobody else', async (t) => {
  const settings = {
    kind: 'embedded',
    listen: { host: '127.0.0.1', port: 0 },
    dataDir: temporaryFolder(t),
    token: 'secret-of-the-registry',
    datacenter: 'east',
    nodeName: 'gate-1',
  } as const;
  const context = {
    log: silentLog,
    prefix: 'upstreams/',
    readDocument: () => assert.fail(),
    dashboard: () => '',
  };
  const opened = await embedded.open(settings, context);
  t.after(() => opened.close());
  const { store, address } = opened;
  assert(store !== undefined && address !== undefined);
  await store.put('upstreams/app/10.0.0.1:80', '{}');
  const other = openClient(t, [address], { token: 'secret-of-the-registry' });
  assert.equal((await other.list('upstreams/')).entries.length, 1);
  await other.put('upstreams/app/10.0.0.1:80', '{"weight":2}');
  const nobody = openClient(t, [address]);
  await assert.rejects(nobody.put('upstreams/app/10.0.0.1:80', '{"weight":3}'), {
    code: 'registry_refused',
  });
  assert.equal((await ask(address, 'GET /v1/kv/?recurse')).status, 404);
  const line = 'GET /v1/agent/self?token=secret-of-the-registry&dc=east';
  assert.match((await ask(address, line)).body, /"Datacenter":"east","NodeName":"gate-1"/);
  assert.equal(embedded.withoutSecrets(settings).token, '(set)');
});
