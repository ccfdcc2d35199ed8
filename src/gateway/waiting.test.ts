// When a client waits for a server, as the gaps of a receipt count it: its request is whole, and no
// response has begun. A slow upload, a long download and an early answer are nobody's gap.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Simulated, simulate } from '../../test/support/gateway/simulated.ts';

const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n';
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n';

async function start(t: TestContext): Promise<Simulated & { readonly gapMs: () => number }> {
  const simulated = await simulate(t, {});
  const { app, now } = simulated;
  app.openGap('r', now());
  return { ...simulated, gapMs: () => app.readGap('r', now()) };
}

test('nobody waits while the request is on its way, piece by piece', async (t) => {
  const { client, servers, pass, gapMs } = await start(t);
  const slow = client();
  slow.send(POST);
  for (const byte of '0123456789') {
    await pass(1000);
    slow.send(byte);
  }
  await pass(100);
  servers[0]?.send(`${HEAD}0123456789`);
  await pass(100);
  assert.match(slow.text, /0123456789$/);
  const gap = gapMs();
  assert(gap < 1000, `${gap} ms`);
  await pass(10_000);
  assert.equal(gapMs(), gap, 'it does not grow');
});

test('a whole request without an answer waits', async (t) => {
  const { client, pass, gapMs } = await start(t);
  client().send(`${POST}0123456789`);
  await pass(10_000);
  assert(gapMs() > 9000, `${gapMs()} ms`);
});

test('from its last byte on a request that came in pieces waits', async (t) => {
  const { client, pass, gapMs } = await start(t);
  const slow = client();
  slow.send(`${POST}01234`);
  await pass(5000);
  slow.send('56789');
  await pass(10_000);
  const gap = gapMs();
  assert(gap > 9000 && gap < 11_000, `${gap} ms`);
});

test('nobody waits while the response is on its way', async (t) => {
  const { client, servers, pass, gapMs } = await start(t);
  const slow = client();
  slow.send(`${POST}0123456789`);
  await pass(100);
  servers[0]?.send(HEAD);
  for (const byte of '0123456789') {
    await pass(1000);
    servers[0]?.send(byte);
  }
  await pass(100);
  assert.match(slow.text, /0123456789$/);
  assert(gapMs() < 1000, `${gapMs()} ms`);
  client().send(`${POST}0123456789`);
  await pass(10_000);
  assert(gapMs() > 9000, `another one waits all the same, ${gapMs()} ms`);
});

test('a request that is whole after its answer has begun waits for nothing', async (t) => {
  const { client, servers, pass, gapMs } = await start(t);
  const early = client();
  early.send(`${POST}01234`);
  await pass(100);
  servers[0]?.send(`${HEAD}0`);
  await pass(100);
  early.send('56789');
  await pass(10_000);
  servers[0]?.send('123456789');
  await pass(100);
  assert.match(early.text, /0123456789$/);
  assert(gapMs() < 1000, `${gapMs()} ms`);
});
