// The control client against servers that answer well, badly, late and never.

import assert from 'node:assert/strict';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { NO_ANSWERS, NO_LASTING } from '../../test/support/admin/documents.ts';
import { PARTIAL } from '../../test/support/base/scopes.ts';
import type { DrainDocument, ReceiptDocument, StatusDocument } from '../admin.ts';
import { createControlClient } from './control-client.ts';
import { parseControlUrl } from './endpoint.ts';

const READY = { state: 'ready', owner: '', reason: '', sinceMs: 0 } as const;

const DRAIN: DrainDocument = {
  server: '127.0.0.1:9001',
  admin: { state: 'drain', owner: 'user:alice', reason: 'why', sinceMs: 1 },
  generation: 7,
  acknowledged: true,
  inFlight: 2,
  tunnels: 1,
  streams: 0,
  idle: false,
  givenBack: false,
  eligibility: 'drain',
  scope: PARTIAL,
};
const RECEIPT: ReceiptDocument = {
  id: 'r1',
  upstream: 'app',
  openedAtMs: 1,
  requests: 10,
  answered: 10,
  answers: NO_ANSWERS,
  retried: 1,
  cut: 0,
  lost: 0,
  clientGone: 0,
  stillInFlight: 0,
  tunnels: NO_LASTING,
  streams: NO_LASTING,
  longestGapMs: 3,
  workersLost: 0,
  servers: [
    {
      id: '127.0.0.1:9001',
      attempts: 11,
      answered: 10,
      answers: NO_ANSWERS,
      failures: 1,
      retried: 1,
      cut: 0,
      lost: 0,
      clientGone: 0,
      tunnels: NO_LASTING,
      streams: NO_LASTING,
    },
  ],
  gateways: [
    {
      name: 'pid 7 on web-2',
      ...{ requests: 10, answered: 10, retried: 1, cut: 0, lost: 0, clientGone: 0 },
      ...{ stillInFlight: 0, missing: '' },
    },
  ],
  complete: false,
  scope: PARTIAL,
};
const STATUS: StatusDocument = {
  version: '0.1.0',
  generation: 7,
  startedAtMs: 1,
  process: { pid: 1, trouble: '' },
  configuration: { file: '/etc/sluice.yaml', appliedAtMs: 1, trouble: '' },
  certificates: [],
  scope: PARTIAL,
  gateways: [
    {
      ...{ id: 'web-2-7-abc', name: 'pid 7 on web-2', state: 'silent', sinceMs: 1 },
      ...{
        version: '0.1.0',
        control: '10.0.0.2:8700',
        generation: 6,
        index: 2,
        current: false,
        lagMs: 0,
      },
    },
  ],
  workers: [{ id: 1, pid: 2, generation: 7, connections: 0, silentMs: 100 }],
  registries: [],
  registry: {
    name: 'default',
    kind: 'embedded',
    recordPrefix: 'upstreams/',
    address: '127.0.0.1:8500',
    reachable: true,
    index: 3,
    lastContactMs: 1,
    trouble: '',
  },
  upstreams: [
    {
      name: 'app',
      balance: 'round_robin',
      eligible: 1,
      problems: [],
      servers: [
        {
          id: '127.0.0.1:9001',
          addresses: ['127.0.0.1'],
          weight: 1,
          maxFails: 1,
          failTimeoutMs: 10_000,
          maxConns: 0,
          backup: false,
          source: 'config',
          registry: '',
          alsoIn: [],
          admin: READY,
          checks: 'up',
          mustPass: true,
          checkReason: '200 in 1ms',
          checkType: 'http',
          checkPort: 0,
          riseCount: 2,
          fallCount: 0,
          eligibility: 'ok',
          outElsewhere: [{ gateway: 'pid 7 on web-2', eligibility: 'ejected' }],
          settled: true,
          givenBack: false,
          ...{ inFlight: 0, tunnels: 0, streams: 0 },
          requests: 5,
          failures: 0,
          failedInARow: 0,
          lastFailure: '',
          lastFailureMs: 0,
          ejectedUntilMs: 0,
          ...{ ramp: 1, oldestRequest: '', oldestSinceMs: 0 },
          restarts: 0,
          lastExit: '',
          lastExitMs: 0,
          resting: '',
        },
      ],
    },
  ],
};

