// Real clients and servers through the gateway: ws, undici, node:http with a keep-alive agent, an
// old HTTP/1.0 client, curl.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { type EventEmitter, once } from 'node:events';
import { existsSync } from 'node:fs';
import { Agent, createServer, request, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Pool } from 'undici';
import { rawExchange, startGateway, type TestGateway } from '../support/gateway/builders.ts';
import { eventually, within } from '../support/gateway/lab.ts';

type Socket = EventEmitter & {
  send(data: Buffer, options?: { readonly binary: boolean }): void;
  close(code: number, reason: string): void;
  terminate(): void;
};

// The package ws brings no types: these are of what is used here.
const { WebSocket, WebSocketServer } = createRequire(import.meta.url)('ws') as {
  readonly WebSocket: new (url: string) => Socket;
  readonly WebSocketServer: new (options: {
    readonly server: Server;
  }) => EventEmitter & { close(): void };
};

/** Answers with the method, the target, the length and the digest of what it got. */
async function startEcho(t: TestContext): Promise<TestGateway & { readonly server: Server }> {
  const server = createServer(async (incoming, response) => {
    const hash = createHash('sha1');
    let length = 0;
    for await (const piece of incoming) {
      length += piece.length;
      hash.update(piece);
    }
    const text = `${incoming.method} ${incoming.url} ${length} ${hash.digest('hex')}`;
    if (incoming.url === '/chunked') response.write('');
    response.end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { ...(await startGateway(t, [address.port])), server };
}

function isQuiet({ upstreams }: TestGateway): boolean {
  const app = upstreams.get('app');
  return app?.counters.inFlight === 0 && app.servers.every((server) => server.inFlight === 0);
}

function echoOf(method: string, target: string, body: Buffer): string {
  const digest = createHash('sha1').update(body).digest('hex');
  return `${method} ${target} ${body.length} ${digest}`;
}

test('ws: messages of all sizes both ways, a close with its code, an abort', async (t) => {
  const lab = await startEcho(t);
  const sockets = new WebSocketServer({ server: lab.server });
  t.after(() => sockets.close());
  const closes: number[] = [];
  sockets.on('connection', (socket: Socket) => {
    socket.on('error', () => {});
    socket.on('message', (data: Buffer, binary: boolean) => socket.send(data, { binary }));
    socket.on('close', (code: number) => closes.push(code));
  });
  const clients = Array.from({ length: 20 }, () => new WebSocket(`ws://127.0.0.1:${lab.port}/ws`));
  await Promise.all(clients.map((client) => within('open', once(client, 'open'))));
  for (const bytes of [0, 1, 125, 126, 65_535, 65_536, 3_000_000]) {
    await Promise.all(
      clients.map(async (client, index) => {
        const sent = Buffer.alloc(bytes, index + 1);
        const echo = once(client, 'message');
        client.send(sent);
        const [received] = await within(`an echo of ${bytes} bytes`, echo);
        assert.ok(sent.equals(received), `${bytes} bytes`);
      }),
    );
  }
  assert.equal(lab.upstreams.get('app')?.servers[0]?.inFlight, 20);
  for (const client of clients.slice(0, 10)) client.close(4001, 'enough');
  for (const client of clients.slice(10)) {
    client.on('error', () => {});
    client.terminate();
  }
  await eventually('all closes', () => closes.length === 20);
  assert.deepEqual(
    [closes.filter((c) => c === 4001).length, closes.filter((c) => c === 1006).length],
    [10, 10],
  );
  await eventually('quiet', () => isQuiet(lab));
  assert.equal(lab.upstreams.get('app')?.counters.answered, 20);
  // The gateway goes on as HTTP where the server does not take the upgrade.
  sockets.close();
  assert.equal(await get(lab, new Agent()), echoOf('GET', '/', Buffer.alloc(0)));
});

async function get(lab: TestGateway, agent: Agent): Promise<string> {
  const sent = request({ host: '127.0.0.1', port: lab.port, agent }).end();
  const [response] = await within('a response', once(sent, 'response'));
  let text = '';
  for await (const piece of response) text += String(piece);
  return text;
}

test('undici: hundreds of requests, some pipelined, with bodies of all kinds', async (t) => {
  const lab = await startEcho(t);
  const pool = new Pool(`http://127.0.0.1:${lab.port}`, { connections: 8, pipelining: 4 });
  t.after(() => pool.destroy());
  const results = Array.from({ length: 400 }, async (_, index) => {
    const method = (['GET', 'POST', 'PUT', 'DELETE'] as const)[index % 4] ?? 'GET';
    const body = index % 4 === 0 ? Buffer.alloc(0) : Buffer.alloc((index * 977) % 150_000, index);
    const path = index % 3 === 0 ? '/chunked' : `/x?${index}`;
    const sent = index % 5 === 0 ? Readable.from(pieces(body)) : body;
    const response = await pool.request({ method, path, body: index % 4 === 0 ? null : sent });
    assert.equal(await response.body.text(), echoOf(method, path, body));
  });
  await within('all answers', Promise.all(results));
  await eventually('quiet', () => isQuiet(lab));
  const counters = lab.upstreams.get('app')?.counters;
  assert.deepEqual([counters?.answered, counters?.lost, counters?.cut], [400, 0, 0]);
});

async function* pieces(body: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += 10_000) yield body.subarray(at, at + 10_000);
}

test('node:http with a keep-alive agent: few connections, every answer its own', async (t) => {
  const lab = await startEcho(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  t.after(() => agent.destroy());
  const empty = echoOf('GET', '/', Buffer.alloc(0));
  const all = await within('all', Promise.all(Array.from({ length: 200 }, () => get(lab, agent))));
  assert.ok(all.every((text) => text === empty));
  assert.ok(lab.gateway.connections() <= 4);
});

test('an HTTP/1.0 client, with and without keep-alive', async (t) => {
  const lab = await startEcho(t);
  const empty = echoOf('GET', '/chunked', Buffer.alloc(0));
  const plain = await rawExchange(t, lab.port, 'GET /chunked HTTP/1.0\r\n\r\n');
  assert.ok(plain.endsWith(`\r\n\r\n${empty}`), plain);
  const kept = 'GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n';
  const last = 'GET / HTTP/1.0\r\nHost: a\r\n\r\n';
  const text = await within('the end', rawExchange(t, lab.port, kept + kept + last));
  assert.equal(text.split('HTTP/1.1 200 OK').length - 1, 3);
  assert.equal(text.split('Connection: keep-alive').length - 1, 2);
});

test('curl: get, head, upload with expect, chunked upload, http/1.0', async (t) => {
  if (!existsSync('/usr/bin/curl')) {
    assert.equal(process.env['CI'], undefined, 'curl is missing');
    return t.skip('curl is not installed');
  }
  const lab = await startEcho(t);
  const url = `http://127.0.0.1:${lab.port}/`;
  const curl = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)('curl', ['-sS', '--max-time', '20', ...args])).stdout;
  const body = Buffer.alloc(2_000_000, 'b');
  const empty = Buffer.alloc(0);
  assert.equal(await curl(url), echoOf('GET', '/', empty));
  assert.equal(await curl('-0', url), echoOf('GET', '/', empty));
  assert.match(await curl('-I', url), /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(await curl(url, url), echoOf('GET', '/', empty).repeat(2));
  const upload = (...args: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = execFile(
        'curl',
        ['-sS', '--max-time', '20', '-T', '-', ...args, url],
        (error, stdout) => (error === null ? resolve(stdout) : reject(error)),
      );
      child.stdin?.end(body);
    });
  assert.equal(await upload(), echoOf('PUT', '/', body));
  assert.equal(await upload('-H', 'Expect: 100-continue'), echoOf('PUT', '/', body));
  assert.equal(await upload('-X', 'POST'), echoOf('POST', '/', body));
});
