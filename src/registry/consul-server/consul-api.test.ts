// Consul's HTTP API as clients see it on the wire: blocking queries, limits, old clients, closing.
// What a real Consul answers to the same bytes is compared in conformance.test.ts.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import {
  ask,
  header,
  parseRaw,
  sendRaw,
  startEmbedded,
} from '../../../test/support/registry/builders.ts';
import { SluiceError } from '../../base/errors.ts';
import { silentLog } from '../../base/log.ts';
import { serveConsulApi } from './consul-api.ts';

const put = (key: string, body: string): [string, { body: string }] => [
  `PUT /v1/kv/${key}`,
  { body },
];

test('a blocking query wakes on a change under its prefix and on no other', async (t) => {
  const { address, store } = await startEmbedded(t);
  await ask(address, ...put('up/a', '1'));
  const parked = ask(address, 'GET /v1/kv/up/?recurse&index=2&wait=60s');
  await ask(address, ...put('other', 'x'));
  await ask(address, ...put('up/a', '1'));
  assert.equal(store.index, 3, 'the identical PUT changed nothing');
  await ask(address, ...put('up/b', '2'));
  const answer = await parked;
  assert.equal(answer.status, 200);
  assert.equal(header(answer, 'X-Consul-Index'), '4', 'woken by up/b, not before');
  assert.match(answer.body, /"Key":"up\/a".*"Key":"up\/b"/);
});

test('a blocking query for one key wakes on that key only, also when it is absent', async (t) => {
  const { address } = await startEmbedded(t);
  await ask(address, ...put('a', '1'));
  const present = ask(address, 'GET /v1/kv/a?index=2&wait=60s');
  const absent = ask(address, 'GET /v1/kv/ab?index=2&wait=60s');
  await ask(address, ...put('abc', 'x'));
  await ask(address, ...put('ab', 'x'));
  await ask(address, 'DELETE /v1/kv/a');
  const [gone, created] = await Promise.all([present, absent]);
  assert.deepEqual([gone.status, header(gone, 'X-Consul-Index')], [404, '5']);
  assert.deepEqual([created.status, header(created, 'X-Consul-Index')], [200, '4']);
});

test('a prefix that empties wakes with 404 and a higher index', async (t) => {
  const { address } = await startEmbedded(t);
  await ask(address, ...put('up/a', '1'));
  const parked = ask(address, 'GET /v1/kv/up/?recurse&index=2&wait=60s');
  const keys = ask(address, 'GET /v1/kv/up/?keys&index=2&wait=60s');
  await ask(address, ...put('x', '1'));
  await ask(address, 'DELETE /v1/kv/u?recurse');
  for (const answer of await Promise.all([parked, keys])) {
    assert.deepEqual(
      [answer.status, answer.body, header(answer, 'X-Consul-Index')],
      [404, '', '4'],
    );
  }
});

test('out of time, the answer is the one from before, with the index it had', async (t) => {
  const { address } = await startEmbedded(t, { random: () => 0 });
  await ask(address, ...put('up/a', '1'));
  await ask(address, ...put('x', '1'));
  const parked = ask(address, 'GET /v1/kv/nothing/?recurse&index=3&wait=300ms');
  const present = ask(address, 'GET /v1/kv/up/?recurse&index=3&wait=300ms');
  const startedMs = performance.now();
  await ask(address, ...put('x', '2'));
  const answer = await parked;
  assert.deepEqual([answer.status, header(answer, 'X-Consul-Index')], [404, '3']);
  assert(performance.now() - startedMs > 250, 'it did wait');
  assert.deepEqual(header(await present, 'X-Consul-Index'), '2');
});

test('an index beyond ours is answered at once: the store was restored', async (t) => {
  const { address } = await startEmbedded(t);
  await ask(address, ...put('a', '1'));
  const answer = await ask(address, 'GET /v1/kv/a?index=18446744073709551615');
  assert.equal(header(answer, 'X-Consul-Index'), '2');
});

