// Logging in with a browser: what the cookie is good for, when it ends, and what a foreign page cannot do.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { controlStub, liveStub } from '../../../test/support/admin/control.ts';
import { noAudit } from '../../../test/support/admin/server.ts';
import { recordingLog } from '../../../test/support/base/recording-log.ts';
import { until } from '../../../test/support/base/until.ts';
import { silentLog } from '../../base/log.ts';
import type { NamedToken } from '../../model.ts';
import { type AdminOptions, serveAdmin } from '../server.ts';
import { LoginLimit, Sessions, sessionKey } from './sessions.ts';

const OPS: NamedToken = { name: 'ops', role: 'operate', secret: 'secret-of-ops' };
const LOOK: NamedToken = { name: 'look', role: 'read', secret: 'secret-of-look' };

type Answer = {
  readonly status: number;
  readonly cookie: string;
  readonly headers: Headers;
  readonly body: string;
  readonly session: { readonly [name: string]: unknown };
};

async function start(t: TestContext, options: Partial<AdminOptions> = {}) {
  const audit = noAudit();
  const admin = await serveAdmin({
    control: controlStub(),
    readiness: () => ({ reason: '', isClosing: false }),
    ...{ host: '127.0.0.1', port: 0, token: '', tokens: [OPS, LOOK], log: silentLog, ...audit },
    ...options,
  });
  t.after(() => admin.close());
  const url = `http://127.0.0.1:${admin.address.port}`;
  const ask = async (
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body?: unknown,
  ): Promise<Answer> => {
    const post = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const response = await fetch(`${url}${path}`, { headers, ...post });
    const text = await response.text();
    const session: unknown = JSON.parse(text);
    return {
      ...{ status: response.status, headers: response.headers, body: text },
      cookie: response.headers.get('set-cookie')?.split(';')[0] ?? '',
      session: typeof session === 'object' && session !== null ? { ...session } : {},
    };
  };
  const login = async (token: string, headers: Readonly<Record<string, string>> = {}) =>
    ask('/api/session', headers, { token });
  return { admin, url, ask, login, audit: audit.audit };
}

const WEIGHT = '/api/upstreams/app/servers/a:1/weight';

test('a token is exchanged for a cookie that scripts cannot read and other sites cannot send', async (t) => {
  const { login, ask } = await start(t);
  const before = await ask('/api/session');
  const nobody = { required: true, name: '', role: '', csrf: '', untilMs: 0 };
  assert.deepEqual(before.session, nobody);
  assert.equal(before.cookie, '');
  const logged = await login(OPS.secret);
  assert.equal(logged.status, 200);
  assert.equal(logged.headers.get('cache-control'), 'no-store');
  const line = logged.headers.get('set-cookie') ?? '';
  assert.match(
    line,
    /^sluice-[0-9a-f]{8}=[\w.-]+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/,
  );
  const { csrf, untilMs, ...rest } = logged.session;
  assert.deepEqual(rest, { required: true, name: 'ops', role: 'operate' });
  assert.match(String(csrf), /^[\w-]{43}$/);
  assert(Number(untilMs) > Date.now());
  const { cookie } = logged;
  assert.deepEqual((await ask('/api/session', { cookie })).session, logged.session);
  assert.equal((await ask('/api/status', { cookie })).status, 200);
  assert.equal((await ask('/api/status', { cookie: `a=b; ${cookie}; c=d` })).status, 200);
});

test('what is not GET needs the value that only a page of ours can read', async (t) => {
  const { login, ask, audit } = await start(t);
  const { cookie, session } = await login(OPS.secret);
  const other = await login(OPS.secret);
  const csrf = String(session['csrf']);
  const change = (headers: Readonly<Record<string, string>>) => ask(WEIGHT, headers, { weight: 2 });
  assert.equal((await change({ cookie, 'x-sluice-csrf': csrf })).status, 200);
  const event = audit.last(1)[0];
  assert.deepEqual([event?.token, event?.action], ['ops', 'setWeight']);
  for (const wrong of ['', 'x', csrf.slice(1), String(other.session['csrf'])]) {
    const refused = await change({ cookie, 'x-sluice-csrf': wrong });
    assert.equal(refused.status, 403, wrong);
    assert.match(refused.body, /header x-sluice-csrf/);
  }
  assert.equal((await change({ cookie })).status, 403);
  // Another port of this host is the same site for a browser, which then sends the cookie.
  const foreign = { cookie, 'x-sluice-csrf': csrf, origin: 'http://127.0.0.1:3000' };
  assert.equal((await change(foreign)).status, 403);
  assert.equal((await change({ authorization: `Bearer ${OPS.secret}` })).status, 200);
});

