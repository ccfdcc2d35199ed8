// Which instances exist after each state of the registry: last good, brake, neighbours, many.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../test/support/base/random.ts';
import { openClient, startEmbedded } from '../../../test/support/registry/builders.ts';
import { silentLog } from '../../base/log.ts';
import type { KvChange, KvEntry, KvState } from '../record-store.ts';
import type { Membership } from './instance.ts';
import { MembershipReader, recordSource } from './membership.ts';

const A = '127.0.0.1:1';
const B = '127.0.0.1:2';
let index = 0;

function state(records: Readonly<Record<string, string>>): KvState {
  index++;
  const entries = Object.entries(records).map(([key, value]) => ({
    key: `upstreams/${key}`,
    value: Buffer.from(value),
    flags: '0',
    createIndex: index,
    modifyIndex: index,
    lockIndex: 0,
  }));
  return { index, entries };
}

/** `127.0.0.1:1=up`, `127.0.0.1:2=down`, in order. */
function show(membership: Membership, service = 'app'): string {
  const list = membership.services.get(service) ?? [];
  return list.map(({ id, down, weight }) => `${id}=${down ? 'down' : `up${weight}`}`).join(' ');
}

function reader(allowEmpty = false, initial?: Membership): MembershipReader {
  return new MembershipReader('upstreams/', () => allowEmpty, initial);
}

test('an unreadable record keeps its last good state and leaves its neighbours alone', () => {
  const follow = reader();
  follow.read(state({ [`app/${A}`]: '{"down":1,"weight":4}', [`app/${B}`]: '{}' }));
  const broken = follow.read(state({ [`app/${A}`]: 'not json', [`app/${B}`]: '{"weight":2}' }));
  assert.equal(show(broken), `${A}=down ${B}=up2`);
  assert.match(broken.problems[0]?.message ?? '', /not JSON.*last good state is kept/);
  const stillBroken = follow.read(state({ [`app/${A}`]: '[]', [`app/${B}`]: '{}' }));
  assert.equal(show(stillBroken), `${A}=down ${B}=up1`);
  const mended = follow.read(state({ [`app/${A}`]: '{}', [`app/${B}`]: '{}' }));
  assert.equal(show(mended), `${A}=up1 ${B}=up1`);
  assert.deepEqual(mended.problems, []);
});

test('an unreadable record that was never good is not added', () => {
  const read = reader().read(state({ [`app/${A}`]: 'junk', [`app/${B}`]: '' }));
  assert.equal(show(read), `${B}=up1`);
  assert.match(read.problems[0]?.message ?? '', /not added/);
});

test('a down that cannot be read never changes who takes traffic', () => {
  const follow = reader();
  follow.read(state({ [`app/${A}`]: '{"down":1}', [`app/${B}`]: '{"down":0}' }));
  const unreadable = state({ [`app/${A}`]: '{"down":"no"}', [`app/${B}`]: '{"down":"no"}' });
  assert.equal(show(follow.read(unreadable)), `${A}=down ${B}=up1`);
  assert.equal(show(reader().read(unreadable)), `${A}=down ${B}=down`, 'unknown: stays out');
});

test('what was known before our start counts as last good', () => {
  const before = reader().read(state({ [`app/${A}`]: '{"down":1}', [`app/${B}`]: '{}' }));
  const follow = reader(false, before);
  const read = follow.read(state({ [`app/${A}`]: '{"down":', [`app/${B}`]: '{}' }));
  assert.equal(show(read), `${A}=down ${B}=up1`);
  assert.deepEqual(reader(false, before).read(state({})).held, ['app']);
});

test('an emptied or vanished list is held until there is a record again', () => {
  const follow = reader();
  follow.read(state({ [`app/${A}`]: '{}', [`app/${B}`]: '{}', [`web/${A}`]: '{}' }));
  const emptied = follow.read(state({ 'app/': '', [`web/${A}`]: '{}' }));
  assert.equal(show(emptied), `${A}=up1 ${B}=up1`);
  assert.deepEqual(emptied.held, ['app']);
  assert.match(emptied.problems[0]?.message ?? '', /allow_empty/);
  const vanished = follow.read(state({}));
  assert.deepEqual(vanished.held, ['app', 'web']);
  assert.equal(show(vanished, 'web'), `${A}=up1`);
  const back = follow.read(state({ [`app/${B}`]: '{"weight":3}' }));
  assert.equal(show(back), `${B}=up3`);
  assert.deepEqual(back.held, ['web']);
});

