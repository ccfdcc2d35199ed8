// The table under another configuration: what is known of a server stays with its id.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../base/log.ts';
import { parseConfig } from '../../config.ts';
import { type Admin, type Checks, READY } from '../../model.ts';
import type { Membership } from '../../registry.ts';
import { Table } from '../table.ts';

const A = '127.0.0.1:9001';
const B = '127.0.0.1:9002';
const MAINT: Admin = { state: 'maint', owner: 'user:alice', reason: 'disk', sinceMs: 5 };
const CHECK = 'check: { type: tcp }';

function scene(yaml: string, membership?: Membership) {
  const told: string[] = [];
  const heard: string[] = [];
  const table = new Table({
    ...{ log: silentLog, generation: 4 },
    memberships: new Map(membership === undefined ? [] : [['default', membership]]),
    overrides: [{ upstream: 'app', server: B, admin: MAINT }],
    verdicts: [
      { upstream: 'app', server: A, checks: 'up', riseCount: 9, fallCount: 0, reason: '', atMs: 1 },
    ],
    addresses: () => [],
    onChange: (changes) => heard.push(...changes.keys()),
    onMembers: ({ name }, servers) => told.push(`${name} ${servers.map(({ id }) => id)}`),
    onMember: () => {},
  });
  const set = (text: string): string[] => {
    const names = [...text.matchAll(/\b(app|web): \{/g)].map(([, name]) => name);
    const routes = names.map((name) => `{ path: /${name}, upstream: ${name} }`);
    const config = parseConfig(`${text}\nroutes: [${routes}]`, '/tmp/s.yaml');
    return [...table.setUpstreams(config.upstreams).keys()];
  };
  assert.notDeepEqual(set(yaml), []);
  return {
    ...{ table, set, heard },
    /** Who was told to be probed since the last look. */
    probed: () => told.splice(0),
    verdict(server: string, checks: Checks) {
      table.setVerdict({
        ...{ upstream: 'app', server, checks, riseCount: 1, fallCount: 0, reason: '', atMs: 1 },
        changed: true,
      });
      table.setOverride('app', 'nobody', READY);
    },
    /** `id admin checks mustPass` */
    states: (name = 'app') =>
      [...(table.upstream(name)?.members.values() ?? [])].map(
        ({ state: { id, admin, checks, mustPass } }) =>
          `${id} ${admin} ${checks}${mustPass ? ' must pass' : ''}`,
      ),
  };
}

test('the same configuration changes nothing and still has a generation of its own', () => {
  const yaml = `upstreams: { app: { servers: ["${A}"] }, web: { servers: ["${A}"] } }`;
  const { table, set, probed } = scene(yaml);
  assert.equal(table.generation, 5);
  probed();
  const members = table.upstream('app')?.members;
  assert.deepEqual(set(yaml), []);
  assert.equal(table.generation, 6);
  assert.equal(table.upstream('app')?.members, members);
  assert.deepEqual(probed(), []);
});

test('an upstream joins and leaves by name, in the order of the file', () => {
  const it = scene(`upstreams: { app: { servers: ["${A}"] } }`);
  it.probed();
  assert.deepEqual(
    it.set(`upstreams: { web: { servers: ["${B}"] }, app: { servers: ["${A}"] } }`),
    ['web'],
  );
  assert.deepEqual(
    it.table.upstreams.map(({ config }) => config.name),
    ['web', 'app'],
  );
  assert.deepEqual(it.set(`upstreams: { web: { servers: ["${B}"] } }`), ['app']);
  assert.deepEqual(it.table.update(new Map([['app', 'all']])).removed, ['app']);
  assert.deepEqual(it.table.update(new Map([['web', 'all']])).removed, []);
  assert.deepEqual(it.probed(), [`web ${B}`, 'app '], 'nobody of a removed one is probed');
  it.verdict(A, 'down');
  assert.equal(it.table.upstream('app'), undefined, 'a verdict that comes late is of no account');
});

test('each setting that the data plane goes by makes a change, and only its upstream', () => {
  const other = `web: { servers: ["${A}"] }`;
  const it = scene(`upstreams: { app: { servers: ["${A}"] }, ${other} }`);
  for (const app of [
    `{ servers: ["${A}"], balance: least_conn }`,
    `{ servers: ["${A}"], balance: least_conn, slow_start: 5s }`,
    `{ servers: [{ address: "${A}", weight: 2 }], balance: least_conn, slow_start: 5s }`,
    `{ servers: [{ address: "${A}", weight: 2 }, "${B}"] }`,
    `{ servers: ["${B}"] }`,
  ]) {
    assert.deepEqual(it.set(`upstreams: { app: ${app}, ${other} }`), ['app'], app);
  }
  const silent = `upstreams: { app: { servers: ["${B}"], allow_empty: on }, ${other} }`;
  assert.deepEqual(it.set(silent), [], 'the data plane does not know it');
  assert.equal(it.table.upstream('app')?.config.allowEmpty, true);
});

test('verdicts and overrides stay with the id when the settings around them change', () => {
  const it = scene(`upstreams: { app: { ${CHECK}, servers: ["${A}", "${B}"] } }`);
  const states = [`${A} ready up must pass`, `${B} maint unknown must pass`];
  assert.deepEqual(it.states(), states);
  it.set(
    `upstreams: { app: { check: { type: http, path: /x }, balance: random_two, servers: ["${A}", "${B}"] } }`,
  );
  assert.deepEqual(it.states(), states);
  assert.equal(it.table.verdicts()[0]?.riseCount, 9);
});

test('an override outlives the absence of its upstream, a verdict does not', () => {
  const it = scene(`upstreams: { app: { ${CHECK}, servers: ["${A}", "${B}"] } }`);
  it.set('upstreams: { web: {} }');
  assert.equal(it.table.overrides()[0]?.server, B);
  assert.deepEqual(it.table.verdicts(), []);
  it.set(`upstreams: { app: { ${CHECK}, servers: ["${A}", "${B}"] } }`);
  assert.deepEqual(it.states(), [`${A} ready unknown must pass`, `${B} maint unknown must pass`]);
});

test('whoever serves when checks begin is not taken out for want of a verdict', () => {
  const it = scene(`upstreams: { app: { servers: ["${A}", "${B}"] } }`);
  assert.deepEqual(it.states(), [`${A} ready unknown`, `${B} maint unknown`]);
  const C = '127.0.0.1:9003';
  it.set(`upstreams: { app: { ${CHECK}, servers: ["${A}", "${B}", "${C}"] } }`);
  assert.deepEqual(it.states(), [
    `${A} ready unknown`,
    `${B} maint unknown must pass`,
    `${C} ready unknown must pass`,
  ]);
  it.verdict(A, 'down');
  assert.deepEqual(it.states()[0], `${A} ready down must pass`);
});

test('whoever was let in without a verdict must pass after a maint, or when it comes back', () => {
  const it = scene(`upstreams: { app: { servers: ["${A}"] } }`);
  const checked = `upstreams: { app: { ${CHECK}, servers: ["${A}"] } }`;
  it.set(checked);
  it.table.setOverride('app', A, MAINT);
  it.table.setOverride('app', A, READY);
  assert.deepEqual(it.states(), [`${A} ready unknown must pass`]);

  const other = scene(`upstreams: { app: { servers: ["${A}"] } }`);
  other.set(checked);
  other.set(`upstreams: { app: { ${CHECK}, servers: ["${B}"] } }`);
  other.set(checked);
  assert.deepEqual(other.states(), [`${A} ready unknown must pass`]);
});

test('whoever was let in without a verdict serves on after a drain', () => {
  const it = scene(`upstreams: { app: { servers: ["${A}"] } }`);
  it.set(`upstreams: { app: { ${CHECK}, servers: ["${A}"] } }`);
  it.table.setOverride('app', A, { ...MAINT, state: 'drain' });
  it.table.setOverride('app', A, READY);
  assert.deepEqual(it.states(), [`${A} ready unknown`]);
  const known = it.table.overrides().filter(({ server }) => server === A);
  assert.deepEqual(known, [], 'ready is no intent to remember');
});

test('without checks a verdict is forgotten, and the server serves', () => {
  const it = scene(`upstreams: { app: { ${CHECK}, servers: ["${A}"] } }`);
  it.verdict(A, 'down');
  it.set(`upstreams: { app: { servers: ["${A}"] } }`);
  assert.deepEqual(it.states(), [`${A} ready unknown`]);
  assert.deepEqual(it.table.verdicts(), []);
});

test('a new upstream has the members that the registry has, and loses them with "registry: off"', () => {
  const [, port = ''] = A.split(':');
  const instance = {
    ...{ id: A, service: 'web', host: '127.0.0.1', port: Number(port), weight: 7 },
    ...{ maxFails: 1, failTimeoutMs: 10_000, down: false, backup: false },
  };
  const services = new Map([['web', [instance]]]);
  const it = scene('upstreams: { app: {} }', { index: 1, services, problems: [], held: [] });
  it.set('upstreams: { app: {}, web: {} }');
  assert.equal(it.table.member('web', A)?.state.weight, 7);
  assert.deepEqual(it.set(`upstreams: { app: {}, web: { registry: off, servers: ["${B}"] } }`), [
    'web',
  ]);
  assert.deepEqual(it.states('web'), [`${B} ready unknown`]);
});
