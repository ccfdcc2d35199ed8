// The audit log: what stands in it, that nothing is lost in silence, and what may be asked.

import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  configurationStub,
  controlStub,
  deskStub,
  liveStub,
} from '../../test/support/admin/control.ts';
import { recordingLog } from '../../test/support/base/recording-log.ts';
import { SluiceError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { AuditLog } from './audit.ts';
import type { EventDocument, FactsDocument } from './contract.ts';
import { serveAdmin } from './server.ts';

function file(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-audit-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'audit.log');
}

function openAudit(t: TestContext, path: string, log = silentLog): AuditLog {
  const audit = new AuditLog({ file: path, log });
  t.after(() => audit.close());
  return audit;
}

const FACTS: FactsDocument = { state: 'ready', owner: '', reason: '', weight: 1 };

function event(reason: string): EventDocument {
  return {
    ...{ time: '2026-01-01T00:00:00.000Z', token: 'ops', owner: 'user:alice', from: '127.0.0.1' },
    ...{ action: 'setAdmin', upstream: 'app', server: 'a:1', asked: { reason } },
    ...{ before: FACTS, after: FACTS, result: 'ok', message: '' },
  };
}

function linesOf(path: string): EventDocument[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  assert.equal(lines.pop(), '', 'the last line is whole');
  return lines.map((line) => JSON.parse(line));
}

test('who asked for what, from where, with before, after and result', async (t) => {
  const path = file(t);
  let facts = FACTS;
  const drained: FactsDocument = { ...FACTS, state: 'drain', owner: 'user:alice', reason: 'disk' };
  const control = controlStub({
    setAdmin: async () => {
      facts = drained;
      return controlStub().awaitIdle('app', 'a:1', 1);
    },
    setWeight: async () => {
      throw new SluiceError('conflict', 'no registry');
    },
  });
  const audit = openAudit(t, path);
  const admin = await serveAdmin({
    ...{ control, audit, host: '127.0.0.1', port: 0, token: 'all', log: silentLog },
    live: liveStub(),
    ...{ desk: deskStub(), configuration: configurationStub() },
    tokens: [{ name: 'grafana', role: 'read', secret: 'look' }],
    readiness: () => ({ reason: '', isClosing: false }),
    facts: (_, server) => (server === 'a:1' ? facts : undefined),
  });
  t.after(() => admin.close());
  const url = `http://127.0.0.1:${admin.address.port}`;
  const post = (path: string, body: object, secret = 'all') =>
    fetch(`${url}/api/upstreams/app/${path}`, {
      ...{ method: 'POST', body: JSON.stringify(body) },
      headers: { authorization: `Bearer ${secret}` },
    });
  const asked = { state: 'drain', owner: 'user:alice', reason: 'disk' };
  assert.equal((await post('servers/a:1/admin', asked)).status, 200);
  assert.equal((await post('servers/b:1/weight', { weight: 5 })).status, 409);
  assert.equal((await post('servers/a:1/admin', asked, 'look')).status, 403);
  assert.equal((await post('servers/a:1/admin', asked, 'wrong')).status, 401);
  assert.equal((await post('receipts', {})).status, 201);

  const from = '127.0.0.1';
  const none: FactsDocument = { state: '', owner: '', reason: '', weight: 0 };
  const expected = [
    {
      ...{ token: 'admin.token', owner: 'user:alice', from, action: 'setAdmin', upstream: 'app' },
      ...{ server: 'a:1', asked, before: FACTS, after: drained, result: 'ok', message: '' },
    },
    {
      ...{ token: 'admin.token', owner: '', from, action: 'setWeight', upstream: 'app' },
      ...{ server: 'b:1', asked: { weight: 5 }, before: none, after: none },
      ...{ result: 'conflict', message: 'no registry' },
    },
    {
      ...{ token: 'grafana', owner: '', from, action: 'setAdmin', upstream: 'app', server: 'a:1' },
      ...{ asked: {}, before: drained, after: drained, result: 'forbidden' },
      message:
        'control API: this needs the role operate, and token "grafana" has read; see admin.tokens',
    },
    {
      ...{ token: '', owner: '', from, action: 'setAdmin', upstream: 'app', server: 'a:1' },
      ...{ asked: {}, before: none, after: none, result: 'unauthorized' },
      message: 'control API: the bearer token is wrong',
    },
    {
      ...{ token: 'admin.token', owner: '', from, action: 'openReceipt', upstream: 'app' },
      ...{ server: '', asked: {}, before: none, after: none, result: 'ok', message: '' },
    },
  ];
  const lines = linesOf(path);
  assert.deepEqual(
    lines.map(({ time: _, ...rest }) => rest),
    expected,
  );
  assert(lines.every(({ time }) => Math.abs(Date.parse(time) - Date.now()) < 60_000));
  const headers = { authorization: 'Bearer look' };
  const events = await (await fetch(`${url}/api/events?last=2`, { headers })).json();
  assert.deepEqual(events, { events: lines.slice(-2) });
  assert.equal((await fetch(`${url}/api/events?last=-1`, { headers })).status, 400);
});

