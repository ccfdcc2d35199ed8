// Tunnels and streams of a server that is taken out, in virtual time: who is told what, and when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { serverState } from '../../test/support/gateway/builders.ts';
import {
  type Simulated,
  type SimulatedPeer,
  simulate,
} from '../../test/support/gateway/simulated.ts';
import type { LongLivedConfig } from '../config.ts';
import { ROUND_ROBIN, type ServerState } from '../model.ts';

const AFTER: LongLivedConfig = { policy: 'close_after', graceMs: 10_000, spreadMs: 10_000 };
const CLOSE = '\x88\x02\x03\xe9';
/** A masked Close with this code. */
const MASKED = /^\x88\x82([\s\S]{4})([\s\S]{2})$/;
const UPGRADE = (protocol: string): string =>
  `GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: ${protocol}\r\n\r\n`;

/** By what the request asks for: an upgrade, or a stream of events. */
function answer(server: SimulatedPeer): void {
  if (!server.text.endsWith('\r\n\r\n')) return;
  const protocol = /\r\nUpgrade: (\w+)/i.exec(server.text)?.[1];
  if (protocol !== undefined)
    server.send(`HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
  else {
    const type = server.text.includes('GET /events') ? 'text/event-stream' : 'text/plain';
    server.send(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`);
  }
}

async function scene(t: TestContext, policy: LongLivedConfig = AFTER): Promise<Simulated> {
  const upgrade = ['websocket', 'other'];
  return simulate(t, { longLived: { app: policy }, upgrade }, (server) => answer(server));
}

let generation = 1;

/** The table as it is then: the server in this state, or none. */
function setServer({ gateway }: Simulated, change: Partial<ServerState> | null): void {
  generation += 1;
  const servers = change === null ? [] : [serverState(9001, change)];
  const upstreams = [{ name: 'app', balancing: ROUND_ROBIN, slowStartMs: 0, servers }];
  gateway.apply({ generation, upstreams, removed: [] });
}

async function open(
  it: Simulated,
  request = UPGRADE('websocket'),
): Promise<{ client: SimulatedPeer; server: SimulatedPeer }> {
  const client = it.client();
  client.send(request);
  await it.pass(200);
  const server = it.servers.at(-1);
  assert(server !== undefined && client.text.includes('\r\n\r\n'), 'no answer');
  client.text = '';
  server.text = '';
  return { client, server };
}

function counts({ app, gateway }: Simulated): Record<string, number> {
  gateway.figures();
  const { tunnels, tunnelsEnded, tunnelsClosed, tunnelsCut } = app.counters;
  const { streams, streamsEnded, streamsClosed, streamsCut } = app.counters;
  const [server] = app.servers;
  if (server !== undefined) {
    assert.deepEqual(
      [server.counters.tunnelsClosed, server.counters.streams, server.counters.streamsClosed],
      [tunnelsClosed, streams, streamsClosed],
      'the server has the same',
    );
  }
  const all = { tunnels, tunnelsEnded, tunnelsClosed, tunnelsCut };
  const more = { streams, streamsEnded, streamsClosed, streamsCut };
  return Object.fromEntries(Object.entries({ ...all, ...more }).filter(([, count]) => count > 0));
}

test('a WebSocket: the server is told first, and the client gets 1001 behind all that it sent', async (t) => {
  const it = await scene(t, { ...AFTER, policy: 'close_now' });
  const { client, server } = await open(it);
  client.send('\x81\x82\0\0\0\0hi');
  server.send('\x81\x02yo');
  await it.pass(100);
  setServer(it, { admin: 'drain' });
  await it.pass(50);
  const [, mask = '', code = ''] =
    MASKED.exec(server.text.slice('\x81\x82\0\0\0\0hi'.length)) ?? [];
  assert.equal(
    (code.charCodeAt(0) ^ mask.charCodeAt(0)) * 256 + (code.charCodeAt(1) ^ mask.charCodeAt(1)),
    1001,
  );
  assert.equal(client.text, '\x81\x02yo', 'not before the server has answered');
  // Its last words, and a Close with another code: what the client learns is that the server goes.
  server.send('\x81\x03bye\x88\x02\x03\xe8');
  await it.pass(50);
  assert.equal(client.text, `\x81\x02yo\x81\x03bye${CLOSE}`);
  assert(client.isEnded && server.isEnded);
  assert.deepEqual(counts(it), { tunnels: 1, tunnelsClosed: 1 });
  assert.equal(it.app.servers[0]?.inFlight, 0);
});