test('asks for the status and hands the document on as it is', async (t) => {
  const { client, seen } = await control(t, answerWith(200, STATUS));
  assert.deepEqual(await client.status(), STATUS);
  assert.deepEqual(seen, [{ line: 'GET /api/status', body: '', authorization: undefined }]);
});

test('sends admin requests, weights and receipts to the paths of the control API', async (t) => {
  const { client, seen } = await control(t, (request, response) => {
    const last = request.url?.split('/').at(-1);
    const weight = { server: '127.0.0.1:9001', weight: 5 };
    const document = last === 'admin' ? DRAIN : last === 'weight' ? weight : RECEIPT;
    answerWith(200, document)(request, response);
  });
  const asked = { state: 'drain', owner: 'user:alice', reason: 'why', keepEligible: 1 } as const;
  assert.deepEqual(await client.setAdmin('a b', '[::1]:80', asked), DRAIN);
  await client.setWeight('app', '127.0.0.1:9001', 5);
  assert.deepEqual(await client.openReceipt('app'), RECEIPT);
  assert.deepEqual(await client.readReceipt('r/1'), RECEIPT);
  assert.deepEqual(
    seen.map(({ line, body }) => `${line} ${body}`.trim()),
    [
      `POST /api/upstreams/a%20b/servers/%5B%3A%3A1%5D%3A80/admin ${JSON.stringify(asked)}`,
      'POST /api/upstreams/app/servers/127.0.0.1%3A9001/weight {"weight":5}',
      'POST /api/upstreams/app/receipts {}',
      'GET /api/receipts/r%2F1',
    ],
  );
});

test('does not take a weight for written because some program said 200', async (t) => {
  const { client } = await control(t, answerWith(200, { hello: 'world' }));
  await assert.rejects(client.setWeight('app', '127.0.0.1:9001', 5), {
    code: 'unreachable',
    message: /answered status 200 with an unknown body/,
  });
});

test('carries the bearer token', async (t) => {
  const { client, seen } = await control(t, answerWith(200, STATUS), { token: 'secret' });
  await client.status();
  assert.equal(seen[0]?.authorization, 'Bearer secret');
});

test('returns metrics as the text they are', async (t) => {
  const { client } = await control(t, (_request, response) => void response.end('a_total 1\n'));
  assert.equal(await client.metrics(), 'a_total 1\n');
});

test('asks again while a wait goes on, and stops when the server is idle', async (t) => {
  let asked = 0;
  const { client, seen } = await control(t, (request, response) => {
    asked += 1;
    answerWith(200, { ...DRAIN, idle: true, inFlight: 0 })(request, response);
  });
  assert.equal((await client.awaitIdle('app', '127.0.0.1:9001', 90_000)).idle, true);
  assert.equal(asked, 1);
  assert.equal(seen[0]?.line, 'GET /api/upstreams/app/servers/127.0.0.1%3A9001/idle?wait=30000ms');
});

test('a long wait is asked for in parts, until its end', async (t) => {
  let nowMs = 0;
  t.mock.method(performance, 'now', () => nowMs);
  const { client, seen } = await control(t, (request, response) => {
    nowMs += Number(/wait=(\d+)ms/.exec(request.url ?? '')?.[1]);
    answerWith(200, DRAIN)(request, response);
  });
  assert.equal((await client.awaitIdle('app', 'a:1', 70_000)).idle, false);
  assert.deepEqual(
    seen.map(({ line }) => line.split('?')[1]),
    ['wait=30000ms', 'wait=30000ms', 'wait=10000ms'],
  );
});

test('a server that is idle after a long wait is not asked about again', async (t) => {
  let nowMs = 0;
  t.mock.method(performance, 'now', () => nowMs);
  const { client, seen } = await control(t, (request, response) => {
    nowMs += 29_000;
    answerWith(200, { ...DRAIN, idle: true })(request, response);
  });
  assert.equal((await client.awaitIdle('app', 'a:1', 70_000)).idle, true);
  assert.equal(seen.length, 1);
});