test('a list in which nothing is readable is held too', () => {
  const follow = reader();
  follow.read(state({ [`app/${A}`]: '{}' }));
  const read = follow.read(state({ [`app/${B}`]: 'junk', 'app/nonsense': '{}' }));
  assert.equal(show(read), `${A}=up1`);
  assert.deepEqual(read.held, ['app']);
});

test('an emptied list is taken as it is where that is allowed', () => {
  const follow = reader(true);
  follow.read(state({ [`app/${A}`]: '{}' }));
  const read = follow.read(state({}));
  assert.equal(read.services.has('app'), false);
  assert.deepEqual(read.held, []);
});

test('a prefix never swallows its longer neighbour, and folders are quiet', () => {
  const read = reader().read(
    state({ '': '', 'app/': '', [`app/${A}`]: '{}', 'app/x/': '', [`app2/${B}`]: '{}' }),
  );
  assert.equal(show(read), `${A}=up1`);
  assert.equal(show(read, 'app2'), `${B}=up1`);
  assert.deepEqual(read.problems, []);
});

test('of two records for one server the first counts and the second is reported', () => {
  const read = reader().read(
    state({ [`app/${A}`]: '{"weight":1}', [`app/sub/${A}`]: '{"weight":9}' }),
  );
  assert.equal(show(read), `${A}=up1`);
  assert.equal(read.problems[0]?.key, `upstreams/app/sub/${A}`);
});

test('with 10,000 instances a change parses one record and replaces one list', () => {
  const records: Record<string, string> = { 'small/127.0.0.1:1': '{}' };
  for (let at = 0; at < 10_000; at++) {
    records[`big/10.0.${at >> 8}.${at & 255}:80`] = '{"weight":1,"max_fails":2}';
  }
  const follow = reader();
  const first = follow.read(state(records));
  assert.equal(first.services.get('big')?.length, 10_000);
  const second = follow.read(state({ ...records, 'big/10.0.0.7:80': '{"down":1}' }));
  assert.equal(second.services.get('small'), first.services.get('small'), 'the same array');
  const [before, after] = [first.services.get('big') ?? [], second.services.get('big') ?? []];
  const changed = after.filter((instance, at) => instance !== before[at]);
  assert.deepEqual(
    changed.map(({ id, down }) => [id, down]),
    [['10.0.0.7:80', true]],
  );
});

test('follows a registry over HTTP, change by change', async (t) => {
  const { address } = await startEmbedded(t);
  const registry = openClient(t, [address]);
  await registry.put(`upstreams/app/${A}`, '{"weight":1}');
  const seen: Membership[] = [];
  let arrived = (): void => {};
  const source = recordSource({ store: registry, prefix: 'upstreams/', log: silentLog });
  const follower = source.follow({
    onMembership: (membership) => {
      seen.push(membership);
      arrived();
    },
  });
  t.after(() => follower.close());
  const until = async (text: string): Promise<void> => {
    while (seen.length === 0 || show(seen.at(-1) ?? assert.fail()) !== text) {
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
    }
  };
  await until(`${A}=up1`);
  await registry.put(`upstreams/app/${A}`, '{"down":1}');
  await until(`${A}=down`);
  await registry.put(`upstreams/app/${B}`, '{}');
  await until(`${A}=down ${B}=up1`);
  await registry.delete(`upstreams/app/${A}`);
  await until(`${B}=up1`);
  await registry.delete('upstreams/', { recurse: true });
  while (seen.at(-1)?.held.length !== 1) {
    await new Promise<void>((resolve) => {
      arrived = resolve;
    });
  }
  assert.equal(show(seen.at(-1) ?? assert.fail()), `${B}=up1`, 'held');
});

