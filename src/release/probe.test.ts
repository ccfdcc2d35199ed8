// What the release's check makes of servers, good and odd, on real sockets; and that the upstream's
// check, configured in the same words, makes the same of each.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';

import { freePorts } from '../../test/support/base/ports.ts';
import { anyPair } from '../../test/support/gateway/certificates.ts';
import type { Address } from '../base/units.ts';
import { parseConfig } from '../config.ts';
import { startProbe } from '../health.ts';
import { type Answer, probe } from './probe.ts';

const LONG = '30s';
/** For what never comes. */
const SHORT = '200ms';

type Both = { readonly release: Answer; readonly upstream: string };

/** Asks one server by both checks of a configuration. */
async function askBoth(address: Address, check: string, timeout: string, more = ''): Promise<Both> {
  const at = `"${address.host}:${address.port}"`;
  const config = parseConfig(
    `upstreams: { app: { servers: ${at}, check: { timeout: ${timeout}, ${check} }${more} } }
services: { app: { instances: ${at}, start: x, check: { timeout: ${timeout} }, expect_version: { header: X-App-Version } } }`,
    'f',
    { PROBE_TOKEN: 'Bearer abc' },
  );
  const [service] = config.services;
  const spec = config.upstreams[0]?.check;
  assert.ok(service !== undefined && spec !== null && spec !== undefined);
  const upstream = new Promise<string>((resolve) => {
    startProbe({
      id: `${address.host}:${address.port}`,
      ...address,
      spec,
      watch: { stalledMs: () => 0 },
      now: () => performance.now(),
      onEnd: ({ outcome, reason }) => resolve(`${outcome}: ${withoutTime(reason)}`),
    });
  });
  const ask = () => probe(address, { ...service, timeoutMs: service.checkTimeoutMs });
  let release = await ask();
  // What a process that stood still says is not counted, and asked again.
  while (release.isVoid) release = await ask();
  return { release, upstream: await upstream };
}

function withoutTime(text: string): string {
  return text.replace(/ in \d+ms/, ' in Nms');
}

type Behaviour = (socket: Socket, request: string) => void;

const answering =
  (...pieces: string[]): Behaviour =>
  (socket) => {
    for (const piece of pieces) socket.write(piece, 'latin1');
    socket.end();
  };

/** A server that says this and leaves the connection open. */
const saying =
  (text: string): Behaviour =>
  (socket) => {
    socket.write(text, 'latin1');
  };

async function listening(t: TestContext, server: Server): Promise<Address> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const bound = server.address();
  return { host: '127.0.0.1', port: typeof bound === 'object' && bound !== null ? bound.port : 0 };
}

const raw = (act: Behaviour): Server =>
  createServer({ allowHalfOpen: true }, (socket) => {
    socket.once('data', (chunk: Buffer) => act(socket, chunk.toString('latin1')));
  });

/** 426 to HTTP/1.0, as some servers answer for ever; 403 to a foreign Host, as Rails and Django. */
const application: RequestListener = (request, response) => {
  const isForeign = !/^app\.example(:|$)/.test(request.headers.host ?? '');
  response.statusCode = request.httpVersion === '1.0' ? 426 : isForeign ? 403 : 204;
  response.end(isForeign && response.statusCode === 403 ? 'Blocked host' : '');
};

type Case = readonly [
  name: string,
  server: (() => Server) | Behaviour,
  expected: string | RegExp,
  options?: { readonly check?: string; readonly timeout?: string; readonly version?: string },
];