test('does not ask in a busy loop when the daemon answers a wait too early', async (t) => {
  const { client, seen } = await control(t, answerWith(200, DRAIN));
  assert.equal((await client.awaitIdle('app', '127.0.0.1:9001', 60_000)).idle, false);
  assert.equal(seen.length, 1);
});

test('hands back the code, the message and the details of the daemon', async (t) => {
  const error = {
    code: 'guard_refused',
    message: 'upstream "app": 0 would stay',
    details: { left: 0 },
  };
  const { client } = await control(t, answerWith(409, { error }));
  await assert.rejects(client.status(), {
    code: 'guard_refused',
    message: 'upstream "app": 0 would stay',
    details: { left: 0 },
  });
});

test('a code that this version does not know becomes internal', async (t) => {
  const error = { code: 'constructor', message: 'from the future' };
  const { client } = await control(t, answerWith(409, { error }));
  await assert.rejects(client.status(), { code: 'internal', message: 'from the future' });
});

test('401 says where the token comes from', async (t) => {
  const error = { code: 'unauthorized', message: 'no bearer token' };
  const { client } = await control(t, answerWith(401, { error }));
  await assert.rejects(client.status(), {
    code: 'unauthorized',
    message: /^control API 127\.0\.0\.1:\d+: it asks for a token; set SLUICE_TOKEN$/,
  });
});

test('401 with a token says that it is not accepted', async (t) => {
  const error = { code: 'unauthorized', message: 'wrong bearer token' };
  const { client } = await control(t, answerWith(401, { error }), { token: 'secret' });
  await assert.rejects(client.status(), {
    code: 'unauthorized',
    message: /: it does not accept the token; check SLUICE_TOKEN$/,
  });
});

for (const [name, body] of [
  ['HTML', '<h1>It works!</h1>'],
  ['JSON of another shape', '{"version":"1"}'],
  ['a list', '[]'],
  ['an empty body', ''],
  ['a document with one wrong field', JSON.stringify({ ...STATUS, generation: '7' })],
  ['a wrong field deep inside', JSON.stringify({ ...STATUS, workers: [{ id: 1 }] })],
] as const) {
  test(`an answer that is ${name} is taken for another program`, async (t) => {
    const { client } = await control(t, (_request, response) => void response.end(body));
    await assert.rejects(client.status(), { code: 'unreachable', message: /another program/ });
  });
}

test('an answer without end is given up at a limit, and taken for another program', async (t) => {
  const part = Buffer.alloc(1024 * 1024);
  const { client } = await control(t, (_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(part));
    };
    response.on('drain', more);
    more();
  });
  await assert.rejects(client.status(), {
    code: 'unreachable',
    message: /answered more than 67108864 bytes; is it another program/,
  });
});

test('an error page of another program is named by its status', async (t) => {
  const { client } = await control(t, (_request, response) => {
    response.statusCode = 404;
    response.end('not here');
  });
  await assert.rejects(client.status(), {
    code: 'unreachable',
    message: /answered status 404 without an error code; is it another program/,
  });
});

