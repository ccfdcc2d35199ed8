// Sessions in time: expiry, lock-delay, restarts, kill -9, and who wakes. What a real Consul answers to
// the same requests is compared in session-conformance.test.ts.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  ask,
  header,
  startEmbedded,
  temporaryFolder,
} from '../../../../test/support/registry/builders.ts';
import { HeldClock } from '../../../../test/support/registry/held-clock.ts';
import { silentLog } from '../../../base/log.ts';
import type { Address } from '../../../base/units.ts';
import { openStore } from '../../embedded.ts';
import { SessionExpiry } from './expiry.ts';
import { SESSIONS, type Session } from './session.ts';

const SERVER = fileURLToPath(
  new URL('../../../../test/support/registry/serve-registry.ts', import.meta.url),
);

async function createSession(address: Address, options: object): Promise<string> {
  const answer = await ask(address, 'PUT /v1/session/create', { body: JSON.stringify(options) });
  return /"ID":"([^"]+)"/.exec(answer.body)?.[1] ?? assert.fail(answer.body);
}

async function acquire(address: Address, key: string, session: string): Promise<string> {
  return (await ask(address, `PUT /v1/kv/${key}?acquire=${session}`, { body: session })).body;
}

/** Who holds the key: the session's id, '' for nobody, undefined when there is no key. */
async function holder(address: Address, key: string): Promise<string | undefined> {
  const answer = await ask(address, `GET /v1/kv/${key}`);
  return answer.status === 404 ? undefined : (/"Session":"([^"]+)"/.exec(answer.body)?.[1] ?? '');
}

test('a session is renewed without a request by the process that has the registry', async (t) => {
  const clock = new HeldClock();
  const { address, api } = await startEmbedded(t, { clock });
  const session = await createSession(address, { TTL: '10s', LockDelay: '0s' });
  await acquire(address, 'key', session);
  clock.advance(10_000);
  assert.equal(api.renewSession(session), true);
  clock.advance(10_000);
  await ask(address, 'PUT /v1/kv/after-the-timer', { body: '' });
  assert.equal(await holder(address, 'key'), session);
  assert.equal(api.renewSession('00000000-0000-0000-0000-000000000000'), false);
});

test('a session that nobody renews ends after its TTL and a tenth, not before', async (t) => {
  const clock = new HeldClock();
  const { address, store } = await startEmbedded(t, { clock });
  const released = await createSession(address, { TTL: '10s', LockDelay: '0s' });
  const deleted = await createSession(address, { TTL: '20s', LockDelay: '0s', Behavior: 'delete' });
  const forever = await createSession(address, { LockDelay: '0s' });
  await acquire(address, 'released', released);
  await acquire(address, 'deleted', deleted);
  await acquire(address, 'forever', forever);
  clock.advance(10_999);
  await ask(address, 'GET /v1/status/leader');
  assert.equal(await holder(address, 'released'), released);
  const parked = ask(address, `GET /v1/kv/released?index=${store.read('released')?.modifyIndex}`);
  clock.advance(2);
  assert.doesNotMatch((await parked).body, /Session/, 'the watcher of the key wakes');
  assert.equal(await holder(address, 'deleted'), deleted);
  clock.advance(11_000);
  await ask(address, 'PUT /v1/kv/after-the-timer', { body: '' });
  assert.equal(await holder(address, 'deleted'), undefined);
  clock.advance(86_400_000);
  assert.equal(await holder(address, 'forever'), forever);
  assert.match(
    (await ask(address, 'GET /v1/session/list')).body,
    new RegExp(`^\\[{"ID":"${forever}"[^{]*}]$`),
  );
});

test('a renewal gives the whole TTL again', async (t) => {
  const clock = new HeldClock();
  const { address } = await startEmbedded(t, { clock });
  const session = await createSession(address, { TTL: '10s', LockDelay: '0s' });
  await acquire(address, 'a', session);
  for (let round = 0; round < 5; round++) {
    clock.advance(9_000);
    assert.equal((await ask(address, `PUT /v1/session/renew/${session}`)).status, 200);
  }
  assert.equal(await holder(address, 'a'), session);
  clock.advance(11_001);
  await ask(address, 'PUT /v1/kv/after-the-timer', { body: '' });
  assert.equal(await holder(address, 'a'), '');
  assert.equal((await ask(address, `PUT /v1/session/renew/${session}`)).status, 404);
});

test('nobody is to blame while the registry stood still: its sessions begin anew', async (t) => {
  const clock = new HeldClock();
  const { address } = await startEmbedded(t, { clock });
  const session = await createSession(address, { TTL: '10s', LockDelay: '0s' });
  await acquire(address, 'a', session);
  clock.standStill(60_000);
  clock.advance(10_999);
  await ask(address, 'PUT /v1/kv/after-the-timer', { body: '' });
  assert.equal(await holder(address, 'a'), session);
  clock.advance(2);
  await ask(address, 'PUT /v1/kv/after-the-timer', { body: '1' });
  assert.equal(await holder(address, 'a'), '');
});