const CASES: readonly Case[] = [
  [
    'a 200 with the version',
    answering('HTTP/1.1 200 OK\r\nx-app-version: v2\r\ncontent-length: 2\r\n\r\nok'),
    'pass: 200 in Nms',
    { version: 'v2' },
  ],
  ['a 204', answering('HTTP/1.1 204 No Content\r\n\r\n'), 'pass: 204 in Nms'],
  [
    'a 304 with a length and no body',
    saying('HTTP/1.1 304 X\r\ncontent-length: 9\r\n\r\n'),
    'pass: 304 in Nms',
  ],
  ['an answer of HTTP/1.0', answering('HTTP/1.0 200 OK\r\n\r\nhello'), 'pass: 200 in Nms'],
  [
    'a status line without a reason',
    answering('HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n'),
    'pass: 200 in Nms',
  ],
  ['line ends without CR', answering('HTTP/1.1 200 OK\ncontent-length: 0\n\n'), 'pass: 200 in Nms'],
  [
    'interim answers first',
    answering(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n',
      'HTTP/1.1 200 OK\r\n\r\n',
    ),
    'pass: 200 in Nms',
  ],
  [
    'interim answers before a 503',
    saying('HTTP/1.1 102 X\r\n\r\nHTTP/1.1 503 X\r\ncontent-length: 2\r\n\r\nno'),
    'fail: 503 in Nms, not expected: no',
  ],
  [
    'a chunked body',
    saying('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nt: x\r\n\r\n'),
    'pass: 200 in Nms',
  ],
  [
    'a 503 in chunks, with its body in short',
    answering(
      `HTTP/1.1 503 X\r\ntransfer-encoding: chunked\r\n\r\n3\r\nno\u0007\r\nd\r\n  database ok\r\n0\r\n\r\n`,
    ),
    'fail: 503 in Nms, not expected: no database ok',
  ],
  [
    'a 503 whose body never ends',
    saying(`HTTP/1.1 503 X\r\n\r\nno ${'x'.repeat(500)}`),
    `fail: 503 in Nms, not expected: no ${'x'.repeat(117)}`,
  ],
  [
    'a page as error',
    answering('HTTP/1.1 500 X\r\n\r\n<html>secret</html>'),
    'fail: 500 in Nms, not expected',
  ],
  [
    'a redirect',
    answering('HTTP/1.1 301 X\r\nlocation: https://app/\r\ncontent-length: 0\r\n\r\n'),
    'pass: 301 in Nms',
  ],
  [
    'a redirect where 2xx alone is alive',
    answering('HTTP/1.1 301 X\r\nlocation: https://app/\r\ncontent-length: 0\r\n\r\n'),
    'fail: 301 in Nms, not expected: -> https://app/',
    { check: 'path: /ping, expect: http_2xx' },
  ],
  ['a body beyond what is read', (socket) => pour(socket), 'pass: 200 in Nms'],
  [
    'a body that breaks off',
    answering('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok'),
    'fail: 200, but closed in the middle of the body',
  ],
  [
    'a head that breaks off',
    answering('HTTP/1.1 200 OK\r\nx: y'),
    'fail: closed in the middle of the head',
  ],
  [
    'a reset in the body',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\nok', () => socket.resetAndDestroy());
    },
    'fail: connection ECONNRESET',
  ],
  ['a close without an answer', answering(''), 'fail: closed before a status line'],
  [
    'a slow head',
    saying('HTTP/1.1 200 OK\r\nx: '),
    'fail: no answer within 200ms',
    { timeout: SHORT },
  ],
  [
    'a body that stalls',
    saying('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok'),
    'fail: 200, but its body did not end within 200ms',
    { timeout: SHORT },
  ],
  [
    'an unwanted status and a body that stalls',
    saying('HTTP/1.1 503 X\r\ncontent-length: 9\r\n\r\nno'),
    /^fail: 503 in \S+, not expected: no$/,
    { timeout: SHORT },
  ],
  [
    'what is not HTTP',
    answering('SSH-2.0-OpenSSH_9.2\r\n'),
    'fail: no HTTP status line but "SSH-2.0-OpenSSH_9.2.."',
  ],
  [
    'a line without an end',
    (socket) => pour(socket, 'x'),
    /^fail: broken answer: a line without an end$/,
  ],
  [
    'an endless head',
    (socket) => pour(socket, 'x: y\r\n'),
    'fail: broken answer: a head over 65536 bytes',
  ],
  [
    'a field line that is none',
    answering('HTTP/1.1 200 OK\r\nx y\r\n\r\n'),
    'fail: broken answer: field line "x y"',
  ],
  [
    'two lengths',
    answering('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok'),
    'fail: 200, but broken answer: content-length is not one number',
  ],
  [
    'a length and chunks',
    answering(
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ),
    'fail: 200, but broken answer: content-length and transfer-encoding',
  ],
  [
    'another coding',
    answering('HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n'),
    'fail: 200, but broken answer: transfer-encoding is not exactly chunked',
  ],
  [
    'chunks in HTTP/1.0',
    answering('HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
    'fail: 200, but broken answer: transfer-encoding in HTTP/1.0',
  ],
  [
    'a chunk size that is none',
    answering('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'),
    'fail: 200, but broken answer: chunk size "zz"',
  ],
  [
    'a chunk that is longer',
    answering('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n'),
    'fail: 200, but broken answer: a chunk longer than its size',
  ],
  ['a TLS port', () => createTlsServer({}), /^fail: /],
  [
    'an application asked by a foreign Host',
    () => createHttpServer(application),
    /^fail: 403 in Nms, not expected, asked for Host 127\.0\.0\.1:\d+: Blocked host$/,
  ],
  [
    'an application asked by its Host',
    () => createHttpServer(application),
    'pass: 204 in Nms',
    { check: 'path: /ping, host: app.example' },
  ],
  [
    'a Host without a path',
    () => createHttpServer(application),
    'pass: 204 in Nms',
    { check: 'host: "app.example:{port}"' },
  ],
];

