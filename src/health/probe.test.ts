// What a probe makes of servers, good and hostile, on real sockets. Deadlines are long where the
// answer decides and short only where nothing ever comes.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { LoopWatch } from './loop-watch.ts';
import { type ProbeResult, startProbe } from './probe.ts';
import type { CheckSpec } from './spec.ts';

const LONG_MS = 60_000;
const SHORT_MS = 200;

type Behaviour = (socket: Socket) => void;

const answering =
  (text: string): Behaviour =>
  (socket) => {
    socket.once('data', () => socket.end(text, 'latin1'));
  };

type Case = readonly [
  type: 'http' | 'tcp',
  name: string,
  behave: Behaviour,
  expected: RegExp,
  timeoutMs?: number,
];

const CASES: readonly Case[] = [
  ['http', '200', answering('HTTP/1.1 200 OK\r\n\r\n'), /^pass: 200 in /],
  ['http', '302', answering('HTTP/1.0 302 Found\r\n\r\n'), /^pass: 302 in /],
  ['http', '404', answering('HTTP/1.1 404 Not Found\r\n\r\n'), /^fail: 404 in .*, not expected$/],
  ['http', '503', answering('HTTP/1.1 503 No\r\n\r\n'), /^fail: 503 in .*, not expected$/],
  [
    'http',
    'an interim 100 before a 200',
    answering('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'),
    /^fail: 100 in .*, not expected$/,
  ],
  [
    'http',
    'a status line and then nothing more, connection open',
    (socket) => socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n')),
    /^pass: 200 in /,
  ],
  [
    'http',
    'a status line and then an endless body',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      pour(socket, Buffer.alloc(65_536, 'x'));
    },
    /^pass: 200 in /,
  ],
  [
    'http',
    'a status line in single bytes',
    (socket) => socket.once('data', () => drip(socket, 'HTTP/1.1 200 OK\r\n')),
    /^pass: 200 in /,
  ],
  [
    'http',
    'a drip that never ends the line',
    (socket) => socket.once('data', () => drip(socket, 'HTTP/1.1 200'.padEnd(1e6, ' '))),
    /^fail: no answer within 200ms$/,
    SHORT_MS,
  ],
  [
    'http',
    'endless bytes without a line end',
    (socket) => {
      socket.write('HTTP/1.1 200 ');
      pour(socket, Buffer.alloc(65_536, 'x'));
    },
    /^fail: no HTTP status line but "HTTP\/1.1 200 xxxxxxxxxxx…"$/,
  ],
  [
    'http',
    'a TLS hello',
    answering('\x16\x03\x03\x00\x7a\x02'),
    /^fail: no HTTP status line but ".*"$/,
  ],
  [
    'http',
    'an SSH banner',
    (socket) => socket.write('SSH-2.0-OpenSSH_9.2p1 Debian\r\n'),
    /^fail: no HTTP status line but "SSH-2.0-OpenSSH_9.2p1 De…"$/,
  ],
  [
    'http',
    'an answer before the request',
    (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n'),
    /^pass: 200 in /,
  ],
  [
    'http',
    'a close without an answer',
    (socket) => socket.once('data', () => socket.end()),
    /^fail: closed before a status line$/,
  ],
  [
    'http',
    'a half close and then silence',
    (socket) => socket.end(),
    /^fail: (closed before a status line|connection EPIPE)$/,
  ],
  [
    'http',
    'a close in the middle of the status line',
    answering('HTTP/1.1 200 O'),
    /^fail: closed before a status line$/,
  ],
  [
    'http',
    'a reset',
    (socket) => socket.once('data', () => socket.resetAndDestroy()),
    /^fail: connection ECONNRESET$/,
  ],
  ['http', 'silence', () => {}, /^fail: no answer within 200ms$/, SHORT_MS],
  ['tcp', 'silence', () => {}, /^pass: open in /],
  ['tcp', 'a greeting', (socket) => socket.write('220 ready\r\n'), /^pass: (data|open) in /],
  ['tcp', 'a flood', (socket) => pour(socket, Buffer.alloc(65_536)), /^pass: (data|open) in /],
];

