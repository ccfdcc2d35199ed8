// A client that has ended its side of the connection while its request is being worked on: it may be
// gone, or it may only have no more to send.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  type Simulated,
  type SimulatedPeer,
  simulate,
} from '../../test/support/gateway/simulated.ts';

type Asked = Simulated & { readonly asking: SimulatedPeer };

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

async function begin(
  t: TestContext,
  ignoreClientAbort: 'ask' | 'off' | 'on',
  version = 'HTTP/1.1',
): Promise<Asked> {
  const simulated = await simulate(t, { ignoreClientAbort });
  const asking = simulated.client();
  asking.send(`GET / ${version}\r\nHost: a\r\n\r\n`);
  await simulated.pass(100);
  assert.match(simulated.servers[0]?.text ?? '', /^GET \/ /);
  return { ...simulated, asking };
}

async function answer({ servers, pass }: Asked): Promise<void> {
  servers[0]?.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi');
  await pass(100);
}

function assertGone({ app, servers }: Asked): void {
  assert.equal(app.servers[0]?.inFlight, 0);
  assert.equal(app.counters.clientGone, 1, JSON.stringify(app.counters));
  assert.equal(app.servers[0].counters.clientGone, 1);
  assert.equal(servers[0]?.isEnded, true, 'the server is not left to work on');
}

test('ask: a client that has left ends the attempt', async (t) => {
  const asked = await begin(t, 'ask');
  asked.asking.destroy();
  await asked.pass(900);
  assert.equal(asked.app.counters.clientGone, 0, 'not before it was asked');
  await asked.pass(2000);
  assertGone(asked);
});

test('ask: an HTTP/1.0 client that has left ends the attempt', async (t) => {
  const asked = await begin(t, 'ask', 'HTTP/1.0');
  asked.asking.reset();
  await asked.pass(3000);
  assertGone(asked);
});

test('ask: a client that only ended its side is asked once and gets its answer', async (t) => {
  const asked = await begin(t, 'ask');
  asked.asking.end();
  await asked.pass(10_000);
  assert.equal(asked.asking.text, CONTINUE);
  await answer(asked);
  assert.match(asked.asking.text, /100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*hi$/);
  assert.equal(asked.asking.isEnded, true);
});

test('ask: a client whose answer has begun is not asked', async (t) => {
  const asked = await begin(t, 'ask');
  asked.servers[0]?.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh');
  await asked.pass(100);
  asked.asking.end();
  await asked.pass(10_000);
  asked.servers[0]?.send('i');
  await asked.pass(100);
  assert.match(asked.asking.text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nhi$/);
});

test('ask: a client is not asked within an answer that began after it had ended its side', async (t) => {
  const asked = await begin(t, 'ask');
  asked.asking.end();
  await asked.pass(500);
  asked.servers[0]?.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh');
  await asked.pass(10_000);
  asked.servers[0]?.send('i');
  await asked.pass(100);
  assert.match(asked.asking.text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nhi$/);
  assert.equal(asked.asking.text.includes(CONTINUE), false);
});

test('ask: an HTTP/1.0 client is not sent what it does not know', async (t) => {
  const asked = await begin(t, 'ask', 'HTTP/1.0');
  asked.asking.end();
  await asked.pass(10_000);
  await answer(asked);
  assert.match(asked.asking.text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*hi$/);
});

test('off: the end of its side ends the attempt', async (t) => {
  const asked = await begin(t, 'off');
  asked.asking.end();
  await asked.pass(100);
  assertGone(asked);
});

test('off: a client whose answer has begun gets the rest', async (t) => {
  const asked = await begin(t, 'off');
  asked.servers[0]?.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh');
  await asked.pass(100);
  asked.asking.end();
  await asked.pass(100);
  asked.servers[0]?.send('i');
  await asked.pass(100);
  assert.match(asked.asking.text, /hi$/);
});

test('on: a client that ended its side is answered and never asked', async (t) => {
  const asked = await begin(t, 'on');
  asked.asking.end();
  await asked.pass(10_000);
  await answer(asked);
  assert.match(asked.asking.text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*hi$/);
});

test('a client that leaves within its body is heard of while its server is still being reached', async (t) => {
  const { client, app, pass } = await simulate(t, {}, 'silent');
  const leaving = client();
  leaving.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234');
  await pass(100);
  assert.equal(app.servers[0]?.inFlight, 1);
  leaving.destroy();
  await pass(100);
  assert.equal(app.counters.clientGone, 1);
  assert.equal(app.servers[0]?.inFlight, 0);
});
