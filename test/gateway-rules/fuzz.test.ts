// Noise from both sides of a running gateway: seeded mutations of good messages, cut, doubled and
// reset at random places. Nothing may be left in flight, nobody's secret may reach another client,
// and the gateway still serves.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../support/base/random.ts';
import {
  RawClient,
  rawExchange,
  serverState,
  startRawServer,
} from '../support/gateway/builders.ts';
import { eventually, get, post, startLab, within } from '../support/gateway/lab.ts';

const ROUNDS = 25;
const CLIENTS = 40;
const SEED = Number(process.env['SLUICE_SEED'] ?? 1);

const REQUESTS = [
  get(),
  get('Connection: close'),
  get('Connection: upgrade', 'Upgrade: websocket'),
  get().repeat(3),
  `${post('Content-Length: 5')}hello`,
  `${post('Transfer-Encoding: chunked')}5;a="b"\r\nhello\r\n0\r\nT: x\r\n\r\n`,
  `${post('Expect: 100-continue', 'Content-Length: 5')}hello${get()}`,
  'HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
];

const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\nhello',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello',
  'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello',
];

const TOKENS = [
  '\r\n',
  '\r',
  '\n',
  '\0',
  ' ',
  '\t',
  ':',
  '0',
  'chunked',
  'Content-Length: 3\r\n',
  '\r\n\r\n',
  '\xff',
  ';',
  ',',
];

/** The text with up to three random injuries. */
function mutated(text: string, random: () => number): string {
  let result = text;
  for (let count = Math.floor(random() * 4); count > 0; count -= 1) {
    const at = Math.floor(random() * (result.length + 1));
    const token = TOKENS[Math.floor(random() * TOKENS.length)] ?? '';
    const kind = random();
    if (kind < 0.3) result = result.slice(0, at) + token + result.slice(at);
    else if (kind < 0.5) result = result.slice(0, at) + result.slice(at + 1);
    else if (kind < 0.7) {
      result = result.slice(0, at) + String.fromCharCode(random() * 256) + result.slice(at + 1);
    } else if (kind < 0.8) result = result.slice(0, at);
    else if (kind < 0.9) result += result.slice(at);
    else result = Array.from({ length: at }, () => String.fromCharCode(random() * 256)).join('');
  }
  return result;
}

test(`survives noise from both sides (seed ${SEED})`, async (t) => {
  const random = seededRandom(SEED);
  const pick = (texts: readonly string[]): string =>
    texts[Math.floor(random() * texts.length)] ?? '';
  const noisy = await startRawServer(t, (socket) => {
    const text = mutated(pick(RESPONSES), random);
    const at = Math.floor(random() * text.length);
    socket.write(text.slice(0, at), 'latin1');
    setImmediate(() => {
      if (socket.destroyed || socket.writableEnded) return;
      socket.write(text.slice(at), 'latin1');
      const fate = random();
      if (fate < 0.2) socket.resetAndDestroy();
      else if (fate < 0.4) socket.destroy();
      else if (fate < 0.6) socket.end();
    });
  });
  const lab = await startLab(t, {
    timeouts: {
      clientHeaderMs: 300,
      clientBodyMs: 300,
      responseMs: 300,
      readMs: 300,
      keepaliveMs: 300,
      tunnelMs: 300,
      lingeringMs: 300,
    },
  });
  const good = lab.upstreams.get('app')?.servers[0]?.port ?? 0;
  lab.setServers([serverState(noisy.port, { maxFails: 0 })]);
  for (let round = 0; round < ROUNDS; round += 1) {
    const clients = Array.from({ length: CLIENTS }, async () => {
      const client = new RawClient(t, lab.port);
      const text = mutated(pick(REQUESTS), random);
      const at = Math.floor(random() * text.length);
      client.send(text.slice(0, at));
      await new Promise((resolve) => setImmediate(resolve));
      client.send(text.slice(at));
      const fate = random();
      if (fate < 0.2) client.socket.resetAndDestroy();
      else if (fate < 0.3) client.socket.destroy();
      else if (fate < 0.5) client.socket.end();
      else if (fate < 0.7) client.send(pick(REQUESTS));
      if (fate < 0.9) {
        await new Promise((resolve) => setTimeout(resolve, random() * 20));
        client.socket.destroy();
      } else await within('the gateway to give up', client.ended());
      client.socket.destroy();
    });
    await Promise.all(clients);
  }
  await eventually('quiet', lab.isQuiet);
  const app = lab.upstreams.get('app');
  assert.ok(app !== undefined);
  const { requests, answered, cut, lost, clientGone } = app.counters;
  assert.equal(requests, answered + cut + lost + clientGone);
  for (const count of [answered, cut, lost, clientGone]) assert.ok(count > 0, 'too tame');
  lab.setServers([serverState(good)]);
  const last = await within('an answer', rawExchange(t, lab.port, get('Connection: close')));
  assert.match(last, /ok GET \/ HTTP\/1\.1$/);
});
