// The table without processes: how facts become the data plane's state, when the generation rises,
// who is probed, and what a guard refuses.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../test/support/base/random.ts';
import { silentLog } from '../base/log.ts';
import { parseConfig, type UpstreamConfig } from '../config.ts';
import type { Admin } from '../model.ts';
import type { Instance, Membership } from '../registry.ts';
import type { Override, RememberedVerdict } from '../snapshot.ts';
import { UpstreamSet } from '../upstream.ts';
import { ChangedServers } from '../workers.ts';
import { type KnownUpstream, Table } from './table.ts';

const A = '127.0.0.1:9001';
const B = '127.0.0.1:9002';
const C = '127.0.0.1:9003';

const MAINT: Admin = { state: 'maint', owner: 'user:alice', reason: 'disk', sinceMs: 5 };
const DRAIN: Admin = { state: 'drain', owner: 'release:r1', reason: '', sinceMs: 6 };
const READY: Admin = { state: 'ready', owner: '', reason: '', sinceMs: 0 };

function upstreams(yaml: string): readonly UpstreamConfig[] {
  return parseConfig(yaml, '/tmp/sluice.yaml').upstreams;
}

function instance(id: string, changes: Partial<Instance> = {}): Instance {
  return {
    id,
    service: 'app',
    host: '127.0.0.1',
    port: Number(id.split(':')[1]),
    weight: 1,
    maxFails: 2,
    failTimeoutMs: 10_000,
    down: false,
    backup: false,
    ...changes,
  };
}

function membership(instances: readonly Instance[], held: readonly string[] = []): Membership {
  return { index: 1, services: new Map([['app', instances]]), problems: [], held };
}

function verdict(server: string, checks: 'up' | 'down'): RememberedVerdict {
  return { upstream: 'app', server, checks, riseCount: 1, fallCount: 0, reason: '', atMs: 1 };
}

type Seen = {
  readonly table: Table;
  readonly changes: string[][];
  /** Of the same, what a worker would be sent. */
  readonly gathered: ChangedServers;
  probed: string[][];
  /** Who is probed, all calls put together. */
  checked: Set<string>;
};

function createTable(
  options: {
    readonly yaml?: string;
    readonly membership?: Membership;
    readonly overrides?: readonly Override[];
    readonly verdicts?: readonly RememberedVerdict[];
    readonly addresses?: (name: string) => readonly string[];
  } = {},
): Seen {
  const seen: Omit<Seen, 'table'> = {
    ...{ changes: [], probed: [], checked: new Set() },
    gathered: new ChangedServers(),
  };
  const table = new Table({
    log: silentLog,
    generation: 9,
    memberships: new Map(options.membership === undefined ? [] : [['default', options.membership]]),
    overrides: options.overrides ?? [],
    verdicts: options.verdicts ?? [],
    addresses: options.addresses ?? (() => []),
    onChange: (changes) => {
      seen.changes.push([...changes.keys()]);
      seen.gathered.addAll(changes);
    },
    onMember: (_, id, server) => {
      if (server === undefined) seen.checked.delete(id);
      else seen.checked.add(id);
      seen.probed.push([
        `only ${id} ${server === undefined ? 'not' : (server.initial?.checks ?? '-')}`,
      ]);
    },
    onMembers: (_, servers) => {
      seen.checked = new Set(servers.map(({ id }) => id));
      seen.probed.push(servers.map(({ id, initial }) => `${id} ${initial?.checks ?? '-'}`));
    },
  });
  table.setUpstreams(upstreams(options.yaml ?? 'upstreams: { app: { check: { type: tcp } } }'));
  return Object.assign(seen, { table });
}

function app(table: Table): KnownUpstream {
  const found = table.upstream('app');
  assert(found !== undefined);
  return found;
}

/** `id admin checks` of each server, as the data plane gets them. */
function states(table: Table): string[] {
  const servers = table.update().upstreams.find(({ name }) => name === 'app')?.servers ?? [];
  return servers.map(({ id, admin, checks }) => `${id} ${admin} ${checks}`);
}

test('config servers come first, and the registry wins about one that both name', () => {
  const { table } = createTable({
    yaml: `upstreams: { app: { servers: [{ address: "${B}", weight: 7, max_conns: 3, down: on }, "${C}"] } }`,
    membership: membership([instance(A), instance(B, { weight: 2 })]),
  });
  assert.deepEqual(states(table), [
    `${B} ready unknown`,
    `${C} ready unknown`,
    `${A} ready unknown`,
  ]);
  const b = table.member('app', B);
  assert.deepEqual([b?.state.weight, b?.state.maxConns, b?.source], [2, 3, 'registry']);
  assert.equal(table.member('app', C)?.source, 'config');
});

test("a record's max_conns beats the file's, also with 0; left out, the file's stays", () => {
  const { table } = createTable({
    yaml: `upstreams: { app: { servers: [{ address: "${B}", max_conns: 3 }, { address: "${C}", max_conns: 3 }] } }`,
    membership: membership([
      instance(A, { maxConns: 7 }),
      instance(B, { maxConns: 0 }),
      instance(C),
    ]),
  });
  const limits = [A, B, C].map((id) => table.member('app', id)?.state.maxConns);
  assert.deepEqual(limits, [7, 0, 3]);
});