test('a bearer token counts where there is one, and the cookie does not then', async (t) => {
  const { login, ask } = await start(t);
  const { cookie } = await login(OPS.secret);
  const as = async (authorization: string) => ask('/api/session', { cookie, authorization });
  assert.equal((await ask('/api/status', { cookie, authorization: 'Bearer no' })).status, 401);
  assert.equal((await as('Bearer no')).session['role'], '');
  assert.equal((await as(`Bearer ${LOOK.secret}`)).session['name'], 'look');
});

test('the role is that of the token, and what it may not do is refused', async (t) => {
  const { login, ask } = await start(t);
  const { cookie, session } = await login(LOOK.secret);
  assert.equal((await ask('/api/status', { cookie })).status, 200);
  const csrf = { cookie, 'x-sluice-csrf': String(session['csrf']) };
  const refused = await ask(WEIGHT, csrf, { weight: 2 });
  assert.equal(refused.status, 403);
  assert.match(refused.body, /needs the role operate, and token \\"look\\" has read/);
});

test('a login never takes over the session that the browser came with', async (t) => {
  const { login } = await start(t);
  const first = await login(LOOK.secret);
  const second = await login(OPS.secret, { cookie: first.cookie });
  const again = await login(OPS.secret, { cookie: second.cookie });
  const ids = [first, second, again].map(({ cookie }) => cookie.split('=')[1]?.split('.')[0]);
  assert.equal(new Set(ids).size, 3);
});

test('after the end the cookie is good for nothing, also for whoever has a copy', async (t) => {
  const { login, ask, audit } = await start(t);
  const { cookie, session } = await login(OPS.secret);
  const csrf = String(session['csrf']);
  assert.equal((await ask('/api/session/end', { cookie }, {})).status, 403);
  const end = await ask('/api/session/end', { cookie, 'x-sluice-csrf': csrf }, {});
  assert.equal(end.session['role'], '');
  assert.match(end.headers.get('set-cookie') ?? '', /^sluice-\w{8}=; Path=\/; Max-Age=0; /);
  assert.equal((await ask('/api/status', { cookie })).status, 401);
  assert.deepEqual(
    audit.last(9).map(({ action, token, result }) => [action, token, result]),
    [
      ['openSession', 'ops', 'ok'],
      ['endSession', '', 'forbidden'],
      ['endSession', 'ops', 'ok'],
      ['status', '', 'unauthorized'],
    ],
  );
});

test('a token that was taken away ends its sessions, one with another role changes theirs', async (t) => {
  const { admin, login, ask } = await start(t);
  const [ops, look] = [await login(OPS.secret), await login(LOOK.secret)];
  const roleOf = async ({ cookie }: Answer) => (await ask('/api/session', { cookie })).session;
  admin.useTokens({ token: '', tokens: [{ ...OPS, role: 'read' }] });
  assert.equal((await roleOf(ops))['role'], 'read');
  assert.equal((await roleOf(look))['role'], '');
  admin.useTokens({ token: '', tokens: [{ ...OPS, secret: 'another' }] });
  assert.equal((await roleOf(ops))['role'], '');
  // The name in the configuration is as good as the secret: who gets the name gets no sessions of others.
  admin.useTokens({ token: OPS.secret, tokens: [] });
  assert.equal((await roleOf(ops))['role'], '');
});