test('a key of a session that was ended cannot be locked for its lock-delay', async (t) => {
  const clock = new HeldClock();
  const { address } = await startEmbedded(t, { clock });
  const first = await createSession(address, { LockDelay: '5s' });
  const second = await createSession(address, {});
  await acquire(address, 'a', first);
  await acquire(address, 'freed', first);
  await ask(address, `PUT /v1/kv/freed?release=${first}`, { body: '' });
  await ask(address, `PUT /v1/session/destroy/${first}`);
  assert.equal(await acquire(address, 'freed', second), 'true', 'its holder gave it up in order');
  assert.equal(await acquire(address, 'a', second), 'false');
  clock.advance(4_999);
  assert.equal(await acquire(address, 'a', second), 'false');
  clock.advance(1);
  assert.equal(await acquire(address, 'a', second), 'true');
});

test('a lock-delay is a minute at most, and outlives a restart', async (t) => {
  const clock = new HeldClock();
  const dataDir = temporaryFolder(t);
  const first = await startEmbedded(t, { clock, dataDir });
  const long = await createSession(first.address, { LockDelay: '10m' });
  await acquire(first.address, 'a', long);
  await ask(first.address, `PUT /v1/session/destroy/${long}`);
  await first.api.close();
  first.store.close();
  const { address } = await startEmbedded(t, { clock, dataDir });
  const session = await createSession(address, { LockDelay: '1s' });
  clock.advance(59_999);
  assert.equal(await acquire(address, 'a', session), 'false');
  clock.advance(1);
  assert.equal(await acquire(address, 'a', session), 'true');
});

test('delays that are over, or of a clock that was set back, lock nothing and are dropped', async (t) => {
  const clock = new HeldClock();
  const { address, store } = await startEmbedded(t, { clock });
  const kept = (): string[] => store.table.family('lock-delay').keys('');
  for (const key of ['a', 'b']) {
    const session = await createSession(address, { LockDelay: '30s' });
    await acquire(address, key, session);
    await ask(address, `PUT /v1/session/destroy/${session}`);
  }
  const next = await createSession(address, { LockDelay: '0s' });
  assert.equal(await acquire(address, 'a', next), 'false');
  clock.setBack(3_600_000);
  assert.equal(await acquire(address, 'a', next), 'true');
  assert.deepEqual(kept(), ['a', 'b']);
  await ask(address, `PUT /v1/session/destroy/${next}`);
  assert.deepEqual(kept(), []);
});

test('there is an end to sessions, and to what one may say', async (t) => {
  const { address, store } = await startEmbedded(t);
  const long = await ask(address, 'PUT /v1/session/create', {
    body: `{"Name":"${'n'.repeat(5000)}"}`,
  });
  assert.equal(long.status, 500);
  assert.match(long.body, /^session: \d+ characters, and at most 4096 are kept of one$/);
  const id = await createSession(address, { Name: 'one' });
  const one = SESSIONS.find(store.table, id)?.value ?? assert.fail('it is not there');
  await store.transact((writes) => {
    for (let at = 1; at < 20_000; at += 1) SESSIONS.put(writes, `filler-${at}`, one);
  });
  const full = await ask(address, 'PUT /v1/session/create', { body: '{}' });
  assert.equal(full.status, 500);
  assert.match(full.body, /^session: there are 20000, and this registry keeps no more; /);
  await ask(address, `PUT /v1/session/destroy/${id}`);
  assert.equal((await ask(address, 'PUT /v1/session/create', { body: '{}' })).status, 200);
});

test('a renewal that came before the end was written counts', async (t) => {
  const clock = new HeldClock();
  const store = openStore({ dataDir: temporaryFolder(t), log: silentLog });
  t.after(() => store.close());
  const expiry = new SessionExpiry(store, clock, silentLog);
  t.after(() => expiry.close());
  const session: Session = {
    ...{ name: '', node: 'n', lockDelayMs: 0, behavior: 'release', ttl: '10s', ttlMs: 10_000 },
    ...{ nodeChecks: null, serviceChecks: null, checks: [] },
  };
  await store.transact((writes) => {
    for (const id of ['renewed', 'late']) SESSIONS.put(writes, id, session);
  });
  clock.advance(11_000);
  expiry.renew('renewed');
  await store.transact(() => {});
  assert.deepEqual(
    SESSIONS.list(store.table).map(({ id }) => id),
    ['renewed'],
  );
});

test('after a restart sessions hold what they held, with a whole TTL', async (t) => {
  const clock = new HeldClock();
  const dataDir = temporaryFolder(t);
  const first = await startEmbedded(t, { clock, dataDir });
  const session = await createSession(first.address, { TTL: '10s', LockDelay: '0s', Name: 'n' });
  await acquire(first.address, 'a', session);
  const before = await ask(first.address, `GET /v1/session/info/${session}`);
  clock.advance(9_000);
  await first.api.close();
  first.store.close();
  const { address } = await startEmbedded(t, { clock, dataDir });
  const after = await ask(address, `GET /v1/session/info/${session}`);
  assert.equal(after.body, before.body);
  assert.equal(header(after, 'X-Consul-Index'), header(before, 'X-Consul-Index'));
  clock.advance(10_999);
  await ask(address, 'PUT /v1/kv/after-the-timer', { body: '' });
  assert.equal(await holder(address, 'a'), session);
  clock.advance(2);
  await ask(address, 'PUT /v1/kv/after-the-timer', { body: '1' });
  assert.equal(await holder(address, 'a'), '');
});