for (const [type, name, behave, expected, timeoutMs] of CASES) {
  test(`${type}: ${name} gives ${expected.source}`, async (t) => {
    const server = await listen(t, behave);
    const result = await probe(server, { type, timeoutMs: timeoutMs ?? LONG_MS });
    assert.match(`${result.outcome}: ${result.reason}`, expected);
  });
}

// A close that comes after the look would be missed, so these servers close in the accept itself;
// the test pauses nothing and still may lose the race on a starved machine only towards a wait, as
// the probe looks at its socket before it declares the time over.
for (const [name, behave, expected] of [
  ['closes', (socket: Socket) => socket.end(), /^fail: closed right after connect$/],
  ['resets', (socket: Socket) => socket.resetAndDestroy(), /^fail: connect(ion)? ECONNRESET$/],
] as const) {
  test(`tcp: a server that ${name} right after accept is dead`, async (t) => {
    const server = await listen(t, behave);
    const result = await probe(server, { type: 'tcp' });
    assert.match(`${result.outcome}: ${result.reason}`, expected);
  });
}

test('a refused connection fails with its code', async (t) => {
  const server = await listen(t, () => {});
  const { port } = address(server);
  await closeServer(server);
  for (const type of ['http', 'tcp'] as const) {
    assert.deepEqual(await probeAt(port, { type }), {
      outcome: 'fail',
      reason: 'connect ECONNREFUSED',
      code: 'ECONNREFUSED',
    });
  }
});

test('an impossible port fails, and never before startProbe has returned', async () => {
  const result = await probeAt(70_000, { type: 'tcp' });
  assert.deepEqual(result, {
    outcome: 'fail',
    reason: 'connect ERR_SOCKET_BAD_PORT',
    code: 'ERR_SOCKET_BAD_PORT',
  });
});

test('an expected class passes, also 1xx when it is asked for', async (t) => {
  const server = await listen(t, answering('HTTP/1.1 100 Continue\r\n\r\n'));
  const result = await probe(server, { expect: ['http_1xx', 'http_4xx'] });
  assert.equal(result.outcome, 'pass');
});

test('sends the text byte for byte, with host, port and id filled in', async (t) => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const server = await listen(t, (socket) => {
    socket.once('data', (chunk) => {
      resolve(chunk.toString('latin1'));
      socket.end('HTTP/1.1 200 OK\r\n\r\n');
    });
  });
  await probe(server, {
    send: 'GET /\xe9?{id} HTTP/1.0\r\nHost: {host}:{port}\r\nX: {x}$&\r\n\r\n',
  });
  const { port } = address(server);
  assert.equal(
    await promise,
    `GET /\xe9?127.0.0.1:${port} HTTP/1.0\r\nHost: 127.0.0.1:${port}\r\nX: {x}$&\r\n\r\n`,
  );
});

test('probes the port of the spec while the text names the port of the server', async (t) => {
  const server = await listen(t, answering('HTTP/1.1 200 OK\r\n\r\n'));
  const result = await probeAt(1, { port: address(server).port });
  assert.equal(result.outcome, 'pass');
});

test('closes its socket after the verdict and when it is closed without one', async (t) => {
  const { promise: bothClosed, resolve } = Promise.withResolvers<void>();
  let closed = 0;
  const server = await listen(t, (socket) => {
    socket.resume();
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      closed += 1;
      if (closed === 2) resolve();
    });
  });
  await probe(server, { type: 'tcp' });
  const connected = once(server, 'connection');
  const running = startProbe({
    ...target(address(server).port),
    spec: spec({}),
    watch: { stalledMs: () => 0 },
    now: () => performance.now(),
    onEnd: () => assert.fail('a closed probe has no result'),
  });
  await connected;
  running.close();
  await bothClosed;
});

test('a timeout while our own loop stood still is not counted', async (t) => {
  const watch = new LoopWatch(() => performance.now());
  t.after(() => watch.close());
  const server = await listen(t, () => blockLoop(4 * SHORT_MS));
  const result = await probe(server, { timeoutMs: SHORT_MS }, watch);
  assert.equal(result.outcome, 'void');
  assert.match(result.reason, /^late, not counted: this process stalled for /);
});

