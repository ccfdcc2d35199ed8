import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { freePorts } from '../../test/release-builders.ts';
import type { Address } from '../base/units.ts';
import { type Answer, isListening, probe } from './probe.ts';

const SETTINGS = { path: '/ping', timeoutMs: 10_000, versionHeader: 'X-App-Version' };

/** An instance that answers each connection with these bytes, and then closes unless told not to. */
async function answering(t: TestContext, act: (socket: Socket) => void): Promise<Address> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => act(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  return {
    host: '127.0.0.1',
    port: typeof address === 'object' && address !== null ? address.port : 0,
  };
}

/** The answer with its time taken out of the text. */
async function ask(address: Address, settings = SETTINGS): Promise<Answer> {
  const answer = await probe(address, settings);
  return { ...answer, text: answer.text.replace(/\d+ms/, 'Nms') };
}

const answers: readonly [string, string, Partial<Answer>][] = [
  [
    'a 200 with the version',
    'HTTP/1.1 200 OK\r\nx-app-version: v2\r\ncontent-length: 2\r\n\r\nok',
    { ok: true, text: '200 in Nms', version: 'v2' },
  ],
  ['a 204', 'HTTP/1.1 204 No Content\r\n\r\n', { ok: true, text: '204 in Nms', version: '' }],
  [
    'a 503, with its body in short',
    `HTTP/1.1 503 X\r\n\r\nno\r\n  database\u0007 ${'x'.repeat(5000)}`,
    { ok: false, text: `503 in Nms: no database ${'x'.repeat(108)}` },
  ],
  [
    'a redirect, with where it goes',
    'HTTP/1.1 301 X\r\nlocation: https://app/\r\ncontent-length: 0\r\n\r\n',
    { ok: false, text: '301 in Nms: -> https://app/' },
  ],
  [
    'what is not HTTP',
    'SSH-2.0-OpenSSH_9.2\r\n',
    { ok: false, text: 'broken answer: Parse Error: Expected HTTP/, RTSP/ or ICE/' },
  ],
  [
    'a body that breaks off',
    'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok',
    { ok: false, text: 'ECONNRESET' },
  ],
  ['an answer that closes at once', '', { ok: false, text: 'ECONNRESET' }],
];

for (const [name, bytes, expected] of answers) {
  test(`probe: ${name}`, async (t) => {
    const address = await answering(t, (socket) => socket.end(bytes));
    assert.deepEqual({ version: '', refused: false, ...expected }, await ask(address));
  });
}

test('probe: no answer in time, also when it stalls in the body', async (t) => {
  const settings = { ...SETTINGS, timeoutMs: 50 };
  for (const bytes of ['', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok']) {
    const sockets: Socket[] = [];
    const address = await answering(t, (socket) => {
      sockets.push(socket);
      socket.write(bytes);
    });
    assert.deepEqual((await ask(address, settings)).text, 'no answer within Nms');
    for (const socket of sockets) socket.destroy();
  }
});

test('probe: nothing listens', async () => {
  const [port = 0] = await freePorts(1);
  const address = { host: '127.0.0.1', port };
  const answer = await ask(address);
  assert.deepEqual(answer, { ok: false, text: 'connect ECONNREFUSED', version: '', refused: true });
  assert.equal(await isListening(address), false);
});

test('probe: something listens', async (t) => {
  const address = await answering(t, () => {});
  assert.equal(await isListening(address), true);
});
