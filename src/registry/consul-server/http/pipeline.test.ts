// Several requests on one connection, sent without waiting: order, blocking queries, limits.

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startConsul } from '../../../../test/support/peers/programs.ts';
import { ask, sendRaw, startEmbedded } from '../../../../test/support/registry/builders.ts';
import type { Address } from '../../../base/units.ts';

type StartAddress = (t: TestContext) => Promise<Address | undefined>;

const line = (target: string, body = ''): string =>
  `${target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const last = (target: string): string =>
  `${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;

/** The status codes of all answers on a connection, and the bodies of the last one. */
async function pipe(address: Address, text: string): Promise<{ statuses: string; body: string }> {
  const answer = await sendRaw(address, text);
  const rest = answer.body.matchAll(/HTTP\/1\.1 (\d+) /g);
  const statuses = [answer.status, ...[...rest].map(([, status]) => status)].join(' ');
  return { statuses, body: answer.body.slice(answer.body.lastIndexOf('\r\n\r\n') + 4) };
}

/** Run against ours and a real Consul: both carry out a connection's requests in their order. */
function pipelineContract(name: string, start: StartAddress): void {
  test(`${name}: requests of one connection are carried out in their order`, async (t) => {
    const address = await start(t);
    if (address === undefined) return;
    const deleted = await pipe(
      address,
      line('PUT /v1/kv/pd', '1') + line('DELETE /v1/kv/pd') + last('GET /v1/kv/pd?raw'),
    );
    assert.equal(deleted.statuses, '200 200 404');
    const read = await pipe(address, line('PUT /v1/kv/pr', 'v') + last('GET /v1/kv/pr?raw'));
    assert.deepEqual(read, { statuses: '200 200', body: 'v' });
    const writes = Array.from({ length: 50 }, (_, at) => line('PUT /v1/kv/pw', `${at}`));
    const overwritten = await pipe(address, writes.join('') + last('GET /v1/kv/pw?raw'));
    assert.equal(overwritten.body, '49');
  });

  test(`${name}: a blocking query holds the requests behind it`, async (t) => {
    const address = await start(t);
    if (address === undefined) return;
    await ask(address, 'PUT /v1/kv/b', { body: '1' });
    const index = /"ModifyIndex": ?(\d+)/.exec((await ask(address, 'GET /v1/kv/b')).body)?.[1];
    const piped = pipe(
      address,
      line(`GET /v1/kv/b?raw&index=${index}&wait=60s`) +
        line('PUT /v1/kv/b', '3') +
        last('GET /v1/kv/b?raw'),
    );
    // Nothing may happen here, so there is nothing to await.
    await delay(200);
    assert.equal((await ask(address, 'GET /v1/kv/b?raw')).body, '1', 'the PUT is not carried out');
    await ask(address, 'PUT /v1/kv/b', { body: '2' });
    assert.deepEqual(await piped, { statuses: '200 200 200', body: '3' });
  });
}

pipelineContract('embedded', async (t) => (await startEmbedded(t)).address);
pipelineContract('consul', async (t) => (await startConsul(t))?.addresses[0]);

test('many more requests than may wait are all answered, in their order', async (t) => {
  const { address, store } = await startEmbedded(t);
  const writes = Array.from({ length: 1500 }, (_, at) => line('PUT /v1/kv/many', `${at}`));
  const { statuses, body } = await pipe(address, writes.join('') + last('GET /v1/kv/many?raw'));
  assert.equal(statuses.split(' ').length, 1501);
  assert.equal(body, '1499');
  assert.equal(store.index, 1501);
});

test('a client that stuffs a connection is not read further than what may wait', async (t) => {
  const { address, store } = await startEmbedded(t);
  await store.put('a', Buffer.from('1'));
  let parsed = 0;
  const count = (): number => parsed++;
  subscribe('http.server.request.start', count);
  t.after(() => unsubscribe('http.server.request.start', count));
  const socket = open(t, address);
  socket.write(line('GET /v1/kv/a?index=2'));
  socket.write(line('GET /v1/kv/a').repeat(20_000));
  await delay(500);
  assert(parsed > 100 && parsed < 5_000, `${parsed} requests were read ahead`);
  assert(!socket.closed);
});

test('a client that leaves takes its waiting requests with it', async (t) => {
  const { address, store } = await startEmbedded(t);
  await store.put('a', Buffer.from('1'));
  const socket = open(t, address);
  socket.write(line('GET /v1/kv/a?index=2') + line('PUT /v1/kv/late', 'x'));
  await ask(address, 'GET /v1/status/leader');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.resetAndDestroy();
  await closed;
  await ask(address, 'PUT /v1/kv/a', { body: '2' });
  assert.equal((await ask(address, 'GET /v1/kv/late')).status, 404);
});

test('a client that ended its side gets all its answers, blocking queries at once', async (t) => {
  const { address, store } = await startEmbedded(t);
  await store.put('a', Buffer.from('1'));
  const socket = connect({ host: address.host, port: address.port, allowHalfOpen: true });
  const answered = text(socket);
  const blocking = line('GET /v1/kv/a?raw&index=2');
  socket.end(blocking + blocking + line('PUT /v1/kv/b', 'x'));
  assert.equal((await answered).match(/HTTP\/1\.1 200/g)?.length, 3);
  assert.notEqual(store.read('b'), undefined);
});

function open(t: TestContext, address: Address): Socket {
  const socket = connect({ host: address.host, port: address.port });
  socket.on('error', () => {}); // Cut by the server or by the test.
  t.after(() => socket.destroy());
  return socket;
}
