// The records of a registry through the control API: shown as far as a role goes, changed only over what was
// seen, with the effect on the servers foretold.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type CallRequest, requestOf } from '../src/admin/contract.ts';
import type { KvEffectDocument, KvEntryDocument, KvListDocument } from '../src/admin.ts';
import { seededRandom } from './support/base/random.ts';
import {
  daemonConfig,
  type RunningDaemon,
  runDaemon,
  status,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';

const TOKENS = `admin: { tokens: {
  look: { role: read, secret: secret-of-look },
  ops: { role: operate, secret: secret-of-ops },
  ci: { role: release, secret: secret-of-ci } } }`;

type Answer<Document> = {
  readonly status: number;
  readonly document: Document;
  readonly code: string;
  readonly text: string;
  readonly details: { readonly current?: KvEntryDocument; readonly count?: number };
};

async function scene(t: TestContext, yaml = `upstreams: { app: {} }\n${TOKENS}`) {
  const daemon = await runDaemon(t, daemonConfig(`workers: 1\n${yaml}`, temporaryDir(t)));
  const registry = `http://127.0.0.1:${daemon.addresses.registry?.port}/v1`;
  const call = async <Document>(
    { method, path, body }: CallRequest,
    token = 'ops',
  ): Promise<Answer<Document>> => {
    const response = await fetch(`${daemon.control}${path}`, {
      method,
      headers: { authorization: `Bearer secret-of-${token}` },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    // The type is what the API promises; a test of the contract says that it holds.
    const document = JSON.parse(text) as Document & {
      readonly error?: { readonly code: string; readonly details: Answer<Document>['details'] };
    };
    const { code = '', details = {} } = document.error ?? {};
    return { status: response.status, document, code, text, details };
  };
  return {
    daemon,
    registry,
    entry: (key: string, token?: string) =>
      call<KvEntryDocument>(requestOf('kvEntry', { registry: '', key }), token),
    list: (more: Partial<Parameters<typeof requestOf<'kvList'>>[1]> = {}, token?: string) =>
      call<KvListDocument>(
        requestOf('kvList', {
          ...{ registry: '', prefix: '', after: '', separator: '', find: '', ...more },
        }),
        token,
      ),
    effect: (key: string, value: string, remove: '' | 'entry' | 'prefix' = '') =>
      call<KvEffectDocument>(requestOf('kvEffect', { registry: '', key, value, remove })),
    write: (key: string, value: string, index: number, token?: string, force = false) =>
      call<KvEntryDocument>(
        requestOf('kvWrite', { body: { registry: '', key, value, index, force } }),
        token,
      ),
    remove: (key: string, index: number, more = {}, token?: string) =>
      call<{ readonly removed: number }>(
        requestOf('kvRemove', {
          body: { ...{ registry: '', key, index, prefix: false, count: 1, force: false }, ...more },
        }),
        token,
      ),
    events: async () => {
      const headers = { authorization: 'Bearer secret-of-ci' };
      return (await fetch(`${daemon.control}/api/events`, { headers })).text();
    },
    put: async (key: string, value: string | Uint8Array, query = '') => {
      const response = await fetch(`${registry}/kv/${key}${query}`, { method: 'PUT', body: value });
      assert.equal(await response.text(), 'true');
    },
  };
}

const ONE = 'upstreams/app/127.0.0.1:9001';

test('a record is read, changed over what was read, and a conflict shows what is there', async (t) => {
  const it = await scene(t);
  const nothing = await it.entry(ONE);
  assert.deepEqual(
    [nothing.document.exists, nothing.document.value, nothing.document.index],
    [false, null, 0],
  );
  const made = await it.write(ONE, '{"weight":3}', 0);
  assert.equal(made.status, 200, made.text);
  const { document } = await it.entry(ONE, 'look');
  assert.deepEqual(document, made.document);
  assert.deepEqual(
    [document.value, document.owner, document.base64, document.withheld, document.bytes],
    ['{"weight":3}', 'server', false, false, 12],
  );
  assert.deepEqual(document.decoded, {
    ...{ upstream: 'app', server: '127.0.0.1:9001', weight: 3, maxFails: 2 },
    ...{ failTimeoutMs: 10_000, maxConns: 0, backup: false, down: false, isIntentDown: false },
  });
  const again = await it.write(ONE, '{"weight":9}', 0);
  assert.deepEqual([again.status, again.code], [409, 'conflict']);
  assert.deepEqual(again.details.current, document);
  await it.put(ONE, '{"weight":5}', '?flags=7');
  const lost = await it.write(ONE, '{"weight":9}', document.index);
  assert.equal(lost.details.current?.value, '{"weight":5}');
  const index = lost.details.current?.index ?? 0;
  const won = await it.write(ONE, '{"weight":9}', index);
  assert.deepEqual([won.document.value, won.document.flags], ['{"weight":9}', '7']);
  const removed = await it.remove(ONE, index);
  assert.deepEqual([removed.code, removed.details.current?.value], ['conflict', '{"weight":9}']);
  assert.equal((await it.remove(ONE, won.document.index)).document.removed, 1);
  assert.equal((await it.remove(ONE, won.document.index)).code, 'not_found');
  const gone = await it.write(ONE, '{}', won.document.index);
  assert.deepEqual([gone.code, gone.details.current?.exists], ['conflict', false]);
  assert.match(gone.text, /is not there any more/);
});

test('the audit log has what a record said and says, and nothing of what may be a secret', async (t) => {
  const it = await scene(t);
  await it.put('app/password', 'hunter2-before');
  const { document } = await it.entry('app/password');
  assert.equal((await it.write('app/password', 'hunter2-after', document.index)).status, 200);
  const { document: record } = await it.write(ONE, '{"weight":3}', 0);
  await it.write(ONE, '{"weight":4}', record.index);
  await it.write(ONE, '{"weight":5}', record.index);
  const events = await it.events();
  assert.doesNotMatch(events, /hunter2/);
  assert.match(events, /"bytes":13,"bytesBefore":14/);
  assert.match(
    events,
    /"token":"ops","owner":"","from":"127.0.0.1","action":"kvWrite","upstream":"app","server":"127.0.0.1:9001"/,
  );
  assert.match(events, /"value":"\{\\"weight\\":4\}","before":"\{\\"weight\\":3\}"/);
  assert.match(events, /"result":"conflict"/);
});

test('each role sees as much as it should', async (t) => {
  const it = await scene(t);
  await it.put('app/password', 'hunter2');
  const journal = 'sluice/releases/journals/app/r1/0000000';
  await it.put(journal, '{"settings":"hunter2"}');
  await it.put('sluice/releases/history/app/r1', '{}');
  const seen = async (key: string, token: string): Promise<boolean> => {
    const { document, text } = await it.entry(key, token);
    assert.equal(document.withheld, document.value === null);
    assert.equal(document.exists, true);
    if (document.withheld) assert.doesNotMatch(text, /hunter2/);
    return !document.withheld;
  };
  assert.deepEqual(
    [await seen('app/password', 'look'), await seen('app/password', 'ops')],
    [false, true],
  );
  assert.deepEqual([await seen(journal, 'ops'), await seen(journal, 'ci')], [false, true]);
  assert.equal(await seen('sluice/releases/history/app/r1', 'look'), true);
  assert.equal((await it.write('a', '1', 0, 'look')).code, 'forbidden');
  assert.equal((await it.remove('a', 0, {}, 'look')).code, 'forbidden');
});

test("sluice's own records are changed by force alone, and that is said", async (t) => {
  const it = await scene(t);
  const key = 'sluice/releases/locks/app';
  await it.put(key, 'x');
  const { document } = await it.entry(key);
  assert.equal(document.owner, 'sluice');
  assert.match(document.warnings.join(), /can break a release/);
  assert.equal((await it.write(key, 'y', document.index)).code, 'forbidden');
  assert.equal((await it.write(key, 'y', document.index, 'ci')).code, 'usage');
  assert.equal((await it.remove(key, document.index, {}, 'ci')).code, 'usage');
  const { document: all } = await it.effect('sluice/', '', 'prefix');
  const { index, keys: count } = all;
  assert.deepEqual([all.allowed, all.level], [false, 'type']);
  assert.match(all.warnings.join(), /can break a release/);
  const wipe = await it.remove('sluice/', index, { prefix: true, count }, 'ci');
  assert.notEqual(wipe.status, 200);
  const forced = await it.write(key, 'y', document.index, 'ci', true);
  assert.equal(forced.document.value, 'y');
});

test('what is no text comes as base64, and who holds a key is shown', async (t) => {
  const it = await scene(t);
  await it.put('bytes', Buffer.from([0, 255, 1]));
  const { document } = await it.entry('bytes');
  assert.deepEqual([document.value, document.base64, document.bytes], ['AP8B', true, 3]);
  const created = await fetch(`${it.registry}/session/create`, {
    ...{ method: 'PUT', body: '{"Name":"deploy of <b>app</b>"}' },
  });
  const { ID: session } = (await created.json()) as { readonly ID: string };
  await it.put('held', '1', `?acquire=${session}`);
  const held = await it.entry('held');
  assert.equal(held.document.session, session);
  assert.match(held.document.holder, /^deploy of <b>app<\/b> on \S/);
  assert.match(held.document.warnings.join(), /^it is held by deploy of/);
});

test('keys are listed as a tree and found by a part of their name', async (t) => {
  const it = await scene(t);
  for (const key of ['b', 'a/x/1', 'a/x/2', 'a/y']) await it.put(key, '1');
  const rows = ({ document }: Answer<KvListDocument>) =>
    document.rows.map(({ key, keys }) => `${key} ${keys}`).filter((row) => !/^sluice/.test(row));
  const top = await it.list({ separator: '/' }, 'look');
  assert.deepEqual(rows(top), ['a/ 3', 'b 1']);
  assert.deepEqual(
    [top.document.registries, top.document.recordPrefix, top.document.ownPrefix],
    [['default'], 'upstreams/', 'sluice/'],
  );
  assert.deepEqual(rows(await it.list({ prefix: 'a/', separator: '/' })), ['a/x/ 2', 'a/y 1']);
  assert.deepEqual(rows(await it.list({ find: 'X/' })), ['a/x/1 1', 'a/x/2 1']);
  assert.equal((await it.list({ registry: 'other' })).code, 'not_found');
});

test('a prefix goes as it was seen, or not at all', async (t) => {
  const it = await scene(t);
  for (let at = 0; at < 130; at += 1) await it.put(`old/${at}`, '1');
  await it.put('older', '1');
  const { document } = await it.effect('old/', '', 'prefix');
  const { index, keys: count } = document;
  assert.deepEqual([count, document.level, document.says], [130, 'type', ['removes 130 keys']]);
  assert.match(document.cli, /^sluice kv rm old\/ --recurse --yes$/);
  await it.put('old/5', '2');
  const late = await it.remove('old/', index, { prefix: true, count });
  assert.deepEqual([late.code, late.details.count], ['conflict', 130]);
  const now = await it.effect('old/', '', 'prefix');
  const gone = await it.remove('old/', now.document.index, { prefix: true, count: 130 });
  assert.equal(gone.document.removed, 130);
  assert.deepEqual(
    (await it.list({ prefix: 'old' })).document.rows.map(({ key }) => key),
    ['older'],
  );
});

test('what gateways could not read is refused, and written by force', async (t) => {
  const it = await scene(t);
  const bad = await it.write(ONE, '{"down":"yes"}', 0);
  assert.equal(bad.code, 'usage');
  assert.match(bad.text, /gateways would report: down/);
  const effect = await it.effect(ONE, '{"down":"yes"}');
  assert.deepEqual(effect.document.allowed, false);
  assert.equal((await it.write(ONE, '{"down":"yes"}', 0, 'ops', true)).status, 200);
});

test('the effect says in words what becomes of the servers', async (t) => {
  const it = await scene(t);
  const says = async (...asked: Parameters<typeof it.effect>) => {
    const { document } = await it.effect(...asked);
    return `${document.level}: ${document.says.join('; ')}`;
  };
  const known = (count: number) =>
    until('the table has it', async () => {
      const headers = { authorization: 'Bearer secret-of-look' };
      const answer = await fetch(`${it.daemon.control}/api/upstreams/app`, { headers });
      const { servers } = (await answer.json()) as { readonly servers: readonly unknown[] };
      return servers.length === count;
    });
  assert.equal(await says(ONE, '{}'), 'confirm: adds 127.0.0.1:9001 to "app": 1 of 1 eligible');
  await it.put(ONE, '{}');
  await known(1);
  const down = await it.effect(ONE, '{"down":1}');
  assert.deepEqual(down.document.says, [
    'takes 127.0.0.1:9001 out (maint): leaves 0 of 1 eligible',
  ]);
  assert.equal(down.document.level, 'type');
  assert.match(down.document.warnings.join(), /would have no eligible server/);
  assert.equal(
    await says(ONE, '', 'entry'),
    'confirm: removes 1 key; the last record of "app" goes, so its list is held as it is',
  );
  await it.put('upstreams/app/127.0.0.1:9002', '{}');
  await known(2);
  assert.equal(
    await says(ONE, '{"down":1}'),
    'confirm: takes 127.0.0.1:9001 out (maint): leaves 1 of 2 eligible',
  );
  assert.equal(await says(ONE, '{"weight":4}'), 'confirm: weight of 127.0.0.1:9001: 1, then 4');
  assert.equal(await says(ONE, '{ }'), 'light: no server of "app" changes');
  assert.equal(
    await says(ONE, '{"weight":'),
    'light: unreadable record: 127.0.0.1:9001 keeps its last good state',
  );
  assert.equal(
    await says(ONE, '', 'entry'),
    'confirm: removes 1 key; removes 127.0.0.1:9001 from "app": leaves 1 of 1 eligible',
  );
  assert.equal(
    await says('upstreams/none/127.0.0.1:1', '{}'),
    'light: no gateway here has an upstream "none"',
  );
  assert.equal(await says('a', 'b'), 'light: ');
});

test('what is foretold of records happens, on random ones', async (t) => {
  const it = await scene(
    t,
    `upstreams: { app: { servers: ["127.0.0.1:1", { address: "127.0.0.1:2", down: on }] } }\n${TOKENS}`,
  );
  const seed = Number(process.env['SEED'] ?? 3);
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]): T => {
    const found = list[Math.floor(random() * list.length)];
    assert(found !== undefined);
    return found;
  };
  const values = ['{}', '{"weight":2}', '{"down":1}', '{"down":"x"}', 'no', '{"backup":1}'];
  const counts = async ({ control }: RunningDaemon) => {
    const headers = { authorization: 'Bearer secret-of-look' };
    const answer = await fetch(`${control}/api/status`, { headers });
    const { upstreams, registry } = (await answer.json()) as Awaited<ReturnType<typeof status>>;
    const [app] = upstreams;
    return { counts: [app?.eligible, app?.servers.length], index: registry.index };
  };
  for (let round = 0; round < 150; round += 1) {
    const key = `upstreams/app/${pick(['', '', 'x/'])}127.0.0.1:${pick([1, 2, 3, 4])}`;
    const remove = random() < 0.4 ? 'entry' : '';
    const value = pick(values);
    // One record of a server at a time: of two the order of the keys decides.
    const others = (await it.list({ find: key.split('/').at(-1) ?? '' })).document.rows;
    if (others.some((other) => other.key !== key)) continue;
    const { document: effect } = await it.effect(key, value, remove);
    const about = `seed ${seed}, round ${round}: ${JSON.stringify({ key, value, effect })}`;
    const before = await counts(it.daemon);
    const [app] = effect.upstreams;
    if (app !== undefined) {
      assert.deepEqual([app.eligibleBefore, app.serversBefore], before.counts, about);
    }
    const expected = app === undefined ? before.counts : [app.eligibleAfter, app.serversAfter];
    const done =
      remove === ''
        ? await it.write(key, value, effect.index, 'ops', false)
        : await it.remove(key, effect.index);
    assert.equal(done.status === 200, effect.allowed, `${about} ${done.text}`);
    if (done.status !== 200 && remove === '') {
      assert.equal((await it.write(key, value, effect.index, 'ops', true)).status, 200, about);
    }
    if (remove !== '' && done.status !== 200) continue;
    const head = await fetch(`${it.registry}/kv/upstreams/?recurse`);
    await head.text();
    const index = Number(head.headers.get('x-consul-index'));
    await until(about, async () => (await counts(it.daemon)).index >= index);
    await until(about, async () => `${(await counts(it.daemon)).counts}` === `${expected}`);
  }
});