for (const [name, behave, expected, options = {}] of CASES) {
  test(`both checks: ${name}`, async (t) => {
    const server = behave.length === 0 ? (behave as () => Server)() : raw(behave as Behaviour);
    const address = await listening(t, server);
    const { check = 'path: /ping', timeout = LONG, version = '' } = options;
    const { release, upstream } = await askBoth(address, check, timeout);
    const text = `${release.ok ? 'pass' : 'fail'}: ${withoutTime(release.text)}`;
    assert.equal(text, upstream);
    if (typeof expected === 'string') assert.equal(text, expected);
    else assert.match(text, expected);
    assert.deepEqual([release.version, release.refused, release.isVoid], [version, false, false]);
  });
}

test('both checks send the same request, with the fields that are asked for', async (t) => {
  const requests: string[] = [];
  const address = await listening(
    t,
    raw((socket, request) => {
      requests.push(request);
      socket.end('HTTP/1.1 204 X\r\n\r\n');
    }),
  );
  const other = { host: '127.0.0.1', port: 1 };
  const check = `path: "/p?q", host: app.example, port: ${address.port}, headers: { x-probe: "{id}", authorization: "env:PROBE_TOKEN", User-Agent: me }`;
  const { upstream } = await askBoth(other, check, LONG);
  assert.equal(upstream, 'pass: 204 in Nms');
  const expected =
    'GET /p?q HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\nx-probe: 127.0.0.1:1\r\nauthorization: Bearer abc\r\nUser-Agent: me\r\n\r\n';
  assert.deepEqual(requests, [expected, expected]);
});

test("without a path the upstream's check sends its text, and its first status line decides", async (t) => {
  const requests: string[] = [];
  const act: Behaviour = (socket, request) => {
    requests.push(request);
    socket.write('HTTP/1.1 200 OK\r\nx');
  };
  const address = await listening(t, raw(act));
  const { upstream } = await askBoth(address, 'type: http', SHORT);
  assert.equal(upstream, 'pass: 200 in Nms');
  const own = `GET /ping HTTP/1.1\r\nHost: 127.0.0.1:${address.port}\r\nConnection: close\r\nUser-Agent: sluice-check\r\n\r\n`;
  assert.deepEqual(requests.sort(), ['GET / HTTP/1.0\r\n\r\n', own]);
});

test('probe: nothing listens', async () => {
  const [port = 0] = await freePorts(1);
  const address = { host: '127.0.0.1', port };
  const { release, upstream } = await askBoth(address, 'path: /', LONG);
  const text = 'connect ECONNREFUSED';
  assert.deepEqual(release, { ok: false, isVoid: false, text, version: '', refused: true });
  assert.equal(upstream, `fail: ${text}`);
});

/** An answer and then the same for ever, as fast as it is taken. */
function pour(socket: Socket, text = ''): void {
  socket.write(text === '' ? 'HTTP/1.1 200 OK\r\n\r\n' : 'HTTP/1.1 200 OK\r\n');
  const chunk = Buffer.from((text || 'x').repeat(10_000));
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk)) {
      // Until the buffer is full.
    }
  };
  socket.on('drain', more);
  more();
}

test('both ask over TLS where the upstream has it, and as the check says where that has its own', async (t) => {
  const pair = anyPair();
  const server = createHttpsServer({ cert: pair.cert, key: pair.key }, (_, response) => {
    response.setHeader('X-App-Version', '7').end('ok');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close());
  const bound = server.address();
  assert(typeof bound === 'object' && bound !== null);
  const address = { host: '127.0.0.1', port: bound.port };
  const good = `tls: { ca: ${pair.files.cert} }`;
  for (const [check, more, expected] of [
    ['path: /ping', `, ${good}`, /^200 in /],
    ['path: /ping', ', tls: {}', /^TLS: its certificate is self-signed/],
    [`path: /ping, ${good}`, ', tls: {}', /^200 in /],
    [`path: /ping, type: https, ${good}`, '', /^200 in /],
    ['path: /ping', '', /^(?:closed|connection|no HTTP|400)/],
  ] as const) {
    const { release, upstream } = await askBoth(address, check, LONG, more);
    assert.match(release.text, expected);
    assert.equal(release.ok, upstream.startsWith('pass: '));
    assert.equal(release.version, release.ok ? '7' : '');
    assert.equal(upstream.replace(/^\w+: /, ''), withoutTime(release.text));
  }
});
