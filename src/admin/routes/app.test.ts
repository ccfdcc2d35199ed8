// The control API over real sockets with a control that only takes notes: documents, refusals,
// access, limits.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { RELEASES_STUB } from '../../../test/support/admin/control.ts';
import {
  NO_ANSWERS,
  NO_LASTING,
  server,
  status,
  upstream,
} from '../../../test/support/admin/documents.ts';
import { KV_CALLS } from '../../../test/support/admin/kv-calls.ts';
import { RELEASE_CALLS } from '../../../test/support/admin/release-calls.ts';
import { noAudit } from '../../../test/support/admin/server.ts';
import { ALONE } from '../../../test/support/base/scopes.ts';
import { type ErrorCode, httpStatus, SluiceError } from '../../base/errors.ts';
import { silentLog } from '../../base/log.ts';
import {
  type AdminRequest,
  type CallRequest,
  type DrainDocument,
  type ReceiptDocument,
  ROUTE_NAMES,
  type RouteName,
  readReply,
  requestOf,
  routeOf,
} from '../contract.ts';
import type { Configuration, Control, Desk, Live, Readiness } from '../control.ts';
import { type AdminServer, serveAdmin } from '../server.ts';

const DRAINED: DrainDocument = {
  server: '127.0.0.1:9001',
  admin: { state: 'drain', owner: 'user:alice', reason: 'test', sinceMs: 1 },
  generation: 4,
  acknowledged: true,
  inFlight: 0,
  tunnels: 0,
  streams: 0,
  idle: true,
  givenBack: false,
  eligibility: 'drain',
  scope: ALONE,
};

const RECEIPT: ReceiptDocument = {
  id: 'r1',
  upstream: 'app',
  openedAtMs: 1,
  requests: 0,
  answered: 0,
  answers: NO_ANSWERS,
  retried: 0,
  cut: 0,
  lost: 0,
  clientGone: 0,
  stillInFlight: 0,
  tunnels: NO_LASTING,
  streams: NO_LASTING,
  longestGapMs: 0,
  workersLost: 0,
  servers: [],
  gateways: [],
  complete: true,
  scope: ALONE,
};

type Call = readonly [string, ...unknown[]];

function fakeControl(calls: Call[]): Control {
  return {
    status: async () => status([upstream('app', [server('127.0.0.1:9001')])]),
    setAdmin: async (name: string, id: string, request: AdminRequest) => {
      calls.push(['setAdmin', name, id, request]);
      if (name === 'full') throw new SluiceError('storage_full', 'state file: not written');
      if (name === 'bug') throw new Error('secret detail');
      return DRAINED;
    },
    awaitIdle: async (name, id, timeoutMs) => {
      calls.push(['awaitIdle', name, id, timeoutMs]);
      return DRAINED;
    },
    setWeight: async (name, id, weight) => void calls.push(['setWeight', name, id, weight]),
    register: async () => {},
    deregister: async () => {},
    openReceipt: async () => RECEIPT,
    readReceipt: async (id) => {
      if (id !== 'r1') {
        throw new SluiceError('not_found', `receipt ${id}: unknown`, { details: { id } });
      }
      return RECEIPT;
    },
    releases: RELEASES_STUB,
    metrics: async (format) => `sluice_generation 1\n${format === 'openmetrics' ? '# EOF\n' : ''}`,
  };
}

async function start(
  t: TestContext,
  options: {
    readonly calls?: Call[];
    readonly control?: Control;
    readonly token?: string;
    readonly host?: string;
    readonly readiness?: () => Readiness;
    readonly live?: Live;
    readonly desk?: Desk;
    readonly configuration?: Configuration;
  } = {},
): Promise<{ readonly admin: AdminServer; readonly url: string }> {
  const admin = await serveAdmin({
    control: options.control ?? fakeControl(options.calls ?? []),
    readiness: options.readiness ?? (() => ({ reason: '', isClosing: false })),
    host: options.host ?? '127.0.0.1',
    port: 0,
    token: options.token ?? '',
    log: silentLog,
    ...noAudit(),
    ...(options.live === undefined ? {} : { live: options.live }),
    ...(options.desk === undefined ? {} : { desk: options.desk }),
    ...(options.configuration === undefined ? {} : { configuration: options.configuration }),
  });
  t.after(() => admin.close());
  return { admin, url: `http://127.0.0.1:${admin.address.port}` };
}

