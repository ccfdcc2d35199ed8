// Who may use the control API: tokens with roles, real certificates, and files that change meanwhile.

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { controlStub } from '../../test/support/admin/control.ts';
import { KV_CALLS } from '../../test/support/admin/kv-calls.ts';
import { RELEASE_CALLS } from '../../test/support/admin/release-calls.ts';
import { noAudit } from '../../test/support/admin/server.ts';
import { type Line, recordingLog } from '../../test/support/base/recording-log.ts';
import { until } from '../../test/support/daemon/builders.ts';
import { createCertificates } from '../../test/support/peers/certificates.ts';
import { silentLog } from '../base/log.ts';
import type { NamedToken, Role } from '../model.ts';
import { type CallRequest, ROUTE_NAMES, type RouteName, requestOf, routeOf } from './contract.ts';
import { type AdminOptions, serveAdmin } from './server.ts';

const TOKENS: readonly NamedToken[] = [
  { name: 'grafana', role: 'read', secret: 'secret-of-grafana' },
  { name: 'ops', role: 'operate', secret: 'secret-of-ops' },
  { name: 'ci', role: 'release', secret: 'secret-of-ci' },
];

const CALLS: { readonly [Name in RouteName]: CallRequest } = {
  health: requestOf('health', {}),
  ready: requestOf('ready', {}),
  session: requestOf('session', {}),
  openSession: requestOf('openSession', { body: { token: 'secret-of-ops' } }),
  endSession: requestOf('endSession', {}),
  status: requestOf('status', {}),
  upstream: requestOf('upstream', { upstream: 'app' }),
  setAdmin: requestOf('setAdmin', {
    ...{ upstream: 'app', server: 'a:1' },
    body: { state: 'drain', owner: 'user:alice', reason: '' },
  }),
  upgrade: requestOf('upgrade', {}),
  reload: requestOf('reload', { body: { dryRun: true } }),
  awaitIdle: requestOf('awaitIdle', { upstream: 'app', server: 'a:1', wait: 1 }),
  setWeight: requestOf('setWeight', { upstream: 'app', server: 'a:1', body: { weight: 1 } }),
  register: requestOf('register', {
    ...{ upstream: 'app', server: 'a:1', body: { owner: 'instance:a', down: true } },
  }),
  deregister: requestOf('deregister', {
    ...{ upstream: 'app', server: 'a:1', body: { owner: 'instance:a' } },
  }),
  effect: requestOf('effect', {
    ...{ upstream: 'app', server: 'a:1', action: 'drain', weight: 0, keep: 1, reason: '' },
  }),
  openReceipt: requestOf('openReceipt', { upstream: 'app' }),
  events: requestOf('events', { last: 5 }),
  requests: requestOf('requests', { upstream: '', kind: 'all', id: '', last: 5 }),
  history: requestOf('history', { upstream: 'app', server: '', span: '5m', gateway: '' }),
  stream: requestOf('stream', { topics: ['overview'], after: '' }),
  readReceipt: requestOf('readReceipt', { id: 'r1' }),
  ...RELEASE_CALLS,
  ...KV_CALLS,
  metrics: requestOf('metrics', {}),
  upstream_list: requestOf('upstream_list', { query: 'app' }),
  upstream_status: requestOf('upstream_status', { query: 'format=csv' }),
};

async function start(t: TestContext, options: Partial<AdminOptions>) {
  const admin = await serveAdmin({
    control: controlStub(),
    readiness: () => ({ reason: '', isClosing: false }),
    ...{ host: '127.0.0.1', port: 0, token: '', log: silentLog, ...noAudit() },
    ...options,
  });
  t.after(() => admin.close());
  return admin.address.port;
}

test('each route is for those whose role goes far enough, and says which is needed', async (t) => {
  const port = await start(t, { tokens: TOKENS, token: 'secret-of-all' });
  const ask = async (name: RouteName, secret: string) => {
    const { path, ...rest } = CALLS[name];
    const headers = { authorization: `Bearer ${secret}` };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { ...rest, headers });
    return { code: response.status, text: await response.text() };
  };
  const order: readonly Role[] = ['read', 'operate', 'release'];
  for (const name of ROUTE_NAMES) {
    const { role: needs } = routeOf(name);
    for (const { name: token, role, secret } of TOKENS) {
      const { code, text } = await ask(name, secret);
      const isAllowed =
        needs === 'open' || needs === 'anybody' || order.indexOf(role) >= order.indexOf(needs);
      assert.equal(code === 403, !isAllowed, `${name} with ${role}: ${code} ${text}`);
      if (isAllowed) assert(code < 300, `${name} with ${role}: ${code} ${text}`);
      else assert.match(text, new RegExp(`needs the role ${needs}, and token \\\\"${token}\\\\"`));
    }
    assert((await ask(name, 'secret-of-all')).code < 300);
    if (needs !== 'open' && needs !== 'anybody')
      assert.equal((await ask(name, 'secret-of-c')).code, 401);
  }
  // Reading for those who read, changing for those who operate. Everybody may log out.
  assert.deepEqual(
    ROUTE_NAMES.filter((name) => routeOf(name).method === 'POST' && routeOf(name).role === 'read'),
    ['endSession'],
  );
});