test('a lock that was acknowledged is there after kill -9, and so is its end', async (t) => {
  const dataDir = temporaryFolder(t);
  const held = new Map<string, string>();
  const ended: string[] = [];
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, [SERVER, dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout });
    const [port] = await once(lines, 'line');
    const address = { host: '127.0.0.1', port: Number(port) };
    for (const [key, session] of held) assert.equal(await holder(address, key), session, key);
    for (const key of ended) assert.equal(await holder(address, key), '', key);
    const dying = await createSession(address, { TTL: '10s', LockDelay: '0s' });
    const living = await createSession(address, { TTL: '10s' });
    await acquire(address, `dying/${round}`, dying);
    await acquire(address, `living/${round}`, living);
    held.set(`living/${round}`, living);
    await ask(address, `PUT /v1/session/destroy/${dying}`);
    ended.push(`dying/${round}`);
    const gone = once(child, 'close');
    child.kill('SIGKILL');
    await gone;
  }
});

test('of many who ask at once exactly one gets the lock', async (t) => {
  const { address } = await startEmbedded(t);
  const sessions = await Promise.all(
    Array.from({ length: 20 }, () => createSession(address, { LockDelay: '0s' })),
  );
  for (let round = 1; round <= 3; round++) {
    const ends = await Promise.all(sessions.map((session) => acquire(address, 'lock', session)));
    assert.equal(ends.filter((end) => end === 'true').length, 1);
    const winner = sessions[ends.indexOf('true')] ?? assert.fail();
    const record = await ask(address, 'GET /v1/kv/lock');
    assert.match(record.body, new RegExp(`"LockIndex":${round},.*"Session":"${winner}"`));
    await ask(address, `PUT /v1/kv/lock?release=${winner}`, { body: '' });
  }
});

test("the end of a session touches what it holds, and nothing that is another's by now", async (t) => {
  const { address } = await startEmbedded(t);
  const first = await createSession(address, { LockDelay: '0s', Behavior: 'delete' });
  const second = await createSession(address, { LockDelay: '0s' });
  for (const key of ['taken', 'freed', 'kept']) await acquire(address, key, first);
  await ask(address, 'DELETE /v1/kv/taken');
  await acquire(address, 'taken', second);
  await ask(address, `PUT /v1/kv/freed?release=${first}`, { body: '' });
  const body = JSON.stringify([
    { KV: { Verb: 'lock', Key: 'undone', Session: first } },
    { KV: { Verb: 'get', Key: 'absent' } },
  ]);
  assert.equal((await ask(address, 'PUT /v1/txn', { body })).status, 409);
  await ask(address, 'PUT /v1/kv/undone', { body: 'x' });
  await ask(address, `PUT /v1/session/destroy/${first}`);
  assert.deepEqual(
    await Promise.all(['taken', 'freed', 'kept', 'undone'].map((key) => holder(address, key))),
    [second, '', undefined, ''],
  );
});

test('a query for sessions wakes on theirs, and not on records', async (t) => {
  const { address } = await startEmbedded(t, { random: () => 0 });
  const session = await createSession(address, {});
  const index = header(await ask(address, 'GET /v1/session/list'), 'X-Consul-Index');
  const list = ask(address, `GET /v1/session/list?index=${index}&wait=60s`);
  const info = ask(address, `GET /v1/session/info/${session}?index=${index}&wait=60s`);
  const node = ask(address, `GET /v1/session/node/nobody?index=${index}&wait=200ms`);
  await ask(address, 'PUT /v1/kv/a', { body: '1' });
  await ask(address, `PUT /v1/session/renew/${session}`);
  assert.equal(header(await node, 'X-Consul-Index'), index, 'neither is news');
  const other = await createSession(address, {});
  assert.match((await list).body, new RegExp(other));
  await ask(address, `PUT /v1/session/destroy/${session}`);
  assert.equal((await info).body, '[]', 'woken by its own end, not by the other');
});

test('a session touches no index of the KV', async (t) => {
  const { address } = await startEmbedded(t);
  await ask(address, 'PUT /v1/kv/a', { body: '1' });
  const absent = header(await ask(address, 'GET /v1/kv/none'), 'X-Consul-Index');
  await createSession(address, {});
  assert.equal(header(await ask(address, 'GET /v1/kv/none'), 'X-Consul-Index'), absent);
  assert.equal(header(await ask(address, 'GET /v1/kv/?recurse'), 'X-Consul-Index'), absent);
});
