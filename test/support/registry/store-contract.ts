// What every store of records must do, whatever stands behind it.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { KvState, RecordStore } from '../../../src/registry.ts';

/** Opens an empty store; undefined when the test is skipped. */
export type StartStore = (t: TestContext) => Promise<RecordStore | undefined>;

/** What a store cannot do; everything is expected of it else. */
export type StoreLimits = {
  readonly flags?: 'refused';
  /** Values that are not text, and records that are a folder as well. */
  readonly bytes?: 'refused';
};

export function storeContract(name: string, start: StartStore, limits: StoreLimits = {}): void {
  const flags = limits.flags === undefined ? '18446744073709551615' : '0';
  const check = (
    what: string,
    run: (registry: RecordStore, t: TestContext) => Promise<void>,
  ): void => {
    test(`${name}: ${what}`, async (t) => {
      const registry = await start(t);
      if (registry !== undefined) await run(registry, t);
    });
  };

  check('reads back what was written, byte for byte', async (registry) => {
    const value = Buffer.from(limits.bytes === undefined ? [0, 255, 10, 13, 34, 92] : 'ä\0\n\r"\\');
    assert.equal(await registry.put('a/b', value, { flags }), true);
    const entry = await registry.get('a/b');
    assert.deepEqual(Buffer.from(entry?.value ?? []), value);
    assert.equal(entry?.flags, flags);
    assert.equal(entry?.createIndex, entry?.modifyIndex);
    assert.equal(await registry.get('a'), undefined);
    await registry.put('a/empty', '');
    assert.equal((await registry.get('a/empty'))?.value.length, 0);
  });

  if (limits.flags === 'refused') {
    check('refuses flags instead of forgetting them', async (registry) => {
      const refused = { code: 'registry_refused' };
      await assert.rejects(registry.put('a', '1', { flags: '7' }), refused);
      await assert.rejects(registry.commit([{ key: 'a', value: '1', flags: '7' }]), refused);
      assert.equal(await registry.get('a'), undefined);
    });
  }

  if (limits.bytes === 'refused') {
    check('refuses what is not text, and folders', async (registry) => {
      const refused = { code: 'registry_refused' };
      await assert.rejects(registry.put('a', Buffer.from([255])), refused);
      await assert.rejects(registry.put('dir/', '1'), refused);
      await assert.rejects(registry.put('a/_b', '1'), refused);
      await registry.put('a/b', '1');
      await assert.rejects(registry.put('a', '1'), refused);
      await assert.rejects(registry.put('a/b/c', '1'), refused);
      assert.equal(await textOf(registry, ''), 'a/b=1');
    });
  }

  check('carries keys of all kinds', async (registry) => {
    const keys = ['ä/ö ü', 'a+b', 'a&b=c?d#e', 'a%2Fb', '😀', '"quoted"', 'up/[::1]:80'];
    if (limits.bytes === undefined) keys.push('dir/');
    for (const key of keys) assert.equal(await registry.put(key, key), true, key);
    for (const key of keys) {
      assert.equal(Buffer.from((await registry.get(key))?.value ?? []).toString(), key, key);
    }
    const listed = (await registry.list('')).entries.map((entry) => entry.key);
    assert.deepEqual(
      listed,
      [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
  });

  check('tells the keys alone, where it can', async (registry) => {
    for (const key of ['k/b', 'k/a/1', 'k/ä', 'l']) await registry.put(key, 'x');
    if (registry.keys === undefined) return;
    assert.deepEqual(await registry.keys('k/'), ['k/a/1', 'k/b', 'k/ä']);
    assert.deepEqual(await registry.keys('none/'), []);
    assert.deepEqual(await registry.keys(''), ['k/a/1', 'k/b', 'k/ä', 'l']);
  });

  check('refuses keys that no path can carry, and values that are too large', async (registry) => {
    for (const key of ['', '/a', 'a//b', 'a/../b', '.', 'a\nb', 's\ud800']) {
      await assert.rejects(
        registry.put(key, 'x'),
        { code: 'registry_refused' },
        JSON.stringify(key),
      );
    }
    assert.equal(await registry.put('large', Buffer.alloc(512 * 1024, 1)), true);
    await assert.rejects(registry.put('larger', Buffer.alloc(512 * 1024 + 1)), {
      code: 'too_large',
    });
    assert.equal((await registry.get('large'))?.value.length, 512 * 1024);
  });

  check('writes with cas only over what was read', async (registry) => {
    assert.equal(await registry.put('a', '1', { cas: 0 }), true);
    assert.equal(await registry.put('a', '2', { cas: 0 }), false);
    const entry = await registry.get('a');
    assert(entry !== undefined);
    assert.equal(await registry.put('a', '2', { cas: entry.modifyIndex }), true);
    assert.equal(await registry.put('a', '3', { cas: entry.modifyIndex }), false);
    assert.equal(await registry.delete('a', { cas: entry.modifyIndex }), false);
    const now = await registry.get('a');
    assert.equal(now?.createIndex, entry.createIndex);
    assert.equal(await registry.delete('a', { cas: now?.modifyIndex ?? 0 }), true);
    assert.equal(await registry.delete('a'), true, 'deleting what is absent is no failure');
  });

  check('an identical write changes no index', async (registry) => {
    await registry.put('a', '1');
    const before = await registry.list('a');
    await registry.put('a', '1');
    assert.equal((await registry.list('a')).index, before.index);
    await registry.put('a', '2');
    assert((await registry.list('a')).index > before.index);
  });

  check('writes several records or none', async (registry) => {
    await registry.put('c/a', '1');
    const a = await registry.get('c/a');
    assert(a !== undefined);
    const both = [
      { key: 'c/a', value: '2', cas: a.modifyIndex, flags },
      { key: 'c/b', value: '2', cas: 0 },
    ] as const;
    assert.equal(await registry.commit(both), true);
    assert.equal(await textOf(registry, 'c/'), 'a=2 b=2');
    assert.equal((await registry.get('c/a'))?.flags, flags);
    assert.equal(await registry.commit([{ key: 'c/c', value: '1' }, ...both]), false);
    assert.equal(await textOf(registry, 'c/'), 'a=2 b=2');
    assert.equal(
      await registry.commit([
        { key: 'c/a', delete: true },
        { key: 'c/b', delete: true, cas: 1 },
      ]),
      false,
    );
    assert.equal(await registry.commit([{ key: 'c/a', delete: true, cas: 0 }]), false);
    assert.equal(await textOf(registry, 'c/'), 'a=2 b=2');
    const b = await registry.get('c/b');
    assert.equal(
      await registry.commit([
        { key: 'c/a', delete: true },
        { key: 'c/b', delete: true, cas: b?.modifyIndex ?? 0 },
        { key: 'c/absent', delete: true, cas: 0 },
        { key: 'c/d', value: 'ä"\n' },
      ]),
      true,
    );
    assert.equal(await textOf(registry, 'c/'), 'd=ä"\n');
  });

  check('an absent prefix is an empty state with an index', async (registry) => {
    const empty = await registry.list('nothing/');
    assert.deepEqual(empty.entries, []);
    assert(empty.index >= 1);
  });

  check('a prefix index rises when its keys are deleted, and never falls', async (registry) => {
    await registry.put('p/a', '1');
    await registry.put('p/b', '1');
    let last = (await registry.list('p/')).index;
    for (const step of [
      () => registry.delete('p/b'),
      () => registry.put('p/c', '1'),
      () => registry.delete('p/', { recurse: true }),
      () => registry.put('p/a', '1'),
    ]) {
      await step();
      const { index } = await registry.list('p/');
      assert(index > last, `${index} after ${last}`);
      last = index;
    }
  });

  check('a watch gives the state at the start and after every change', async (registry, t) => {
    await registry.put('w/a', '1');
    const seen = new Seen();
    const watch = registry.watch('w/', seen);
    t.after(() => watch.close());
    assert.equal(await seen.until('a=1'), 'a=1');
    await registry.put('other', 'x');
    await registry.put('w/a', '1');
    await registry.put('w/b', '2');
    await seen.until('a=1 b=2');
    await registry.delete('w/a');
    await seen.until('b=2');
    await registry.delete('w/', { recurse: true });
    await seen.until('');
    await registry.put('w/c', '3');
    await seen.until('c=3');
    assert(
      seen.indexes.every((index, at) => at === 0 || index > (seen.indexes[at - 1] ?? 0)),
      `each state is news: ${seen.indexes}`,
    );
    assert.equal(registry.health().reachable, true);
  });

  check('a watch of an absent prefix waits for its first record', async (registry, t) => {
    const seen = new Seen();
    const watch = registry.watch('w/', seen);
    t.after(() => watch.close());
    await seen.until('');
    await registry.put('x/a', '1');
    await registry.put('w/a', '1');
    await seen.until('a=1');
    assert.deepEqual([...new Set(seen.states)], ['', 'a=1']);
  });

  check('ten watches of one client all see each change', async (registry, t) => {
    const all = Array.from({ length: 10 }, () => new Seen());
    for (const seen of all) {
      const watch = registry.watch('w/', seen);
      t.after(() => watch.close());
    }
    for (let at = 0; at < 5; at++) {
      await registry.put('w/a', String(at));
      await Promise.all(all.map((seen) => seen.until(`a=${at}`)));
    }
  });
}

/** What a lease must do; apart, because of the time that it takes to run out. */
export function leaseContract(name: string, start: StartClients): void {
  test(`${name}: records under a lease can be rewritten, and end with it`, async (t) => {
    const open = await start(t);
    if (open === undefined) return;
    const registry = open();
    const lost: string[] = [];
    const options = { ttlMs: 10_000, onLost: (why: string) => lost.push(why) };
    await registry.put('l/other', '1');
    const lease = await registry.openLease(options);
    const other = await registry.openLease(options);
    await lease.put('l/a', '1');
    await lease.put('l/a', '2');
    await lease.put('l/b', '1');
    await lease.put('l/c', '1');
    await other.put('l/d', '1');
    await lease.delete('l/c');
    assert.equal(await textOf(registry, 'l/'), 'a=2 b=1 d=1 other=1');
    const sessionOf = async (key: string) => (await registry.get(key))?.session ?? '';
    const session = await sessionOf('l/a');
    assert.notEqual(session, '');
    assert.equal(await sessionOf('l/b'), session);
    assert.notEqual(await sessionOf('l/d'), '');
    assert.equal(await sessionOf('l/other'), '');
    if (registry.holderOf !== undefined) {
      assert.match(await registry.holderOf(session), /\w on \w/);
      assert.equal(await registry.holderOf('00000000-0000-0000-0000-000000000000'), '');
    }
    await lease.close();
    assert.equal(await textOf(registry, 'l/'), 'd=1 other=1');
    await other.close();
    await other.close();
    assert.equal(await textOf(registry, 'l/'), 'other=1');
    const again = await registry.openLease(options);
    await again.put('l/a', '3');
    assert.equal(await textOf(registry, 'l/'), 'a=3 other=1');
    await again.close();
    assert.deepEqual(lost, []);
  });

  test(`${name}: a lease lives while it is renewed, and not when its holder is gone`, async (t) => {
    const open = await start(t);
    if (open === undefined) return;
    const [registry, dying] = [open(), open()];
    const kept = await registry.openLease({ ttlMs: 10_000, onLost: () => {} });
    t.after(() => kept.close());
    await kept.put('l/kept', '1');
    const dead = await dying.openLease({ ttlMs: 10_000, onLost: () => {} });
    await dead.put('l/dead', '1');
    dying.close();
    const seen = new Seen();
    const watch = registry.watch('l/', seen);
    t.after(() => watch.close());
    await seen.until('kept=1');
    assert.deepEqual([...new Set(seen.states)], ['dead=1 kept=1', 'kept=1']);
  });
}

/** Opens clients of one empty store; undefined when the test is skipped. */
type StartClients = (t: TestContext) => Promise<(() => RecordStore) | undefined>;

async function textOf(registry: RecordStore, prefix: string): Promise<string> {
  const { entries } = await registry.list(prefix);
  return entries
    .map(({ key, value }) => `${key.slice(prefix.length)}=${Buffer.from(value)}`)
    .join(' ');
}

/** What a watch was told, as `key=value` texts, and a way to await one. */
export class Seen {
  readonly states: string[] = [];
  readonly indexes: number[] = [];
  #arrived: () => void = () => {};

  readonly onState = (state: KvState): void => {
    const text = state.entries
      .map(({ key, value }) => `${key.split('/').slice(1).join('/')}=${Buffer.from(value)}`)
      .join(' ');
    this.states.push(text);
    this.indexes.push(state.index);
    this.#arrived();
  };

  async until(text: string): Promise<string> {
    while (this.states.at(-1) !== text) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    return text;
  }
}
