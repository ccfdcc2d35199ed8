import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryRegistry } from '../../test/support/gateways/memory-registry.ts';
import { findMemberRecord } from './server-record.ts';

test('the record of one address of a name is that of the name', async () => {
  const registry = new MemoryRegistry();
  registry.set('upstreams/app/app.internal:80', '{"down":1}');
  registry.set('upstreams/app/10.0.0.9:80', '{}');
  const which = { store: registry.client(), prefix: 'upstreams/', upstream: 'app' };
  for (const [id, host, key] of [
    ['10.0.0.1:80', 'app.internal', 'app.internal:80'],
    ['app.internal:80', 'app.internal', 'app.internal:80'],
    ['10.0.0.9:80', '10.0.0.9', '10.0.0.9:80'],
    ['10.0.0.1:80', '10.0.0.1', undefined],
  ] as const) {
    const found = await findMemberRecord(which, { id, host, port: 80 });
    assert.equal(found?.key, key && `upstreams/app/${key}`);
  }
});