/** Sends raw bytes (fetch does not let us choose Host) and returns the whole answer. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (data: string) => {
      answer += data;
    });
    socket.on('end', () => socket.destroy());
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

const SERVER_PATH = '/api/upstreams/app/servers/127.0.0.1:9001';

test('ready says why not, without a token; when it shuts down nothing else is answered', async (t) => {
  let now: Readiness = { reason: '0 of 2 workers accept clients', isClosing: false };
  const { url } = await start(t, { token: 'secret', readiness: () => now });
  const headers = { authorization: 'Bearer secret' };
  const ask = async (path: string): Promise<[number, string]> => {
    const response = await fetch(`${url}${path}`, {
      headers: path.startsWith('/api') ? headers : {},
    });
    return [response.status, await response.text()];
  };
  const reason = '{"status":"not ready","reason":"0 of 2 workers accept clients"}';
  assert.deepEqual(await ask('/readyz'), [503, reason]);
  assert.equal((await ask('/api/status'))[0], 200);
  now = { reason: '', isClosing: false };
  assert.deepEqual(await ask('/readyz'), [200, '{"status":"ready"}']);
  now = { reason: 'shutting down', isClosing: true };
  assert.deepEqual(await ask('/readyz'), [503, '{"status":"not ready","reason":"shutting down"}']);
  assert.deepEqual(await ask('/healthz'), [200, '{"status":"ok"}']);
  const [code, text] = await ask('/api/status');
  assert.equal(code, 502);
  assert.equal(JSON.parse(text).error.code, 'unreachable');
});

test('documents come as JSON', async (t) => {
  const { url } = await start(t);
  const response = await fetch(`${url}/api/status`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.deepEqual(await response.json(), status([upstream('app', [server('127.0.0.1:9001')])]));
  const one = await fetch(`${url}/api/upstreams/app`);
  assert.deepEqual(await one.json(), upstream('app', [server('127.0.0.1:9001')]));
  assert.equal((await fetch(`${url}/api/upstreams/web`)).status, 404);
});

test('an admin request reaches the control with its server id, also an encoded one', async (t) => {
  const calls: Call[] = [];
  const { url } = await start(t, { calls });
  const request = { state: 'drain', owner: 'user:alice', reason: 'disk', keepEligible: 1 };
  const body = JSON.stringify(request);
  const response = await fetch(`${url}${SERVER_PATH}/admin`, { method: 'POST', body });
  assert.deepEqual(await response.json(), DRAINED);
  const id = encodeURIComponent('[::1]:9001');
  await fetch(`${url}/api/upstreams/app/servers/${id}/admin`, { method: 'POST', body });
  assert.deepEqual(calls, [
    ['setAdmin', 'app', '127.0.0.1:9001', request],
    ['setAdmin', 'app', '[::1]:9001', request],
  ]);
});

test('a request body that is not as documented is refused with its reason', async (t) => {
  const calls: Call[] = [];
  const { url } = await start(t, { calls });
  const bodies: readonly (readonly [string, string, RegExp])[] = [
    ['admin', '', /not JSON/],
    ['admin', '{"state":', /not JSON/],
    ['admin', '[]', /must be an object/],
    ['admin', '{"state":"down","owner":"a"}', /"state" must be/],
    ['admin', '{"state":"drain"}', /"owner" must be/],
    ['admin', '{"state":"drain","owner":""}', /"owner" must be/],
    ['admin', '{"state":"drain","owner":"kv"}', /"owner" must not be "kv"/],
    ['admin', '{"state":"ready","owner":"config"}', /"owner" must not be "config"/],
    ['admin', '{"state":"drain","owner":"a","keepEligible":-1}', /"keepEligible" must be/],
    ['admin', '{"state":"drain","owner":"a","keep_eligible":1}', /"keep_eligible" is not known/],
    ['weight', '{"weight":0}', /"weight" must be/],
    ['weight', '{"weight":1.5}', /"weight" must be/],
    ['weight', '{"weight":"2"}', /"weight" must be/],
    ['weight', '{"weight":1e9}', /"weight" must be/],
  ];
  for (const [action, body, reason] of bodies) {
    const response = await fetch(`${url}${SERVER_PATH}/${action}`, { method: 'POST', body });
    assert.equal(response.status, 400, body);
    const answer = JSON.stringify(await response.json());
    assert.match(answer, /^\{"error":\{"code":"usage"/);
    assert.match(answer.replaceAll('\\"', '"'), reason);
  }
  assert.deepEqual(calls, []);
});

test('the idle wait takes a duration, and cuts an absurd one', async (t) => {
  const calls: Call[] = [];
  const { url } = await start(t, { calls });
  await fetch(`${url}${SERVER_PATH}/idle?wait=250ms`);
  await fetch(`${url}${SERVER_PATH}/idle`);
  await fetch(`${url}${SERVER_PATH}/idle?wait=9d`);
  assert.deepEqual(
    calls.map((call) => call[3]),
    [250, 30_000, 600_000],
  );
  assert.equal((await fetch(`${url}${SERVER_PATH}/idle?wait=5`)).status, 400);
});

test('what the control refuses keeps its code; a fault of ours tells nothing', async (t) => {
  const { url } = await start(t);
  const body = JSON.stringify({ state: 'drain', owner: 'a' });
  const full = await fetch(`${url}/api/upstreams/full/servers/x/admin`, { method: 'POST', body });
  assert.equal(full.status, 507);
  assert.deepEqual(await full.json(), {
    error: { code: 'storage_full', message: 'state file: not written', details: {} },
  });
  const missing = await fetch(`${url}/api/receipts/r2`);
  assert.equal(missing.status, 404);
  assert.deepEqual(await missing.json(), {
    error: { code: 'not_found', message: 'receipt r2: unknown', details: { id: 'r2' } },
  });
  const bug = await fetch(`${url}/api/upstreams/bug/servers/x/admin`, { method: 'POST', body });
  assert.equal(bug.status, 500);
  assert.doesNotMatch(await bug.text(), /secret detail/);
});

test('every error that a route declares is told with its code and status', async (t) => {
  let code: ErrorCode = 'internal';
  const refuse = (): never => {
    throw new SluiceError(code, 'refused');
  };
  const control: Control = {
    ...{ status: refuse, setAdmin: refuse, awaitIdle: refuse, setWeight: refuse },
    ...{
      register: refuse,
      deregister: refuse,
      openReceipt: refuse,
      readReceipt: refuse,
      metrics: refuse,
    },
    releases: {
      ...{ take: refuse, renew: refuse, append: refuse, close: refuse, command: refuse },
      ...{ history: refuse, journal: refuse, instances: refuse, putInstance: refuse },
    },
  };
  const live = { history: refuse, requests: refuse, told: refuse, stream: refuse };
  const records = { list: refuse, entry: refuse, write: refuse, remove: refuse, effect: refuse };
  const releases = { overview: refuse, start: refuse, run: refuse, plan: refuse, output: refuse };
  const desk = { effect: refuse, records, releases };
  const { url } = await start(t, {
    control,
    live,
    desk,
    configuration: { reload: refuse, upgrade: refuse },
  });
  const inputs: { readonly [Name in RouteName]: CallRequest | null } = {
    ...{ health: null, ready: null, session: null, openSession: null, endSession: null },
    status: requestOf('status', {}),
    upstream: requestOf('upstream', { upstream: 'app' }),
    setAdmin: requestOf('setAdmin', {
      ...{ upstream: 'app', server: 'a:1' },
      body: { state: 'drain', owner: 'a', reason: '' },
    }),
    upgrade: requestOf('upgrade', {}),
    reload: requestOf('reload', { body: { dryRun: true } }),
    awaitIdle: requestOf('awaitIdle', { upstream: 'app', server: 'a:1', wait: 1 }),
    setWeight: requestOf('setWeight', { upstream: 'app', server: 'a:1', body: { weight: 1 } }),
    register: requestOf('register', {
      ...{ upstream: 'app', server: 'a:1', body: { owner: 'a', down: true } },
    }),
    deregister: requestOf('deregister', {
      ...{ upstream: 'app', server: 'a:1', body: { owner: 'a' } },
    }),
    effect: requestOf('effect', {
      ...{ upstream: 'app', server: 'a:1', action: 'drain', weight: 0, keep: 1, reason: '' },
    }),
    openReceipt: requestOf('openReceipt', { upstream: 'app' }),
    readReceipt: requestOf('readReceipt', { id: 'r1' }),
    events: null,
    stream: requestOf('stream', { topics: ['overview'], after: '' }),
    requests: requestOf('requests', { upstream: '', kind: 'all', id: '', last: 5 }),
    history: requestOf('history', { upstream: 'app', server: '', span: '1h', gateway: '' }),
    ...RELEASE_CALLS,
    ...KV_CALLS,
    metrics: requestOf('metrics', {}),
    upstream_list: requestOf('upstream_list', { query: 'app' }),
    upstream_status: requestOf('upstream_status', { query: 'format=csv' }),
  };
  for (const name of ROUTE_NAMES) {
    const asked = inputs[name];
    if (asked === null) continue;
    for (code of [...routeOf(name).errors, 'internal' as const]) {
      const { path, ...rest } = asked;
      const response = await fetch(`${url}${path}`, rest);
      const reply = {
        status: response.status,
        contentType: response.headers.get('content-type') ?? '',
        text: await response.text(),
      };
      assert.equal(reply.status, httpStatus(code), `${name} ${code}`);
      const expected = { kind: 'error', code, message: 'refused', details: {} };
      assert.deepEqual(readReply(name, reply), expected, name);
      // Only this one asks for something that the client could send.
      assert.equal(response.headers.get('www-authenticate'), null);
    }
  }
});

test('an unknown path is 404, a wrong method 405 with Allow, both JSON', async (t) => {
  const { url } = await start(t);
  const unknown = await fetch(`${url}/nowhere`);
  assert.equal(unknown.status, 404);
  assert.match(await unknown.text(), /"code":"not_found"/);
  const root = await (await fetch(`${url}/api`)).text();
  assert.match(
    root,
    /: no such page; there are \/healthz, \/readyz, \/api\/session, .*, \/upstream_status"/,
  );
  const wrong = await fetch(`${url}/api/status`, { method: 'DELETE' });
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.get('allow'), 'GET, HEAD');
  assert.match(await wrong.text(), /"code":"method_not_allowed"/);
  const page = await fetch(`${url}/upstream_list`, { method: 'POST' });
  assert.equal(page.status, 405);
  const read = await fetch(`${url}${SERVER_PATH}/admin`);
  assert.equal(read.status, 405);
  assert.equal(read.headers.get('allow'), 'POST');
});

test('a body over the limit is 413, with and without a length, and before its end', {
  timeout: 30_000,
}, async (t) => {
  const { url, admin } = await start(t);
  const body = 'x'.repeat(70_000);
  const response = await fetch(`${url}${SERVER_PATH}/admin`, { method: 'POST', body });
  assert.equal(response.status, 413);
  const chunk = `1000\r\n${'x'.repeat(4096)}\r\n`;
  const answer = await raw(
    admin.address.port,
    `POST ${SERVER_PATH}/admin HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(20)}`,
  );
  assert.match(answer, /^HTTP\/1\.1 413 /);
});

test("a body that breaks off is nobody's fault but the client's", async () => {
  const errors: string[] = [];
  const calls: Call[] = [];
  const log = { ...silentLog, error: (_: unknown, message: string) => void errors.push(message) };
  const control = fakeControl(calls);
  const readiness = (): Readiness => ({ reason: '', isClosing: false });
  const admin = await serveAdmin({
    control,
    readiness,
    host: '127.0.0.1',
    port: 0,
    token: '',
    log,
    ...noAudit(),
  });
  const socket = connect(admin.address.port, '127.0.0.1');
  socket.on('error', () => {});
  const head = `POST ${SERVER_PATH}/admin HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n`;
  await new Promise<void>((resolve) => socket.write(`${head}{"state"`, () => resolve()));
  // Another request is answered: by then the first one's handler waits for its body.
  await fetch(`http://127.0.0.1:${admin.address.port}/healthz`);
  socket.destroy();
  await admin.close();
  assert.deepEqual([errors, calls], [[], []]);
});

test('with a token everything but /healthz and /readyz asks for it', async (t) => {
  const { url } = await start(t, { token: 'correct horse' });
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  for (const path of ['/api/status', '/metrics', '/upstream_list', '/upstream_status']) {
    const none = await fetch(`${url}${path}`);
    assert.equal(none.status, 401, path);
    assert.equal(none.headers.get('www-authenticate'), 'Bearer');
    assert.match(await none.text(), /"code":"unauthorized"/);
    const wrong = await fetch(`${url}${path}`, { headers: { authorization: 'Bearer correct' } });
    assert.equal(wrong.status, 401, path);
    const right = await fetch(`${url}${path}`, {
      headers: { authorization: 'Bearer correct horse' },
    });
    assert.equal(right.status, 200, path);
  }
});

test('metrics are OpenMetrics for who asks for them, and text for everybody else', async (t) => {
  const { url } = await start(t);
  const ask = async (accept: string): Promise<(string | null)[]> => {
    const answer = await fetch(`${url}/metrics`, { headers: { accept } });
    return [answer.headers.get('content-type'), await answer.text()];
  };
  assert.deepEqual(await ask('*/*'), [
    'text/plain; version=0.0.4; charset=utf-8',
    'sluice_generation 1\n',
  ]);
  assert.deepEqual(await ask('application/openmetrics-text;version=1.0.0,text/plain;q=0.5'), [
    'application/openmetrics-text; version=1.0.0; charset=utf-8',
    'sluice_generation 1\n# EOF\n',
  ]);
});