test('never in the middle of a frame, on either side', async (t) => {
  const it = await scene(t, { ...AFTER, policy: 'close_now' });
  const { client, server } = await open(it);
  client.send('\x81\x85\0\0\0\0hel');
  server.send('\x81\x7e\x01\x00half of it');
  await it.pass(100);
  setServer(it, { admin: 'drain' });
  await it.pass(800);
  client.send('l');
  await it.pass(1000);
  assert.equal(server.text, '\x81\x85\0\0\0\0hell', 'the frame of the client is not whole');
  assert.equal(client.text, '\x81\x7e\x01\x00half of it');
  client.send('o\x81\x81\0\0\0\0x');
  await it.pass(100);
  assert.match(server.text.slice('\x81\x85\0\0\0\0hello'.length), MASKED);
  await it.pass(3000);
  assert.equal(client.text, '\x81\x7e\x01\x00half of it');
  const rest = 'x'.repeat(256 - 'half of it'.length);
  server.send(`${rest}\x81\x02no`);
  await it.pass(100);
  // It was late: the end of the frame is the end.
  assert.equal(client.text, `\x81\x7e\x01\x00half of it${rest}${CLOSE}`);
  assert(client.isEnded);
  assert.deepEqual(counts(it), { tunnels: 1, tunnelsClosed: 1 });
});

test('a server that hangs up in a frame, or has said goodbye before, gets no second word from us', async (t) => {
  const it = await scene(t, { ...AFTER, policy: 'close_now' });
  const broken = await open(it);
  const polite = await open(it);
  broken.server.send('\x81\x7e\x01\x00half of it');
  polite.server.send('\x88\x02\x03\xe8');
  await it.pass(100);
  setServer(it, { admin: 'drain' });
  await it.pass(20);
  broken.server.end();
  await it.pass(2000);
  assert.equal(broken.client.text, '\x81\x7e\x01\x00half of it');
  assert.equal(polite.client.text, '\x88\x02\x03\xe8');
  assert.equal(polite.server.text, '');
  assert(broken.client.isEnded && polite.client.isEnded);
});

test('a server that does not answer is not waited for, and one that hangs up has answered', async (t) => {
  const it = await scene(t, { ...AFTER, policy: 'close_now' });
  const silent = await open(it);
  const other = await open(it);
  const reset = await open(it);
  setServer(it, { admin: 'drain' });
  await it.pass(20);
  other.server.end();
  reset.server.reset();
  await it.pass(100);
  assert.deepEqual([other.client.text, reset.client.text, silent.client.text], [CLOSE, CLOSE, '']);
  await it.pass(1300);
  assert.equal(silent.client.text, CLOSE);
  assert.deepEqual(counts(it), { tunnels: 3, tunnelsClosed: 3 });
});

test('a server that has more to say is waited for, but not for ever', async (t) => {
  const it = await scene(t, { ...AFTER, policy: 'close_now' });
  const { client, server } = await open(it);
  setServer(it, { admin: 'drain' });
  for (let piece = 0; piece < 30; piece += 1) {
    server.send('\x81\x02yo');
    await it.pass(250);
    if (client.isEnded) break;
  }
  const frames = (client.text.length - CLOSE.length) / 4;
  assert(frames >= 16 && frames <= 24, `${frames} frames: about 5 s`);
  assert.equal(client.text, `${'\x81\x02yo'.repeat(frames)}${CLOSE}`);
});

test('other tunnels end with a FIN to the server, then to the client', async (t) => {
  const it = await scene(t, { ...AFTER, policy: 'close_now' });
  const { client, server } = await open(it, UPGRADE('other'));
  setServer(it, { admin: 'drain' });
  await it.pass(50);
  assert(server.isEnded && !client.isEnded);
  server.send('last');
  server.end();
  await it.pass(50);
  assert.equal(client.text, 'last');
  assert(client.isEnded);
  assert.deepEqual(counts(it), { tunnels: 1, tunnelsClosed: 1 });
});

test('a stream of events ends behind an event, and its client goes on with the connection', async (t) => {
  const it = await scene(t, { ...AFTER, policy: 'close_now' });
  const whole = await open(it, 'GET /events HTTP/1.1\r\nHost: a\r\n\r\n');
  const half = await open(it, 'GET /events HTTP/1.1\r\nHost: a\r\n\r\n');
  const download = await open(it, 'GET /file HTTP/1.1\r\nHost: a\r\n\r\n');
  whole.server.send('9\r\ndata: 1\n\n\r\n');
  half.server.send('5\r\ndata:\r\n');
  download.server.send('5\r\nbytes\r\n');
  await it.pass(100);
  assert.deepEqual(counts(it), { streams: 2 });
  setServer(it, { admin: 'drain' });
  await it.pass(2000);
  assert.equal(whole.client.text, '9\r\ndata: 1\n\n\r\n0\r\n\r\n');
  assert.equal(half.client.text, '5\r\ndata:\r\n', 'its event is not whole');
  half.server.send('c\r\n2\n\ndata: 3\n\n\r\n');
  await it.pass(100);
  assert.equal(half.client.text, '5\r\ndata:\r\n3\r\n2\n\n\r\n0\r\n\r\n');
  assert(!whole.client.isEnded && !half.client.isEnded);
  // What only takes long is left alone, and is a stream after 10 s.
  await it.pass(9000);
  assert.deepEqual(counts(it), { streams: 3, streamsClosed: 2 });
  download.server.send('0\r\n\r\n');
  await it.pass(100);
  assert.equal(download.client.text, '5\r\nbytes\r\n0\r\n\r\n');
  assert.deepEqual(counts(it), { streams: 3, streamsEnded: 1, streamsClosed: 2 });
  const { answered, cut, lost } = it.app.counters;
  assert.deepEqual([answered, cut, lost], [3, 0, 0]);
  // The next request of that connection.
  setServer(it, { admin: 'ready' });
  whole.client.text = '';
  whole.client.send('GET /events HTTP/1.1\r\nHost: a\r\n\r\n');
  await it.pass(100);
  assert.match(whole.client.text, /^HTTP\/1\.1 200 /);
});