test('who follows the stream with a cookie is cut off when it ends', async (t) => {
  let isEnded = false;
  const live = liveStub({
    stream: () => (sink) => {
      sink.write(': hello\n\n');
      return () => {
        isEnded = true;
      };
    },
  });
  const { admin, url, login } = await start(t, { live });
  const { cookie } = await login(LOOK.secret);
  const refused = await fetch(`${url}/api/stream`);
  assert.equal(refused.status, 401);
  await refused.text();
  const stream = await fetch(`${url}/api/stream`, { headers: { cookie } });
  assert.equal(stream.status, 200);
  admin.useTokens({ token: '', tokens: [OPS, LOOK] });
  assert.equal(isEnded, false);
  admin.useTokens({ token: '', tokens: [OPS] });
  assert.equal(await stream.text(), ': hello\n\n');
  await until(() => isEnded);
});

test('two gateways on one host have cookies of different names, and each knows its own alone', async (t) => {
  const [one, other] = [await start(t), await start(t)];
  const mine = await one.login(OPS.secret);
  const theirs = await other.login(OPS.secret);
  assert.notEqual(mine.cookie.split('=')[0], theirs.cookie.split('=')[0]);
  const both = { cookie: `${theirs.cookie}; ${mine.cookie}` };
  assert.equal((await one.ask('/api/status', both)).status, 200);
  assert.equal((await other.ask('/api/status', both)).status, 200);
  // The same name with what the other signed.
  const forged = `${mine.cookie.split('=')[0]}=${theirs.cookie.split('=')[1]}`;
  assert.equal((await one.ask('/api/status', { cookie: forged })).status, 401);
  assert.equal((await one.ask('/api/status', { cookie: `${forged}; ${mine.cookie}` })).status, 200);
});

test('without tokens nobody logs in, and everybody may do everything', async (t) => {
  const { login, ask } = await start(t, { tokens: [] });
  const open = { required: false, name: '', role: 'release', csrf: '', untilMs: 0 };
  assert.deepEqual((await ask('/api/session')).session, open);
  const logged = await login('anything');
  assert.deepEqual([logged.session, logged.cookie], [open, '']);
  assert.deepEqual((await ask('/api/session/end', {}, {})).session, open);
});

test('a page of another origin cannot log anybody in', async (t) => {
  const { login } = await start(t);
  const refused = await login(OPS.secret, { origin: 'http://evil.example' });
  assert.equal(refused.status, 403);
  assert.equal(refused.cookie, '');
});

test('wrong tokens are told apart by nothing, slowed down, and written nowhere', async (t) => {
  const { log, lines } = recordingLog();
  const { login, audit } = await start(t, { log });
  for (let tries = 0; tries < 6; tries += 1) {
    const wrong = await login('secret-wrong');
    assert.equal(wrong.status, 401);
    assert.match(wrong.body, /there is no such token/);
  }
  const late = await login(OPS.secret);
  assert.equal(late.status, 429);
  assert.equal(late.headers.get('retry-after'), '1');
  assert.match(late.body, /try again in 1 s/);
  assert.doesNotMatch(JSON.stringify([lines, audit.last(99)]), /secret/);
  assert.deepEqual(
    audit.last(99).map(({ action, result }) => `${action} ${result}`),
    [...Array<string>(6).fill('openSession unauthorized'), 'openSession too_many'],
  );
});

test('the cookie stands in no log', async (t) => {
  const { log, lines } = recordingLog();
  const { login, ask, audit } = await start(t, { log });
  const { cookie } = await login(OPS.secret);
  await ask(WEIGHT, { cookie }, { weight: 2 });
  const value = cookie.split('=')[1] ?? '';
  assert.equal(JSON.stringify([lines, audit.last(9)]).includes(value), false);
});