test('a thousand watchers wake on one change, all with the same answer', async (t) => {
  const { address } = await startEmbedded(t);
  await ask(address, ...put('up/a', '1'));
  const sockets = Array.from({ length: 1000 }, () => connect(address.port, address.host));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  const request = 'GET /v1/kv/up/?recurse&index=2 HTTP/1.1\r\nHost: x\r\n\r\n';
  const answers = sockets.map(
    (socket) =>
      new Promise<string>((resolve, reject) => {
        let text = '';
        socket.on('error', reject);
        socket.on('data', (chunk) => {
          text += chunk;
          if (text.endsWith(']')) resolve(text);
        });
        socket.write(request);
      }),
  );
  // A request of the last socket that was answered shows that those before it are parked.
  await ask(address, 'GET /v1/status/leader');
  await ask(address, ...put('up/b', '2'));
  const bodies = new Set((await Promise.all(answers)).map((text) => parseRaw(text).body));
  assert.equal(bodies.size, 1);
  assert.match([...bodies][0] ?? '', /"Key":"up\/b"/);
});

test('who wakes for one record gets it as it asked for it, and each change anew', async (t) => {
  const { address, store } = await startEmbedded(t);
  await store.put('a', Buffer.from('0'));
  for (const value of ['1', '2']) {
    const { index } = store;
    const answers = ['raw&', '', 'pretty&', 'raw&'].map((form) =>
      ask(address, `GET /v1/kv/a?${form}index=${index}`),
    );
    // Not the second time, so that the one answered last before is the first now.
    if (value === '1') answers.push(ask(address, `GET /v1/kv/b?index=${index}`));
    // A request of the last socket that was answered shows that those before it are parked.
    for (let at = 0; at < 2; at++) await ask(address, 'GET /v1/status/leader');
    await store.transact((writes) => {
      writes.put('b', value, '0');
      writes.put('a', value, '0');
    });
    const [raw, json, pretty, again, other] = (await Promise.all(answers)).map(({ body }) => body);
    const encoded = Buffer.from(value).toString('base64');
    assert.deepEqual([raw, again], [value, value]);
    assert.match(json ?? '', new RegExp(`"Value":"${encoded}"`));
    assert.match(pretty ?? '', new RegExp(`\n +"Value": "${encoded}"`));
    if (other !== undefined) assert.match(other, /"Key":"b"/);
  }
});

test('a client that leaves is forgotten, one that only ends its side is answered', async (t) => {
  const { address, store } = await startEmbedded(t);
  await store.put('a', Buffer.from('1'));
  const request = 'GET /v1/kv/a?index=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  const half = connect({ host: address.host, port: address.port, allowHalfOpen: true });
  const answered = text(half);
  half.end(request);
  assert.equal(parseRaw(await answered).status, 200, 'answered, though nothing changed');
});