test('whoever is refused has a line, a read as well, and cannot fill the disk', async (t) => {
  const path = file(t);
  const admin = await serveAdmin({
    ...{ control: controlStub(), audit: openAudit(t, path), host: '127.0.0.1', port: 0 },
    ...{ token: 'all', log: silentLog, facts: () => undefined, live: liveStub(), desk: deskStub() },
    configuration: configurationStub(),
    readiness: () => ({ reason: '', isClosing: false }),
  });
  t.after(() => admin.close());
  t.mock.timers.enable({ apis: ['Date'], now: Date.parse('2026-01-01T00:00:00Z') });
  let nowMs = 1000;
  t.mock.method(performance, 'now', () => nowMs);
  const url = `http://127.0.0.1:${admin.address.port}`;
  const look = async (page: string): Promise<number> => (await fetch(`${url}${page}`)).status;
  for (let times = 0; times < 15; times += 1) assert.equal(await look('/api/status'), 401);
  assert.equal(await look('/api/nothing'), 401, 'what there is, is not said');
  assert.equal(linesOf(path).length, 10);
  assert.deepEqual(
    [linesOf(path)[0]?.action, linesOf(path)[0]?.result, linesOf(path)[0]?.from],
    ['status', 'unauthorized', '127.0.0.1'],
  );
  nowMs += 60_000;
  assert.equal(await look('/api/status'), 401);
  const last = linesOf(path)[10];
  assert.match(last?.message ?? '', /token is missing.* \(5 more before, without a line\)$/);
});

test('a renamed file is left at a reopen, and nothing is missing', (t) => {
  const path = file(t);
  const audit = openAudit(t, path);
  audit.record(event('one'));
  renameSync(path, `${path}.1`);
  audit.record(event('two'));
  audit.reopen();
  audit.record(event('three'));
  assert.deepEqual(linesOf(`${path}.1`), [event('one'), event('two')]);
  assert.deepEqual(linesOf(path), [event('three')]);
  assert.equal(statSync(path).mode & 0o007, 0, 'not for everybody');
});

test('the events of an earlier run are known, and a line that was cut off is not gone on with', (t) => {
  const path = file(t);
  openAudit(t, path).record(event('one'));
  appendFileSync(path, '{"time":"2026-');
  const audit = openAudit(t, path);
  audit.record(event('two'));
  assert.deepEqual(audit.last(10), [event('one'), event('two')]);
  const lines = readFileSync(path, 'utf8').split('\n');
  assert.deepEqual([lines[1], lines[2]], ['{"time":"2026-', JSON.stringify(event('two'))]);
});

test('what cannot be written is in the log, and is tried again', (t) => {
  const { log, lines } = recordingLog();
  const folder = join(file(t), '..', 'later');
  const audit = openAudit(t, join(folder, 'audit.log'), log);
  audit.record(event('lost'));
  const said = lines.find(({ message }) => message === 'audit line not written');
  assert.deepEqual(said?.fields['event'], event('lost'));
  assert.equal(said?.level, 'error');
  assert.deepEqual(audit.last(1), [event('lost')]);
  const full = openAudit(t, '/dev/full', log);
  lines.length = 0;
  full.record(event('full'));
  assert.deepEqual(lines.at(-1)?.fields['event'], event('full'));
});

test('off: nothing is written, and the last are known', (t) => {
  const { log, lines } = recordingLog();
  const audit = openAudit(t, '', log);
  audit.record(event('one'));
  audit.reopen();
  assert.deepEqual(audit.last(5), [event('one')]);
  assert.deepEqual(lines, []);
  assert(!existsSync('audit.log'));
});
