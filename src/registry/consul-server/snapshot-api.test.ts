// Snapshots over HTTP: everything is in them, a restore is whole or not at all, and everybody hears of it.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { buffer, text } from 'node:stream/consumers';
import { test } from 'node:test';
import { ask, header, startEmbedded } from '../../../test/support/registry/builders.ts';
import { HeldClock } from '../../../test/support/registry/held-clock.ts';
import type { Address } from '../../base/units.ts';

async function save({ host, port }: Address, token = ''): Promise<Buffer> {
  const url = `http://${host}:${port}/v1/snapshot?token=${token}`;
  return new Promise((resolve, reject) => {
    request(url, (response) => buffer(response).then(resolve, reject))
      .on('error', reject)
      .end();
  });
}

async function restore(
  { host, port }: Address,
  body: Uint8Array,
  token = '',
): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const url = `http://${host}:${port}/v1/snapshot?token=${token}`;
  return new Promise((resolve, reject) => {
    const put = request(url, { method: 'PUT', headers: { 'Content-Length': body.length } });
    put.on('response', (response) => {
      text(response).then((said) => resolve({ status: response.statusCode, body: said }), reject);
    });
    put.on('error', reject);
    put.end(body);
  });
}

test('a snapshot brings back records, sessions and locks, and who waits hears of it', async (t) => {
  const clock = new HeldClock();
  const { address } = await startEmbedded(t, { clock, random: () => 0 });
  const created = await ask(address, 'PUT /v1/session/create', {
    body: '{"TTL":"10s","LockDelay":"0s"}',
  });
  const session = /"ID":"([^"]+)"/.exec(created.body)?.[1];
  await ask(address, `PUT /v1/kv/lock?acquire=${session}`, { body: '1' });
  await ask(address, 'PUT /v1/kv/a', { body: '1' });
  const before = await ask(address, 'GET /v1/kv/?recurse');
  const bytes = await save(address);
  await ask(address, `PUT /v1/session/destroy/${session}`);
  await ask(address, 'PUT /v1/kv/a', { body: '2' });
  await ask(address, 'PUT /v1/kv/new', { body: '2' });
  const now = await ask(address, 'GET /v1/kv/?recurse');
  const index = Number(header(now, 'X-Consul-Index'));
  const parked = ['kv/a?', 'kv/?recurse&', 'kv/new?', 'session/list?'].map((path) =>
    ask(address, `GET /v1/${path}index=${index}&wait=60s`),
  );
  assert.deepEqual(await restore(address, bytes), { status: 200, body: '' });
  const [record, list, absent, sessions] = await Promise.all(parked);
  assert.match(record?.body ?? '', /"Value":"MQ=="/);
  assert.equal(absent?.status, 404);
  assert.match(sessions?.body ?? '', new RegExp(session ?? 'none'));
  for (const answer of [record, list, absent, sessions]) {
    assert(Number(answer && header(answer, 'X-Consul-Index')) > index, 'no index falls');
  }
  const values = (body: string): unknown => body.replace(/"ModifyIndex":\d+/g, '');
  assert.deepEqual(values(list?.body ?? ''), values(before.body));
  // The session is alive again: it holds its lock, and runs out when nobody renews it.
  clock.advance(11_001);
  await ask(address, 'PUT /v1/kv/after-the-timer', { body: '' });
  assert.doesNotMatch((await ask(address, 'GET /v1/kv/lock')).body, /Session/);
});

test('what is no snapshot changes nothing', async (t) => {
  const { address, store } = await startEmbedded(t);
  await ask(address, 'PUT /v1/kv/a', { body: '1' });
  const bytes = await save(address);
  const index = store.index;
  for (const body of [Buffer.from(''), Buffer.from('junk'), bytes.subarray(0, bytes.length - 9)]) {
    const answer = await restore(address, body);
    assert.equal(answer.status, 500);
    assert.match(answer.body, /^failed to restore snapshot: /);
  }
  assert.equal(store.index, index);
  assert.equal((await ask(address, 'GET /v1/kv/a?raw')).body, '1');
});

test('it is the managers that save and restore', async (t) => {
  const acl = { initialManagementToken: 'manager' };
  const { address } = await startEmbedded(t, { acl });
  const bytes = await save(address, 'manager');
  assert.equal((await ask(address, 'GET /v1/snapshot')).status, 403);
  assert.equal((await restore(address, bytes)).status, 403);
  assert.equal((await restore(address, bytes, 'manager')).status, 200);
});