test('without a token only our own host names are answered', async (t) => {
  const { admin } = await start(t);
  const { port } = admin.address;
  const ask = (host: string) =>
    raw(port, `GET /api/status HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
  for (const host of ['127.0.0.1', `127.0.0.1:${port}`, 'localhost:1', '[::1]:80', 'a.localhost']) {
    assert.match(await ask(`Host: ${host}\r\n`), /^HTTP\/1\.1 200 /, host);
  }
  for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example:8700']) {
    assert.match(await ask(`Host: ${host}\r\n`), /^HTTP\/1\.1 403 /, host);
  }
  assert.match(await raw(port, 'GET /api/status HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /);
});

test('a page of another origin may not write', async (t) => {
  const calls: Call[] = [];
  const { url } = await start(t, { calls });
  const body = JSON.stringify({ state: 'drain', owner: 'a' });
  for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1', 'http://']) {
    const response = await fetch(`${url}${SERVER_PATH}/admin`, {
      method: 'POST',
      body,
      headers: { origin },
    });
    assert.equal(response.status, 403, origin);
  }
  assert.deepEqual(calls, []);
  const own = { method: 'POST', body, headers: { origin: url } };
  assert.equal((await fetch(`${url}${SERVER_PATH}/admin`, own)).status, 200);
});

test('the pages have the content types that their readers know', async (t) => {
  const { url } = await start(t);
  const types: readonly (readonly [string, string])[] = [
    ['/upstream_list', 'text/plain'],
    ['/upstream_list?app', 'text/plain'],
    ['/upstream_status', 'text/html'],
    ['/upstream_status?format=csv', 'text/plain'],
    ['/upstream_status?format=json&status=up', 'application/json'],
    ['/upstream_status?format=xml&status=sideways', 'text/html'],
  ];
  for (const [path, type] of types) {
    const response = await fetch(url + path);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), type, path);
    await response.text();
  }
  assert.match(await (await fetch(`${url}/upstream_list?APP`)).text(), /^Upstream name: app; /);
});

test('a port in use is an error that names the address and the key', async (t) => {
  const { admin } = await start(t);
  await assert.rejects(
    serveAdmin({
      control: fakeControl([]),
      readiness: () => ({ reason: '', isClosing: false }),
      host: '127.0.0.1',
      port: admin.address.port,
      ...noAudit(),
      token: '',
      log: silentLog,
    }),
    (error: SluiceError) =>
      error.code === 'address_in_use' &&
      error.message.includes(`127.0.0.1:${admin.address.port}`) &&
      error.message.includes('admin.listen'),
  );
});