test('bytes that are not HTTP are unreachable, not a crash', async (t) => {
  const url = await rawServer(t, (socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
  await assert.rejects(createControlClient({ url }).status(), {
    code: 'unreachable',
    message: /it does not speak HTTP/,
  });
});

test('an answer that breaks off is unreachable', async (t) => {
  const url = await rawServer(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"ver');
    socket.once('data', () => socket.destroy());
  });
  await assert.rejects(createControlClient({ url }).status(), {
    code: 'unreachable',
    message: /the connection broke/,
  });
});

test('a server that accepts and says nothing is a timeout', async (t) => {
  const url = await rawServer(t, () => {});
  await assert.rejects(createControlClient({ url, timeoutMs: 50 }).status(), {
    code: 'timeout',
    message: /^control API 127\.0\.0\.1:\d+: no answer within 50ms/,
  });
});

test('a body that never ends is a timeout too', async (t) => {
  const { client } = await control(t, (_request, response) => void response.write('{'), {
    timeoutMs: 100,
  });
  await assert.rejects(client.status(), { code: 'timeout' });
});

test('a renewal for which nobody waits any more leaves no connection', async (t) => {
  const begun = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const url = await rawServer(t, (socket) => {
    socket.once('data', () => begun.resolve());
    socket.once('close', () => closed.resolve());
  });
  const { releases } = createControlClient({ url });
  const over = new AbortController();
  const renewal = releases.renew('app', { fence: 1, heard: 0, waitMs: 600_000 }, over.signal);
  await begun.promise;
  over.abort();
  await assert.rejects(renewal, { code: 'unreachable' });
  await closed.promise;
});

test('a port on which nothing listens is unreachable and names the command', async () => {
  const server = createServer();
  const url = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(createControlClient({ url }).status(), {
    code: 'unreachable',
    message: /^control API 127\.0\.0\.1:\d+: nothing listens there; start it with "sluice serve"/,
  });
});

test('the next gateway is asked when one is away, and then first', async (t) => {
  const away = createServer();
  const closed = await listen(away);
  await new Promise((resolve) => away.close(resolve));
  const stuck = await rawServer(t, () => {});
  let closing = true;
  const one = await control(t, (request, response) => {
    const error = { code: 'unreachable', message: 'shutting down' };
    answerWith(closing ? 502 : 200, closing ? { error } : STATUS)(request, response);
  });
  const two = await control(t, answerWith(200, STATUS));
  const url = `${closed},${stuck}, ${one.url},${two.url}`;
  const client = createControlClient({ url, timeoutMs: 100 });
  assert.deepEqual(await client.status(), STATUS);
  assert.deepEqual([one.seen.length, two.seen.length], [1, 1]);
  closing = false;
  await client.status();
  assert.deepEqual([one.seen.length, two.seen.length], [1, 2], 'the one that answered goes on');
});

test('a refusal is an answer: no other gateway is asked', async (t) => {
  for (const code of ['guard_refused', 'timeout', 'forbidden']) {
    const error = { code, message: 'no' };
    const one = await control(t, answerWith(409, { error }));
    const two = await control(t, answerWith(200, STATUS));
    await assert.rejects(createControlClient({ url: `${one.url},${two.url}` }).status(), { code });
    assert.equal(two.seen.length, 0);
  }
});

test('when no gateway answers, each is named', async () => {
  const server = createServer();
  const url = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(createControlClient({ url: `${url},${url}` }).status(), {
    code: 'unreachable',
    message: /^no gateway of 2 answers:\n(control API 127\.0\.0\.1:\d+: nothing listens.*\n?){2}$/,
  });
});

for (const url of [
  'ssh://-oProxyCommand=x',
  'ssh://a b@x',
  'ssh://u:p@x',
  'ssh://x/y',
  'ssh://',
  'ssh://-x@h',
]) {
  test(`${url} is no way through ssh`, () => {
    assert.throws(() => createControlClient({ url }), {
      code: 'usage',
      message: /ssh:\/\/user@host/,
    });
  });
}

test('an address is taken with or without http://', () => {
  assert.equal(parseControlUrl('127.0.0.1:8700').href, 'http://127.0.0.1:8700/');
  assert.equal(parseControlUrl('http://[::1]:8700').host, '[::1]:8700');
});

for (const url of [
  'ftp://x:1',
  'http://x:1/path',
  'http://u:p@x:1',
  'http://x:1?q',
  '',
  'http://x:99999',
]) {
  test(`${JSON.stringify(url)} is no control address`, () => {
    assert.throws(() => parseControlUrl(url), { code: 'usage' });
  });
}

type Seen = { line: string; body: string; authorization: string | undefined };

async function control(
  t: TestContext,
  answer: RequestListener,
  options: { token?: string; timeoutMs?: number } = {},
) {
  const seen: Seen[] = [];
  const server = createHttpServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const line = `${request.method} ${request.url}`;
      seen.push({ line, body, authorization: request.headers.authorization });
      answer(request, response);
    });
  });
  const url = await listen(server);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { client: createControlClient({ url, ...options }), seen, url };
}

function answerWith(status: number, document: unknown): RequestListener {
  return (_request, response) => {
    response.statusCode = status;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(document));
  };
}

async function rawServer(t: TestContext, onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    onSocket(socket);
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return listen(server);
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A TCP server's address is never a path.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