test('an answer that came while our own loop stood still counts', async (t) => {
  // The server lives on another thread. It answers when this thread stands still, and this thread
  // goes on standing still until the deadline is over.
  const signals = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(
    `const { createServer } = require('node:net');
     const { parentPort, workerData } = require('node:worker_threads');
     const server = createServer((socket) => {
       socket.on('error', () => {});
       socket.once('data', () => {
         parentPort.postMessage('asked');
         Atomics.wait(workerData, 0, 0);
         socket.write('HTTP/1.1 200 OK\\r\\n\\r\\n', () => {
           Atomics.store(workerData, 1, 1);
           Atomics.notify(workerData, 1);
         });
       });
     });
     server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`,
    { eval: true, workerData: signals },
  );
  t.after(() => worker.terminate());
  const [port] = await once(worker, 'message');
  const timeoutMs = 1000;
  worker.once('message', () => {
    Atomics.store(signals, 0, 1);
    Atomics.notify(signals, 0);
    Atomics.wait(signals, 1, 0);
    blockLoop(2 * timeoutMs);
  });
  const result = await probeAt(port, { timeoutMs });
  assert.equal(result.outcome, 'pass', result.reason);
});

test('running out of sockets here is not the fault of the server', async (t) => {
  const server = await listen(t, () => {});
  for (const code of ['EMFILE', 'EADDRNOTAVAIL']) {
    const error = Object.assign(new Error(code), { code });
    t.mock.method(await import('node:net').then((net) => net.Socket.prototype), 'connect', () => {
      throw error;
    });
    const result = await probe(server, {});
    assert.deepEqual(result, {
      outcome: 'void',
      reason: `not counted: no connection possible here, ${code}`,
    });
    t.mock.restoreAll();
  }
});

function spec(part: Partial<CheckSpec>): CheckSpec {
  return {
    type: 'http',
    intervalMs: 1000,
    timeoutMs: LONG_MS,
    rise: 2,
    fall: 3,
    defaultDown: true,
    port: 0,
    send: 'GET /ping HTTP/1.0\r\n\r\n',
    reads: 'line',
    expect: ['http_2xx', 'http_3xx'],
    ...part,
  };
}

function target(port: number): { id: string; host: string; port: number } {
  return { id: `127.0.0.1:${port}`, host: '127.0.0.1', port };
}

function probe(
  server: Server,
  part: Partial<CheckSpec>,
  watch: Pick<LoopWatch, 'stalledMs'> = { stalledMs: () => 0 },
): Promise<ProbeResult> {
  return probeAt(address(server).port, part, watch);
}

function probeAt(
  port: number,
  part: Partial<CheckSpec>,
  watch: Pick<LoopWatch, 'stalledMs'> = { stalledMs: () => 0 },
): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    let isReturned = false;
    startProbe({
      ...target(port),
      spec: spec(part),
      watch,
      now: () => performance.now(),
      onEnd: (result) => {
        if (isReturned) resolve(result);
        else reject(new Error('ended before startProbe returned'));
      },
    });
    isReturned = true;
  });
}

async function listen(t: TestContext, behave: Behaviour): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}); // The probe resets connections: that is its right.
    behave(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await closeServer(server);
  });
  return server;
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  await once(server, 'close');
}

function address(server: Server): AddressInfo {
  const bound = server.address();
  assert.ok(bound !== null && typeof bound === 'object');
  return bound;
}

/** Write as fast as the reader takes it, for ever. */
function pour(socket: Socket, chunk: Buffer): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk)) {
      // Until the buffer is full.
    }
  };
  socket.on('drain', more);
  more();
}

/** One byte per turn of the loop. */
function drip(socket: Socket, text: string): void {
  let sent = 0;
  const more = (): void => {
    if (socket.destroyed || sent >= text.length) return;
    socket.write(text[sent] ?? '', 'latin1');
    sent += 1;
    setTimeout(more, 1);
  };
  more();
}

function blockLoop(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