test('an upstream that does not follow the registry has its config servers only', () => {
  const { table } = createTable({
    yaml: `upstreams: { app: { registry: off, servers: ["${C}"] } }`,
    membership: membership([instance(A)]),
  });
  assert.deepEqual(states(table), [`${C} ready unknown`]);
});

test('the stricter intent counts, whoever it is from', () => {
  const cases: readonly (readonly [Admin | undefined, boolean, string, string])[] = [
    [undefined, false, 'ready', ''],
    [undefined, true, 'maint', 'kv'],
    [DRAIN, false, 'drain', 'release:r1'],
    [DRAIN, true, 'maint', 'kv'],
    [MAINT, true, 'maint', 'user:alice'],
  ];
  for (const [admin, down, state, owner] of cases) {
    const { table } = createTable({
      membership: membership([instance(A, { down })]),
      overrides: admin === undefined ? [] : [{ upstream: 'app', server: A, admin }],
    });
    const found = table.member('app', A)?.admin;
    assert.deepEqual([found?.state, found?.owner], [state, owner]);
  }
});

test('the generation rises with a change that the data plane sees, and with no other', () => {
  const { table, changes } = createTable({ membership: membership([instance(A)]) });
  assert.equal(table.generation, 10);
  table.setMembership('default', membership([instance(A)]));
  assert.equal(table.generation, 10, 'another array, the same content');
  table.setOverride('app', A, DRAIN);
  assert.equal(table.generation, 11);
  table.setOverride('app', A, { ...DRAIN, owner: 'user:bob' });
  assert.equal(table.generation, 11, 'another owner');
  assert.equal(table.member('app', A)?.admin.owner, 'user:bob');
  assert.equal(table.member('app', A)?.adminGeneration, 11);
  table.setOverride('app', A, READY);
  assert.equal(table.member('app', A)?.adminGeneration, 12);
  assert.deepEqual(changes, [['app'], ['app']]);
});

test('only the upstreams that changed are told', () => {
  const { table, changes } = createTable({
    yaml: `upstreams: { app: {}, web: { servers: ["${C}"] } }\nroutes: [{ path: /, upstream: app }, { path: /w, upstream: web }]`,
  });
  table.setMembership('default', membership([instance(A)]));
  assert.deepEqual(changes, [['app']]);
  assert.deepEqual(
    table.update(new Map([['app', 'all']])).upstreams.map(({ name }) => name),
    ['app'],
  );
  assert.deepEqual(
    table.update().upstreams.map(({ name }) => name),
    ['app', 'web'],
  );
});

test('since when a server is down in the registry does not move', () => {
  const { table } = createTable({ membership: membership([instance(A, { down: true })]) });
  const since = table.member('app', A)?.admin.sinceMs;
  table.setMembership('default', membership([instance(A, { down: true, weight: 4 })]));
  assert.equal(table.member('app', A)?.admin.sinceMs, since);
});

test('remembered verdicts count at once, and go to the checker', () => {
  const { table, probed } = createTable({
    membership: membership([instance(A), instance(B), instance(C)]),
    verdicts: [verdict(A, 'up'), verdict(B, 'down')],
  });
  assert.deepEqual(states(table), [`${A} ready up`, `${B} ready down`, `${C} ready unknown`]);
  assert.deepEqual(probed, [[`${A} up`, `${B} down`, `${C} -`]]);
  assert.equal(table.member('app', C)?.state.mustPass, true);
});

test('without checks a remembered verdict does not count', () => {
  const { table } = createTable({
    yaml: 'upstreams: { app: {} }',
    membership: membership([instance(A)]),
    verdicts: [verdict(A, 'down')],
  });
  assert.deepEqual(states(table), [`${A} ready unknown`]);
  assert.deepEqual(table.verdicts(), []);
});

test('intent about an upstream that the config lost for a while is kept', () => {
  const override = { upstream: 'gone', server: A, admin: MAINT };
  const { table } = createTable({ membership: membership([instance(B)]), overrides: [override] });
  table.setOverride('app', B, DRAIN);
  assert.deepEqual(table.overrides(), [override, { upstream: 'app', server: B, admin: DRAIN }]);
});

test("down in the registry is probed on, an operator's maint is not and forgets the verdict", () => {
  const seen = createTable({
    membership: membership([instance(A), instance(B)]),
    verdicts: [verdict(A, 'up'), verdict(B, 'up')],
  });
  const { table } = seen;
  seen.probed = [];
  table.setMembership('default', membership([instance(A, { down: true }), instance(B)]));
  table.setOverride('app', B, DRAIN);
  table.setOverride('app', B, MAINT);
  assert.deepEqual(states(table), [`${A} maint up`, `${B} maint unknown`]);
  table.setOverride('app', B, READY);
  assert.deepEqual(states(table), [`${A} maint up`, `${B} ready unknown`]);
  assert.deepEqual(seen.probed, [
    // Down in the registry changes nothing, drain nothing either.
    [`only ${B} up`],
    [`only ${B} not`],
    [`only ${B} -`],
  ]);
});