test('a session ends when nothing is asked, and at an age that nothing puts off', () => {
  let nowMs = Date.UTC(2026, 0, 1);
  const hourMs = 3_600_000;
  const sessions = new Sessions({ key: sessionKey('', silentLog), isTls: false, now: () => nowMs });
  const pair = (line: string): string => line.split(';')[0] ?? '';
  let cookie = pair(sessions.open(OPS).cookie);
  const find = () => sessions.find(cookie, [LOOK, OPS]);
  nowMs += 30_000;
  const soon = find();
  assert(soon !== undefined);
  assert.equal(soon.token, OPS);
  assert.equal(sessions.seen(soon).cookie, undefined, 'not with each answer');
  for (let hours = 11; hours < 7 * 24; hours += 11) {
    nowMs += 11 * hourMs;
    const found = find();
    assert(found !== undefined, `${hours} h`);
    cookie = pair(sessions.seen(found).cookie ?? '');
  }
  nowMs += 11 * hourMs;
  assert.equal(find(), undefined, 'a week is over');
  cookie = pair(sessions.open(OPS).cookie);
  nowMs += 12 * hourMs;
  assert.equal(find(), undefined, '12 h without a question');
});

test('no part of a cookie can be changed', () => {
  const sessions = new Sessions({ key: sessionKey('', silentLog), isTls: false });
  const cookie = sessions.open(OPS).cookie.split(';')[0] ?? '';
  assert(sessions.find(cookie, [OPS]) !== undefined);
  for (let at = cookie.indexOf('=') + 1; at < cookie.length; at += 1) {
    const changed = `${cookie.slice(0, at)}${cookie[at] === '1' ? '2' : '1'}${cookie.slice(at + 1)}`;
    // The last character of base64url holds bits that say nothing.
    assert.equal(sessions.find(changed, [OPS]), undefined, `${at}`);
  }
  for (const wrong of ['', 'a.b.c.d', `${cookie}x`, `${cookie}.1`]) {
    assert.equal(sessions.find(wrong, [OPS]), undefined);
  }
});

test('over TLS the cookie is for this host alone', () => {
  const sessions = new Sessions({ key: sessionKey('', silentLog), isTls: true });
  const { cookie } = sessions.open(OPS);
  assert.match(cookie, /^__Host-sluice-\w{8}=.*; Path=\/; .*; Secure$/);
  assert(sessions.find(cookie.split(';')[0], [OPS]) !== undefined);
});

test('the key is kept for nobody but us, and a damaged one is replaced', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-key-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'session.key');
  const key = sessionKey(file, silentLog);
  assert.deepEqual(sessionKey(file, silentLog), key);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  writeFileSync(file, 'half a k');
  const { log, lines } = recordingLog();
  const next = sessionKey(file, log);
  assert.notDeepEqual(next, key);
  assert.equal(next.length, 32);
  assert.equal(readFileSync(file, 'latin1').trim(), next.toString('base64url'));
  assert.equal(lines.length, 1);
  // Where nothing can be written it works as well, until the end of the process.
  assert.equal(sessionKey('/nonexistent/folder/key', log).length, 32);
  assert.match(lines[1]?.message ?? '', /logins end with this process/);
});

test('an address waits longer after each wrong token, and is forgotten', () => {
  let nowMs = 0;
  const limit = new LoginLimit(() => nowMs);
  const waits: number[] = [];
  const waitOf = (address: string): number => {
    const from = nowMs;
    for (;;) {
      try {
        limit.check(address);
        return nowMs - from;
      } catch {
        nowMs += 1000;
      }
    }
  };
  for (let count = 0; count < 13; count += 1) {
    limit.failed('10.0.0.1');
    waits.push(waitOf('10.0.0.1') / 1000);
  }
  assert.deepEqual(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]);
  limit.failed('10.0.0.1');
  assert.equal(waitOf('10.0.0.2'), 0);
  limit.succeeded('10.0.0.1');
  assert.equal(waitOf('10.0.0.1'), 0);
  // One network of IPv6 is one stranger.
  for (let host = 1; host < 8; host += 1) limit.failed(`2001:db8::${host}`);
  assert(waitOf('2001:db8:0:0:1:2:3:4') > 0);
  assert.equal(waitOf('2001:db8:0:1::1'), 0);
  // Others push out whoever failed longest ago; a table of strangers does not grow.
  for (let count = 0; count < 7; count += 1) limit.failed('10.0.0.1');
  for (let other = 0; other < 1000; other += 1) limit.failed(`10.1.${other >> 8}.${other & 255}`);
  assert.equal(waitOf('10.0.0.1'), 0);
});