test('no token stands in the log', async (t) => {
  const { log, lines } = recordingLog();
  const port = await start(t, { tokens: TOKENS, log });
  for (const secret of ['secret-of-grafana', 'secret-wrong']) {
    const { path, ...rest } = CALLS.setAdmin;
    const headers = { authorization: `Bearer ${secret}` };
    await fetch(`http://127.0.0.1:${port}${path}`, { ...rest, headers });
  }
  assert.doesNotMatch(JSON.stringify(lines), /secret/);
});

test('the configuration of a release is for those who may release', async (t) => {
  const { releases } = controlStub();
  const begin = {
    ...{ seq: 0, ts: '', kind: 'begin', instance: '', step: '', fence: 1 },
    data: { user: 'ann', settings: { origin: { document: { env: { PASSWORD: 'hidden' } } } } },
  };
  const control = controlStub({
    releases: {
      ...releases,
      journal: async (...of) => ({ ...(await releases.journal(...of)), records: [begin] }),
    },
  });
  const port = await start(t, { control, tokens: TOKENS });
  for (const { secret, role } of TOKENS) {
    const { path, ...rest } = CALLS.releaseJournal;
    const headers = { authorization: `Bearer ${secret}` };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { ...rest, headers });
    const text = await response.text();
    assert.match(text, /"user":"ann"/);
    assert.equal(text.includes('hidden'), role === 'release', role);
  }
});

async function withCertificates(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, of: await createCertificates(t, folder) };
}

/** The status of an answer; rejects when there is no connection. */
function get(port: number, options: Record<string, unknown>): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, path: '/api/status', agent: false, ...options },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
        response.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

test('it speaks TLS with its certificate, and asks clients for theirs where it is told to', async (t) => {
  const { of } = await withCertificates(t);
  if (of === undefined) return;
  const ca = readFileSync(of('ca').cert);
  const tls = { ...of('server'), clientCa: '' };
  const port = await start(t, { tls, token: 'secret' });
  assert.equal(await get(port, { ca }), 401);
  assert.equal(await get(port, { ca, headers: { authorization: 'Bearer secret' } }), 200);
  await assert.rejects(get(port, {}), { code: /SELF_SIGNED|UNABLE_TO/ });
  await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`));

  const { audit } = noAudit();
  const strict = await start(t, { tls: { ...tls, clientCa: of('ca').cert }, audit });
  const pair = (name: 'client' | 'other-client') => ({
    cert: readFileSync(of(name).cert),
    key: readFileSync(of(name).key),
  });
  assert.equal(await get(strict, { ca, ...pair('client') }), 200);
  const changed = { ca, ...pair('client'), method: 'POST', path: '/api/upstreams/app/receipts' };
  assert.equal(await get(strict, changed), 201);
  assert.deepEqual(
    audit.last(5).map(({ token, action }) => [token, action]),
    [['certificate client', 'openReceipt']],
  );
  await assert.rejects(get(strict, { ca }));
  await assert.rejects(get(strict, { ca, ...pair('other-client') }));
});

/** The serial number of the certificate that is shown. */
function serialOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

test('a new certificate is used without a restart, and a broken one leaves the old', async (t) => {
  const { of, folder } = await withCertificates(t);
  if (of === undefined) return;
  const [cert, key] = [join(folder, 'used.pem'), join(folder, 'used.key')];
  const use = (pair: { readonly cert: string; readonly key: string }): void => {
    copyFileSync(pair.cert, cert);
    copyFileSync(pair.key, key);
  };
  use(of('server'));
  const { log, lines } = recordingLog();
  const port = await start(t, { tls: { cert, key, clientCa: '' }, log });
  const first = await serialOf(port);

  writeFileSync(cert, 'not a certificate');
  const isWarned = ({ level, message }: Line): boolean =>
    level === 'warn' && message.includes('the old one stays');
  await until('it is said', () => lines.some(isWarned));
  assert.equal(await serialOf(port), first);

  mkdirSync(join(folder, 'next'));
  const next = await createCertificates(t, join(folder, 'next'));
  assert(next !== undefined);
  use(next('server'));
  await until('the new one is shown', async () => (await serialOf(port)) !== first);
});

test('a certificate that cannot be used is an error at the start', async () => {
  const options = { control: controlStub(), readiness: () => ({ reason: '', isClosing: false }) };
  const started = serveAdmin({
    ...{ ...options, ...noAudit(), host: '127.0.0.1', port: 0, token: '', log: silentLog },
    tls: { cert: '/nonexistent/cert.pem', key: '/nonexistent/key.pem', clientCa: '' },
  });
  await assert.rejects(started, {
    code: 'config_invalid',
    message: /^admin\.tls\.cert \/nonexistent\/cert\.pem: cannot be read/,
  });
});