test('maint over a registry that already said down stops the probes as well', () => {
  const seen = createTable({ membership: membership([instance(A, { down: true })]) });
  seen.probed = [];
  seen.table.setOverride('app', A, MAINT);
  assert.deepEqual(seen.probed, [[`only ${A} not`]]);
});

test('a worker that gets what changed has what the whole table says', () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const random = seededRandom(seed);
    const oneOf = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    const ids = Array.from({ length: 20 }, (_, index) => `127.0.0.1:${9000 + index}`);
    let instances = ids.filter(() => random() < 0.7).map((id) => instance(id));
    // With servers of its own the whole list is computed when somebody joins or leaves.
    const own = seed % 2 === 0 ? `, servers: ["${ids[0]}", "127.0.0.1:1"]` : '';
    const seen = createTable({
      yaml: `upstreams: { app: { check: { type: tcp }${own} } }`,
      membership: membership(instances),
    });
    const { table, gathered } = seen;
    const worker = new UpstreamSet();
    worker.apply(table.update(), 0);
    let singles = 0;
    for (let step = 0; step < 60; step += 1) {
      const dice = random();
      if (dice < 0.5) {
        const changed = oneOf(ids);
        instances = instances.map((one) =>
          one.id === changed
            ? { ...one, weight: 1 + Math.floor(random() * 3), down: random() < 0.3 }
            : one,
        );
        table.setMembership('default', membership(instances, random() < 0.05 ? ['app'] : []));
      } else if (dice < 0.55) {
        const moved = oneOf(ids);
        const listed = instances.map(({ id }) => id).filter((id) => id !== moved);
        const next = listed.length < instances.length ? listed : [...listed, moved].toSorted();
        instances = next.map((id) => instances.find((one) => one.id === id) ?? instance(id));
        table.setMembership('default', membership(instances));
      } else if (dice < 0.6) {
        instances = ids.filter(() => random() < 0.7).map((id) => instance(id));
        table.setMembership('default', membership(instances));
      } else if (dice < 0.8) {
        table.setVerdict({ ...verdict(oneOf(ids), oneOf(['up', 'down'])), changed: true });
      } else
        table.setOverride(
          'app',
          oneOf([...app(table).members.keys()]),
          oneOf([MAINT, DRAIN, READY]),
        );
      // Now and then the worker is slow, and what changes meanwhile is gathered.
      if (random() < 0.3) continue;
      // An override waits for nobody: all that was put off is in force with it.
      table.setOverride('app', 'nobody', READY);
      const update = table.update(gathered.take());
      singles += update.upstreams.length === 0 ? 1 : 0;
      worker.apply(structuredClone(update), 0);
      const [whole] = table.update().upstreams;
      assert.deepEqual(
        worker.get('app')?.servers.map(({ state }) => state),
        whole?.servers,
        `seed ${seed}, step ${step}`,
      );
      const probed = [...app(table).members.keys()].filter(
        (id) => app(table).overrides.get(id)?.state !== 'maint',
      );
      assert.deepEqual(
        [...seen.checked].toSorted(),
        probed.toSorted(),
        `seed ${seed}, step ${step}`,
      );
    }
    assert.ok(singles > 5, `seed ${seed}: ${singles} updates without a whole list`);
    table.close();
  }
});

test('a server that left and came back must pass again', () => {
  const { table } = createTable({
    membership: membership([instance(A), instance(B)]),
    verdicts: [verdict(A, 'up'), verdict(B, 'up')],
  });
  table.setMembership('default', membership([instance(B)]));
  table.setMembership('default', membership([instance(A), instance(B)]));
  // A burst: the second change may wait for the first one's rest.
  table.setOverride('app', B, DRAIN);
  assert.deepEqual(states(table), [`${A} ready unknown`, `${B} drain up`]);
  table.close();
});

test('intent about a server outlives its absence', () => {
  const { table } = createTable({
    membership: membership([instance(B)]),
    overrides: [{ upstream: 'app', server: A, admin: MAINT }],
  });
  assert.deepEqual(table.overrides(), [{ upstream: 'app', server: A, admin: MAINT }]);
  table.setMembership('default', membership([instance(A), instance(B)]));
  table.setOverride('app', B, DRAIN);
  assert.deepEqual(states(table), [`${A} maint unknown`, `${B} drain unknown`]);
  table.close();
});

test('ten thousand verdicts in a row are far fewer tables', async () => {
  const ids = Array.from({ length: 10_000 }, (_, at) => `10.0.${at >> 8}.${at & 255}:80`);
  const { table, changes } = createTable({
    membership: membership(ids.map((id) => instance(id))),
  });
  for (const server of ids) table.setVerdict({ ...verdict(server, 'up'), changed: true });
  // The last change is in force although it had to wait.
  table.setOverride('app', ids[0] ?? '', DRAIN);
  assert.ok(changes.length < 1000, `${changes.length} tables`);
  assert.equal(states(table).filter((state) => state.endsWith('up')).length, 10_000);
  table.close();
});
