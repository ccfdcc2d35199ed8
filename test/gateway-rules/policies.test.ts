// What a configuration may change (rules 23, 45 to 47, 51, 55), and max_conns.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { frontScheme, RawClient, serverState } from '../support/gateway/builders.ts';
import {
  converse,
  eventually,
  get,
  head,
  readResponses,
  startLab,
  values,
  within,
} from '../support/gateway/lab.ts';

const LAST = 'Connection: close';

test('a trusted proxy is believed and appended to', async (t) => {
  const lab = await startLab(t, { trustedProxies: ['127.0.0.0/8'], via: true });
  const lines = ['X-Forwarded-For: 6.6.6.6, 7.7.7.7', 'x-forwarded-for: 8.8.8.8'];
  const others = ['X-Forwarded-Proto: https', 'X-Forwarded-Host: b', 'Via: 1.1 b', 'Forwarded: c'];
  await converse(t, lab.port, get(LAST, ...lines, ...others));
  await converse(t, lab.port, get(LAST));
  const [first, second] = lab.requests;
  assert.ok(first !== undefined && second !== undefined);
  assert.deepEqual(values(first, 'x-forwarded-for'), ['6.6.6.6, 7.7.7.7, 8.8.8.8, 127.0.0.1']);
  assert.deepEqual(values(first, 'x-real-ip'), ['8.8.8.8']);
  assert.deepEqual(values(first, 'x-forwarded-proto'), ['https']);
  assert.deepEqual(values(first, 'x-forwarded-host'), ['b']);
  assert.deepEqual(values(first, 'via'), ['1.1 b', '1.1 sluice']);
  assert.deepEqual(values(first, 'forwarded'), []);
  assert.deepEqual(values(second, 'x-forwarded-for'), ['127.0.0.1']);
  assert.deepEqual(values(second, 'x-forwarded-proto'), [frontScheme]);
});

test('an address that a client wrote reaches neither X-Real-IP nor the access log', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-forged-')), 'access.log');
  t.after(() => rmSync(dirname(file), { recursive: true }));
  const lab = await startLab(t, { trustedProxies: ['127.0.0.1'], accessLog: file });
  const chains = ['1.2.3.4, 5.6.7.8', '"x"', '<script>, 5.6.7.8:99', '6.6.6.6, unknown', ''];
  for (const chain of chains) {
    await converse(t, lab.port, get(LAST, `X-Forwarded-For: ${chain}`, 'X-Real-IP: 6.6.6.6'));
  }
  const clients = ['5.6.7.8', '127.0.0.1', '5.6.7.8', '127.0.0.1', '127.0.0.1'];
  assert.deepEqual(
    lab.requests.map((request) => values(request, 'x-real-ip')),
    clients.map((client) => [client]),
  );
  lab.gateway.destroy();
  await eventually('the log', () => logged(file).length === clients.length);
  assert.deepEqual(logged(file), clients);
});

function logged(file: string): unknown[] {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  return lines.filter(Boolean).map((line) => JSON.parse(line).client);
}

test('underscores and trace pass when asked for; look-alikes never do', async (t) => {
  const lab = await startLab(t, { underscoresInHeaders: true, allowTrace: true });
  await converse(
    t,
    lab.port,
    head('TRACE / HTTP/1.1', 'Host: a', LAST, 'X_A: b', 'X_Forwarded_For: c', 'Content_Length: 5'),
  );
  const [request] = lab.requests;
  assert.equal(request?.line, 'TRACE / HTTP/1.1');
  assert.ok(request.fields.includes('X_A: b'));
  assert.deepEqual(values(request, 'x_forwarded_for'), []);
  assert.deepEqual(values(request, 'content_length'), []);
});

const UPGRADE = get('Connection: upgrade', 'Upgrade: websocket, chat/2');

test('a tunnel: bytes that come early wait for the 101, and silence ends it', async (t) => {
  const lab = await startLab(
    t,
    { upgrade: ['chat/2'], timeouts: { tunnelMs: 600, lingeringMs: 200 } },
    () => {},
  );
  const client = new RawClient(t, lab.port).send(`${UPGRADE}early`);
  await eventually('the request', () => lab.requests.length === 1);
  assert.deepEqual(values(lab.requests[0] ?? { fields: [] }, 'upgrade'), ['chat/2']);
  assert.doesNotMatch(lab.received[0] ?? '', /early/);
  const [socket] = lab.sockets;
  socket?.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat/2\r\n\r\nglued',
  );
  await within(
    'the glued bytes',
    client.until((text) => text.endsWith('\r\n\r\nglued')),
  );
  await eventually('the early bytes', () => lab.received[0]?.endsWith('early') === true);
  // Bytes of one side alone keep it open for longer than the timeout.
  for (let count = 0; count < 5; count += 1) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    socket?.write('.');
  }
  await within(
    'all of them',
    client.until((text) => text.endsWith('glued.....')),
  );
  await within('the end by silence', client.ended());
  client.socket.destroy();
  await eventually('quiet', lab.isQuiet);
});

test('an upgrade that is refused: bytes behind it are a request again', async (t) => {
  const lab = await startLab(t);
  const { text } = await converse(t, lab.port, UPGRADE + get(LAST));
  assert.equal(readResponses(text, [], true).length, 2);
  assert.equal(lab.requests.length, 2);
});

test('a shutdown waits for a tunnel until its deadline, then ends both sides', async (t) => {
  const lab = await startLab(t, {}, (socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
    );
  });
  const client = new RawClient(t, lab.port).send(UPGRADE);
  await within(
    'the tunnel',
    client.until((text) => text.endsWith('\r\n\r\n')),
  );
  const closed = lab.gateway.close(500);
  client.send('late');
  await eventually('late bytes', () => lab.received[0]?.endsWith('late') === true);
  await within('the close', closed);
  await within('the end', client.ended());
  assert.ok(lab.isQuiet());
});

test('max_conns counts what is in flight, and gives it back however it ends', async (t) => {
  const lab = await startLab(t, { isReasonShown: true }, () => {});
  const port = lab.upstreams.get('app')?.servers[0]?.port ?? 0;
  lab.setServers([serverState(port, { maxConns: 2, maxFails: 0 })]);
  for (let round = 0; round < 6; round += 1) {
    const both = [1, 2].map(() => new RawClient(t, lab.port).send(get()));
    await eventually('two requests', () => lab.requests.length === 2 * (round + 1));
    const { text } = await converse(t, lab.port, get(LAST));
    assert.match(text, /^HTTP\/1\.1 503 .*\r\nRetry-After: 1\r\n.*: .*\(1 full\)/s);
    if (round % 3 === 0) for (const client of both) client.socket.resetAndDestroy();
    else {
      for (const socket of lab.sockets.slice(-2)) {
        if (round % 3 === 1) socket.destroy();
        else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf');
      }
    }
    await eventually('room', () => lab.upstreams.get('app')?.servers[0]?.inFlight === 0);
    for (const client of both) client.socket.destroy();
  }
  await eventually('quiet', lab.isQuiet);
});