test('a change of some records makes what reading all of them makes', () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = seededRandom(seed);
    const oneOf = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    const value = (): string =>
      oneOf([
        '{"weight":1}',
        '{"weight":2}',
        '{"weight":3,"down":1}',
        '{"down":1}',
        '{"backup":1}',
        'junk',
        '{"down":"?"}',
        '{"weight":0}',
      ]);
    const keys = ['app/a:1', 'app/b:1', 'app/zone/b:1', 'app/c:1', 'web/a:1', 'app/', 'x'];
    let records = new Map<string, KvEntry>();
    const [ours, twin] = [reader(), reader()];
    const read = (follow: MembershipReader): Membership =>
      follow.read({
        index,
        entries: [...records.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1)),
      });
    let quick = 0;
    read(ours);
    read(twin);
    for (let step = 0; step < 80; step += 1) {
      index += 1;
      records = new Map(records);
      const entries = Array.from({ length: 1 + Math.floor(random() * 2) }, (): KvEntry => {
        const key = `upstreams/${oneOf(keys)}`;
        const created = records.get(key)?.createIndex ?? index;
        const bytes = Buffer.from(random() < 0.8 ? oneOf(['{"weight":5}', '{"down":1}']) : value());
        return {
          key,
          value: bytes,
          flags: '0',
          createIndex: created,
          modifyIndex: index,
          lockIndex: 0,
        };
      });
      for (const entry of entries) records.set(entry.key, entry);
      const removed = random() < 0.2 ? [`upstreams/${oneOf(keys)}`] : [];
      for (const key of removed) records.delete(key);
      const changed = random() < 0.05 ? undefined : changeOf(ours, { entries, removed }, records);
      if (changed !== undefined) quick += 1;
      assert.deepEqual(changed ?? read(ours), read(twin), `seed ${seed}, step ${step}`);
    }
    assert.ok(quick > 5, `seed ${seed}: ${quick} were quick`);
  }

  /** As a registry tells it: nothing but these entries has changed since it was told last. */
  function changeOf(
    follow: MembershipReader,
    { entries, removed }: Pick<KvChange, 'entries' | 'removed'>,
    records: ReadonlyMap<string, KvEntry>,
  ): Membership | undefined {
    const latest = new Set(entries.map(({ key }) => key));
    const written = [...latest].flatMap((key) => records.get(key) ?? []);
    return follow.change({ index, entries: written, removed });
  }
});

test('a server that joins or leaves is a change, in the place of its key; a list that begins or ends is not', () => {
  const follow = reader();
  const all = state({ [`app/${A}`]: '{}', [`app/${B}`]: '{}', 'app/127.0.0.1:9': '{}' });
  follow.read({ ...all, entries: all.entries.filter(({ key }) => !key.endsWith(B)) });
  const entries = all.entries.filter(({ key }) => key.endsWith(B));
  const joined = follow.change({ index, entries, removed: [] });
  assert.equal(joined && show(joined), `${A}=up1 ${B}=up1 127.0.0.1:9=up1`);
  const removed = [`upstreams/app/${A}`, 'upstreams/app/never'];
  const left = follow.change({ index, entries: [], removed });
  assert.equal(left && show(left), `${B}=up1 127.0.0.1:9=up1`);
  const twice = state({ 'app/zone/127.0.0.1:9': '{}' }).entries;
  assert.equal(follow.change({ index, entries: twice, removed: [] }), undefined, 'a second record');
  const other = state({ [`web/${A}`]: '{}' }).entries;
  assert.equal(follow.change({ index, entries: other, removed: [] }), undefined);
  const rest = [`upstreams/app/${B}`, 'upstreams/app/127.0.0.1:9'];
  assert.equal(follow.change({ index, entries: [], removed: rest }), undefined, 'it is held');
});

test('lists that did not change stay the same arrays, and instances the same objects', () => {
  const follow = reader();
  const read = state({ [`app/${A}`]: '{}', [`app/${B}`]: '{}', [`web/${A}`]: '{}' });
  const first = follow.read(read);
  const [entry] = state({ [`app/${B}`]: '{"weight":9}' }).entries;
  assert(entry !== undefined);
  const next = follow.change({ index, entries: [entry], removed: [] });
  assert(next !== undefined);
  assert.equal(next.services.get('web'), first.services.get('web'));
  assert.equal(next.services.get('app')?.[0], first.services.get('app')?.[0]);
  assert.equal(show(next), `${A}=up1 ${B}=up9`);
  assert.equal(show(first), `${A}=up1 ${B}=up1`, 'what was told before stays');
});
