// Bodies that are held until they are whole: no server sees a slow client.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Simulated, simulate } from '../../test/support/gateway/simulated.ts';

const HELD = { requestBuffering: { app: 1000 } };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

function post(...fields: readonly string[]): string {
  return ['POST /p HTTP/1.1', 'Host: a', ...fields, '', ''].join('\r\n');
}

/** A server that answers when all that it has got ends in `whole`. */
function heldBy(t: TestContext, whole: string, patch = HELD, text = OK): Promise<Simulated> {
  return simulate(t, patch, (server) => {
    if (server.text.endsWith(whole)) server.send(text);
  });
}

for (const [name, head, pieces, whole] of [
  ['with a length', post('Content-Length: 9'), ['abc', 'def', 'ghi'], '\r\n\r\nabcdefghi'],
  [
    'in chunks',
    post('Transfer-Encoding: chunked'),
    ['3\r\nabc\r\n', '2\r\nde\r\n', '0\r\n\r\n'],
    '\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
  ],
  ['replaceable', post('Content-Length: 3').replace('POST', 'PUT'), ['a', 'b', 'c'], '\r\n\r\nabc'],
] as const) {
  test(`a body ${name} is held until it is whole`, async (t) => {
    const { app, servers, client, pass } = await heldBy(t, whole);
    const slow = client();
    slow.send(head);
    for (const piece of pieces) {
      await pass(5000);
      assert.equal(servers.length, 0, 'no connection to a server yet');
      assert.equal(app.servers[0]?.inFlight, 0);
      slow.send(piece);
    }
    await pass(100);
    assert.match(slow.text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*ok$/);
    assert.equal(servers[0]?.text.endsWith(whole), true, servers[0]?.text);
    slow.send(GET);
    await pass(100);
    assert.match(servers[0]?.text ?? '', /GET \/ HTTP\/1\.1\r\n/, 'the connection is kept');
  });
}

test('a body that is larger is passed on from there', async (t) => {
  const { servers, client, pass } = await heldBy(t, 'x'.repeat(3000));
  const slow = client();
  slow.send(post('Content-Length: 3000') + 'x'.repeat(999));
  await pass(5000);
  assert.equal(servers.length, 0);
  slow.send('x');
  await pass(100);
  assert.equal(servers[0]?.text.endsWith(`\r\n\r\n${'x'.repeat(1000)}`), true);
  slow.send('x'.repeat(2000));
  await pass(100);
  assert.match(slow.text, / 200 OK/);
});

test('a client that asks first gets its 100 from the gateway, once', async (t) => {
  const { servers, client, pass } = await heldBy(
    t,
    'abc',
    HELD,
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  );
  const asking = client();
  asking.send(post('Content-Length: 3', 'Expect: 100-continue'));
  await pass(5000);
  assert.equal(asking.text, 'HTTP/1.1 100 Continue\r\n\r\n');
  assert.equal(servers.length, 0);
  asking.send('abc');
  await pass(100);
  assert.match(asking.text, / 200 OK/);
  assert.equal(asking.text.split('100 Continue').length, 2);
});

test('a client that leaves before its body is whole involves no server', async (t) => {
  const { gateway, app, servers, client, pass } = await heldBy(t, 'abc');
  const leaving = client();
  leaving.send(`${post('Content-Length: 9')}abc`);
  await pass(100);
  leaving.reset();
  await pass(100);
  assert.equal(gateway.connections(), 0);
  assert.equal(servers.length, 0);
  assert.equal(app.counters.clientGone, 1);
  assert.equal(app.counters.inFlight, 0);
});

test('where nothing is held, only the server asks for the body', async (t) => {
  const { servers, client, pass } = await simulate(t, {});
  const asking = client();
  asking.send(post('Content-Length: 3', 'Expect: 100-continue'));
  await pass(100);
  assert.match(servers[0]?.text ?? '', /\r\nExpect: 100-continue\r\n/);
  assert.equal(asking.text, '');
  servers[0]?.send('HTTP/1.1 100 Continue\r\n\r\n');
  await pass(100);
  assert.equal(asking.text, 'HTTP/1.1 100 Continue\r\n\r\n');
});

test('other upstreams pass bodies on as they come', async (t) => {
  const { servers, client, pass } = await simulate(t, { requestBuffering: { other: 1000 } });
  client().send(`${post('Content-Length: 9')}abc`);
  await pass(100);
  assert.match(servers[0]?.text ?? '', /abc$/);
});

test('while no server has connected, a body is not taken without end', async (t) => {
  const { client, pass } = await simulate(t, { limits: { relayBytesMax: 100_000 } }, 'silent');
  const uploader = client();
  uploader.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n');
  for (let piece = 0; piece < 50; piece += 1) uploader.send('x'.repeat(10_000));
  await pass(1000);
  // What the gateway keeps, a read beyond it, and what the network holds.
  const taken = 500_000 - uploader.unsentBytes;
  assert(taken < 100_000 + 10_000 + 65_536 + 1000, `${taken} bytes were taken`);
});

test('nor when its first piece was more than is kept', async (t) => {
  const { client, pass } = await simulate(t, { limits: { relayBytesMax: 100_000 } }, 'silent');
  const uploader = client();
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n';
  uploader.send(head + 'x'.repeat(110_000));
  await pass(20);
  uploader.send('x'.repeat(390_000));
  await pass(1000);
  assert(uploader.unsentBytes >= 390_000 - 65_536, `${uploader.unsentBytes} bytes are left`);
});