test('a client of 2013 reads an answer: HTTP/1.0, exact header case, to the end of the stream', async (t) => {
  const { address } = await startEmbedded(t);
  await ask(address, ...put('upstreams/app/127.0.0.1:28900', '{"weight":1}'));
  const read = (index: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(address.port, address.host);
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('error', reject);
      socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
      socket.write(
        `GET /v1/kv/upstreams/app?recurse&index=${index} HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n`,
      );
    });
  const first = await read(0);
  const [head = '', body = ''] = first.split('\r\n\r\n');
  const [line = '', ...fields] = head.split('\r\n');
  assert(line.slice('HTTP/1.x 200 '.length).startsWith('OK'), line);
  assert(fields.length <= 20 && fields.every((field) => field.length < 512));
  const name = Buffer.from('X-Consul-Index');
  const field = fields.find((each) => Buffer.from(each).subarray(0, 14).equals(name));
  assert.equal(field, 'X-Consul-Index: 2');
  assert(!/^transfer-encoding/im.test(head), 'never chunked');
  assert.match(body, /^\[\{"LockIndex":0,"Key":"upstreams\/app\/127\.0\.0\.1:28900"/);
  const second = read(2);
  await ask(address, ...put('upstreams/app/127.0.0.1:28900', '{"down":1}'));
  assert.match(await second, /X-Consul-Index: 3\r\n/);
});

test('values up to 512 KiB are stored; above, also chunked, refused and not stored', async (t) => {
  const { address, store } = await startEmbedded(t);
  const fits = await ask(address, ...put('fits', 'x'.repeat(524_288)));
  assert.equal(fits.body, 'true');
  const over = await ask(address, ...put('over', 'x'.repeat(524_289)));
  assert.equal(over.status, 413);
  assert.match(over.body, /^Request body\(524289 bytes\) too large, max size: 524288 bytes\./);
  const chunk = 'y'.repeat(0x10000);
  const chunked = await sendRaw(
    address,
    'PUT /v1/kv/chunked HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n' +
      `10000\r\n${chunk}\r\n`.repeat(8) +
      '1\r\ny\r\n0\r\n\r\n',
  );
  assert.equal(chunked.status, 413);
  const long = await ask(address, ...put('k'.repeat(4097), 'x'));
  assert.equal(long.status, 413);
  assert.match(long.body, /4097 bytes, allowed are 1 to 4096/);
  assert.deepEqual(
    store.list('').entries.map(({ key }) => key),
    ['fits'],
  );
});

test('gzip is given when asked for, to those who wake as well', async (t) => {
  const { address } = await startEmbedded(t);
  await ask(address, ...put('a', 'z'.repeat(100_000)));
  const headers = ['Accept-Encoding: gzip, deflate'];
  const answer = await ask(address, 'GET /v1/kv/a?raw', { headers });
  assert.equal(header(answer, 'Content-Encoding'), 'gzip');
  assert.equal(gunzipSync(Buffer.from(answer.body, 'latin1')).toString(), 'z'.repeat(100_000));
  const plain = await ask(address, 'GET /v1/kv/a?raw', { headers: ['Accept-Encoding: gzip;q=0'] });
  assert.equal(plain.body.length, 100_000);
});

test('what Consul has and we do not is refused with words, never an empty 404', async (t) => {
  const { address } = await startEmbedded(t);
  for (const [line, status] of [
    ['GET /v1/agent/connect/ca/roots', 501],
    ['PUT /v1/agent/leave', 501],
    ['GET /v1/catalog/gateway-services/web', 501],
    ['GET /v1/health/ingress/web', 501],
    ['GET /v1/operator/keyring', 501],
    ['PUT /v1/coordinate/update', 501],
    ['PUT /v1/acl/login', 501],
    ['GET /v1/acl/auth-methods', 501],
    ['GET /v1/config/service-defaults', 501],
    ['GET /v1/connect/ca/roots', 501],
    ['GET /v1/internal/ui/nodes', 501],
    ['GET /v1/catalogue', 404],
    ['GET /v1/catalog/datacenters', 200],
    ['GET /v1/agent/self', 200],
  ] as const) {
    const answer = await ask(address, line);
    assert.equal(answer.status, status, line);
    // Of a mesh in the words that clients look for.
    const words = /^\/v1\/\S+( is not offered by this registry|: Connect must be enabled)/;
    if (status === 501) assert.match(answer.body, words);
  }
});

test('a namespace in the head is refused as one in the query is', async (t) => {
  const { address, store } = await startEmbedded(t);
  const headers = ['X-Consul-Namespace: other'];
  const answer = await ask(address, 'PUT /v1/kv/a', { headers, body: 'x' });
  assert.deepEqual(
    [answer.status, answer.body],
    [
      400,
      'Bad request: Invalid header: "X-Consul-Namespace" - Namespaces are a Consul Enterprise feature',
    ],
  );
  assert.equal(store.index, 1);
});

test('a malformed query never turns a guarded write into a plain one', async (t) => {
  const { address, store } = await startEmbedded(t);
  await ask(address, ...put('a', '1'));
  assert.equal((await ask(address, ...put('a?cas=%zz', '2'))).status, 400);
  assert.equal((await ask(address, ...put('a?%zz=0', '2'))).status, 400);
  assert.equal(store.index, 2);
});

test('keys that are not UTF-8 are refused with words, never folded into one record', async (t) => {
  const { address, store } = await startEmbedded(t);
  for (const key of ['x%ff', 'x%fe', '%ed%a0%80']) {
    for (const method of ['PUT', 'GET', 'DELETE']) {
      const bytes = `${method} /v1/kv/${key} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      const answer = await sendRaw(address, Buffer.from(bytes, 'latin1'));
      assert.equal(answer.status, 400, `${method} ${key}`);
      assert.match(answer.body, /not UTF-8/);
    }
  }
  assert.equal(store.index, 1);
  assert.equal((await ask(address, ...put('x%EF%BF%BD', '1'))).status, 200);
});

test('garbage is answered or cut, and the server lives', async (t) => {
  const { address } = await startEmbedded(t);
  for (const bytes of [
    'GARBAGE\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    `GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
    `GET /v1/kv/${'k'.repeat(40_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    'PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
    'PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  ]) {
    const answer = await sendRaw(address, Buffer.from(bytes, 'latin1')).catch(() => undefined);
    assert(
      answer === undefined || answer.status >= 400,
      `${bytes.slice(0, 60)}: ${answer?.status}`,
    );
  }
  assert.equal((await ask(address, 'GET /v1/kv/a')).status, 404);
});

test('closing answers who is parked and lets nobody hang', async (t) => {
  const { api, address, store } = await startEmbedded(t);
  await store.put('a', Buffer.from('1'));
  const parked = ask(address, 'GET /v1/kv/a?index=2');
  // Parked once a later request on another connection was answered.
  await ask(address, 'GET /v1/status/leader');
  await ask(address, 'GET /v1/status/leader');
  await api.close();
  assert.equal((await parked).status, 200);
  await assert.rejects(ask(address, 'GET /v1/kv/a'), { code: 'ECONNREFUSED' });
});

test('an address in use is a clear error', async (t) => {
  const { store, address } = await startEmbedded(t);
  await assert.rejects(serveConsulApi({ store, ...address, log: silentLog }), {
    code: 'address_in_use',
    message: new RegExp(`127.0.0.1:${address.port}: already in use;`),
  });
  await assert.rejects(serveConsulApi({ store, host: '192.0.2.1', port: 80, log: silentLog }), {
    code: 'address_unavailable',
  });
});

test('a transaction happens whole or not at all', async (t) => {
  const { address, store } = await startEmbedded(t);
  const run = (operations: unknown): ReturnType<typeof ask> =>
    ask(address, 'PUT /v1/txn', { body: JSON.stringify(operations) });
  const value = Buffer.from('v').toString('base64');
  const good = await run([
    { KV: { Verb: 'set', Key: 'a', Value: value } },
    { kv: { verb: 'set', key: 'b', value, flags: 7 } },
    { KV: { Verb: 'get', Key: 'b' } },
  ]);
  assert.equal(good.status, 200);
  assert.equal(store.index, 2, 'one index for all');
  assert.match(good.body, /"Flags":7,"Value":"dg==","CreateIndex":2,"ModifyIndex":2/);
  const bad = await run([
    { KV: { Verb: 'delete', Key: 'a' } },
    { KV: { Verb: 'cas', Key: 'b', Index: 9, Value: value } },
    { KV: { Verb: 'check-not-exists', Key: 'b' } },
  ]);
  assert.equal(bad.status, 409);
  assert.deepEqual(JSON.parse(bad.body), {
    Results: null,
    Errors: [
      { OpIndex: 1, What: 'failed to set key "b", index is stale' },
      { OpIndex: 2, What: 'key "b" exists' },
    ],
  });
  assert.equal(store.read('a')?.modifyIndex, 2, 'the delete was undone');
  const many = await run(Array.from({ length: 65 }, () => ({ KV: { Verb: 'get', Key: 'a' } })));
  assert.equal(many.status, 413);
});

test('a request that went well builds no error, one whose body broke off is not carried out', async (t) => {
  const { address, store } = await startEmbedded(t);
  // What `super(…)` of the error class calls.
  const parent = Object.getPrototypeOf(SluiceError);
  let built = 0;
  class Counted extends Error {
    constructor(...given: ConstructorParameters<typeof Error>) {
      super(...given);
      built += 1;
    }
  }
  Object.setPrototypeOf(SluiceError, Counted);
  t.after(() => Object.setPrototypeOf(SluiceError, parent));
  for (let turn = 0; turn < 3; turn += 1) await ask(address, ...put('a', `${turn}`));
  await ask(address, 'PUT /v1/kv/b', { body: 'x'.repeat(600 * 1024) });
  await ask(address, 'GET /v1/kv/a');
  assert.equal(built, 0);
  const socket = connect(address.port, address.host);
  socket.write('PUT /v1/kv/c HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhal');
  // Answered on the next connection, so the first one's head has been read.
  await ask(address, ...put('d', '1'));
  socket.destroy();
  await once(socket, 'close');
  while (built === 0) await ask(address, 'GET /v1/kv/c');
  assert.equal(store.read('c'), undefined);
});