test('a stream to a client of HTTP/1.0 is cut as before: nothing would show that it is whole', async (t) => {
  const it = await scene(t, { ...AFTER, policy: 'close_now' });
  const { client, server } = await open(it, 'GET /events HTTP/1.0\r\nHost: a\r\n\r\n');
  server.send('9\r\ndata: 1\n\n\r\n');
  setServer(it, { admin: 'drain' });
  await it.pass(2000);
  assert(!client.isEnded && !client.isClosed);
  server.destroy();
  await it.pass(100);
  assert.deepEqual(counts(it), { streams: 1, streamsCut: 1 });
});

/** When each of 20 WebSockets got its Close, ms after the drain. */
async function closeTimes(t: TestContext, policy: LongLivedConfig): Promise<number[]> {
  const it = await scene(t, policy);
  const opened = [];
  for (let count = 0; count < 20; count += 1) opened.push(await open(it));
  for (const { server } of opened) server.send('\x81\x02yo');
  await it.pass(100);
  const startMs = it.now();
  setServer(it, { admin: 'maint' });
  const times = new Map<SimulatedPeer, number>();
  while (times.size < opened.length && it.now() < startMs + 60_000) {
    await it.pass(100);
    for (const { client, server } of opened) {
      if (server.text !== '' && !server.isEnded) server.end();
      if (client.isEnded && !times.has(client)) times.set(client, it.now() - startMs);
    }
  }
  for (const { client } of opened)
    assert.equal(client.text, times.has(client) ? `\x81\x02yo${CLOSE}` : '\x81\x02yo');
  return [...times.values()];
}

test('close_after spreads them over the grace', async (t) => {
  const times = await closeTimes(t, AFTER);
  assert.equal(times.length, 20);
  for (let second = 0; second < 10; second += 1) {
    const within = times.filter((ms) => ms > second * 1000 - 400 && ms <= second * 1000 + 1400);
    assert(within.length >= 1 && within.length <= 5, `${within.length} in second ${second}`);
  }
  assert(Math.max(...times) <= 10_400, `${times}`);
});

test('with a spread they have the rest of the grace to themselves', async (t) => {
  const times = await closeTimes(t, { ...AFTER, spreadMs: 2000 });
  assert.equal(times.length, 20);
  assert(Math.min(...times) >= 8000 && Math.max(...times) <= 10_400, `${times}`);
});

test('close_now and wait', async (t) => {
  const now = await closeTimes(t, { ...AFTER, policy: 'close_now' });
  assert(now.length === 20 && Math.max(...now) <= 300, `${now}`);
  assert.deepEqual(await closeTimes(t, { ...AFTER, policy: 'wait' }), []);
});

test('a server that comes back keeps its tunnels, and one that leaves the list loses them', async (t) => {
  const it = await scene(t, { ...AFTER, spreadMs: 0 });
  const { client } = await open(it);
  setServer(it, { admin: 'drain' });
  await it.pass(9000);
  setServer(it, { admin: 'ready' });
  await it.pass(60_000);
  assert.equal(client.text, '');
  setServer(it, null);
  await it.pass(12_000);
  assert.equal(client.text, CLOSE);
  // An upgrade that was under way when its server was taken out.
  assert.deepEqual(counts(it), { tunnels: 1, tunnelsClosed: 1 });
});

test('an upgrade that comes through after the drain has the rest of the grace', async (t) => {
  const late: SimulatedPeer[] = [];
  const it = await simulate(t, { longLived: { app: AFTER } }, (server) => {
    if (!late.includes(server)) late.push(server);
  });
  const client = it.client();
  client.send(UPGRADE('websocket'));
  await it.pass(100);
  setServer(it, { admin: 'drain' });
  await it.pass(3000);
  const [server] = late;
  assert(server !== undefined);
  server.send('HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
  await it.pass(13_000);
  assert(client.text.endsWith(CLOSE), client.text);
  assert.deepEqual(counts(it), { tunnels: 1, tunnelsClosed: 1 });
});
