// Servers given by name: how many they are, and that what is known of one goes with it to another id.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silentLog } from '../../base/log.ts';
import { parseConfig } from '../../config.ts';
import type { CheckedServer } from '../../health.ts';
import type { Admin } from '../../model.ts';
import type { Instance, Membership } from '../../registry.ts';
import { Table } from '../table.ts';

const NAME = 'app.internal:80';
const YAML = `upstreams: { app: { servers: ["${NAME}", "10.0.0.9:80"], check: { type: tcp } } }`;
const MAINT: Admin = { state: 'maint', owner: 'user:alice', reason: '', sinceMs: 1 };
const READY: Admin = { state: 'ready', owner: '', reason: '', sinceMs: 0 };

function scene(t: TestContext, first: readonly string[], yaml = YAML) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let addresses = first;
  const probed = new Map<string, CheckedServer>();
  const table = new Table({
    ...{ log: silentLog, generation: 0, overrides: [], verdicts: [], memberships: new Map() },
    addresses: () => addresses,
    onChange: () => {},
    onMembers: (_, servers) => {
      probed.clear();
      for (const server of servers) probed.set(server.id, server);
    },
    onMember: (_, id, server) => {
      if (server === undefined) probed.delete(id);
      else probed.set(id, server);
    },
  });
  table.setUpstreams(parseConfig(yaml, '/tmp/s.yaml').upstreams);
  return {
    ...{ table, probed },
    resolve(...next: readonly string[]) {
      addresses = next;
      table.setAddresses(new Set(['app.internal']));
      t.mock.timers.tick(1000);
    },
    register(instance: Partial<Instance>) {
      const place = { id: NAME, service: 'app', host: 'app.internal', port: 80 };
      const rest = { weight: 1, maxFails: 2, failTimeoutMs: 1, down: false, backup: false };
      const list = [{ ...place, ...rest, ...instance }];
      const services = new Map([['app', list]]);
      const membership: Membership = { index: 1, services, problems: [], held: [] };
      table.setMembership('default', membership);
      t.mock.timers.tick(1000);
    },
    passed(server: string) {
      const verdict = { riseCount: 1, fallCount: 0, reason: '', atMs: 1, changed: true };
      table.setVerdict({ upstream: 'app', server, checks: 'up', ...verdict });
      t.mock.timers.tick(1000);
    },
    /** `id@address admin checks`, of the names alone. */
    shown: () =>
      (table.update().upstreams[0]?.servers ?? [])
        .filter(({ host }) => host === 'app.internal')
        .map((one) => `${one.id}@${one.addresses} ${one.admin} ${one.checks}`),
  };
}

test('one address is one server by its name, several are servers by their addresses', (t) => {
  const { shown, resolve } = scene(t, ['10.0.0.1']);
  assert.deepEqual(shown(), [`${NAME}@10.0.0.1 ready unknown`]);
  resolve('10.0.0.1', '10.0.0.2');
  assert.deepEqual(shown(), [
    '10.0.0.1:80@10.0.0.1 ready unknown',
    '10.0.0.2:80@10.0.0.2 ready unknown',
  ]);
  resolve('10.0.0.2', '10.0.0.3');
  assert.deepEqual(
    shown().map((text) => text.split('@')[0]),
    ['10.0.0.2:80', '10.0.0.3:80'],
  );
  resolve('10.0.0.3');
  assert.deepEqual(shown(), [`${NAME}@10.0.0.3 ready unknown`]);
  resolve();
  assert.deepEqual(shown(), [`${NAME}@ ready unknown`]);
});

test('addresses of another family than the first are ways to the same machines', (t) => {
  const { shown, resolve } = scene(t, ['127.0.0.1', '::1']);
  assert.deepEqual(shown(), [`${NAME}@127.0.0.1,::1 ready unknown`]);
  resolve('::1', 'fd00::1', '127.0.0.1');
  assert.deepEqual(
    shown().map((text) => text.split(' ')[0]),
    ['[::1]:80@::1', '[fd00::1]:80@fd00::1'],
  );
});

test('a server that is written down by its address is not there twice', (t) => {
  const { table } = scene(t, ['10.0.0.1', '10.0.0.9']);
  const ids = [...(table.upstream('app')?.members.keys() ?? [])];
  assert.deepEqual(ids, ['10.0.0.1:80', '10.0.0.9:80']);
  assert.equal(table.member('app', '10.0.0.9:80')?.state.host, '10.0.0.9');
});

test('one that is written down by its address counts, wherever it stands', (t) => {
  const yaml = `upstreams: { app: { servers: [{ address: "10.0.0.9:80", weight: 7 }, "${NAME}"] } }`;
  const { table } = scene(t, ['10.0.0.9', '10.0.0.1'], yaml);
  const members = [...(table.upstream('app')?.members.values() ?? [])];
  assert.deepEqual(
    members.map(({ state }) => `${state.id} ${state.host} ${state.weight}`),
    ['10.0.0.9:80 10.0.0.9 7', '10.0.0.1:80 app.internal 1'],
  );
});

test('one that serves when checks begin goes on to serve under its other id', (t) => {
  const { table, resolve } = scene(t, ['10.0.0.1'], YAML.replace('check: { type: tcp }', ''));
  table.setUpstreams(parseConfig(YAML, '/tmp/s.yaml').upstreams);
  resolve('10.0.0.1', '10.0.0.2');
  const mustPass = (id: string) => table.member('app', id)?.state.mustPass;
  assert.deepEqual([mustPass('10.0.0.1:80'), mustPass('10.0.0.2:80')], [false, true]);
});

test('what the checks said goes along when a name gets a second address, and back', (t) => {
  const { shown, resolve, passed, probed } = scene(t, ['10.0.0.1']);
  passed(NAME);
  resolve('10.0.0.1', '10.0.0.2');
  assert.deepEqual(shown(), [
    '10.0.0.1:80@10.0.0.1 ready up',
    '10.0.0.2:80@10.0.0.2 ready unknown',
  ]);
  assert.equal(probed.get('10.0.0.1:80')?.initial?.checks, 'up');
  assert.equal(probed.get('10.0.0.1:80')?.writtenId, NAME, 'checks ask for the name');
  assert.deepEqual(probed.get('10.0.0.2:80')?.addresses, ['10.0.0.2']);
  passed('10.0.0.2:80');
  resolve('10.0.0.2');
  assert.deepEqual(shown(), [`${NAME}@10.0.0.2 ready up`]);
  resolve('10.0.0.4', '10.0.0.5');
  assert.deepEqual(
    shown().map((text) => text.split(' ')[2]),
    ['unknown', 'unknown'],
    'other processes have shown nothing yet',
  );
});

test('each address is drained for itself, and what was said of the name holds for all', (t) => {
  const { table, shown, resolve, probed } = scene(t, ['10.0.0.1', '10.0.0.2']);
  table.setOverride('app', '10.0.0.1:80', MAINT);
  const admins = (): string[] => shown().map((text) => text.split(' ')[1] ?? '');
  assert.deepEqual([admins(), probed.has('10.0.0.1:80')], [['maint', 'ready'], false]);
  resolve('10.0.0.1');
  assert.deepEqual([admins(), probed.has(NAME)], [['maint'], false], 'the same process');
  resolve('10.0.0.2');
  assert.deepEqual([admins(), probed.has(NAME)], [['ready'], true], 'another process');
  table.setOverride('app', NAME, MAINT);
  assert.deepEqual(admins(), ['maint']);
  resolve('10.0.0.2', '10.0.0.3');
  assert.deepEqual(admins(), ['maint', 'maint']);
  table.setOverride('app', NAME, READY);
  assert.deepEqual([admins(), probed.has('10.0.0.3:80')], [['ready', 'ready'], true]);
});

test('a record of a name is the record of each of its addresses', (t) => {
  const { table, register, shown } = scene(t, ['10.0.0.1', '10.0.0.2'], 'upstreams: { app: {} }');
  register({ weight: 3 });
  const weights = () =>
    [...(table.upstream('app')?.members.values() ?? [])].map(({ state }) => state.weight);
  assert.deepEqual(weights(), [3, 3]);
  register({ weight: 5, down: true });
  assert.deepEqual(weights(), [5, 5]);
  assert.deepEqual(
    shown().map((text) => text.split(' ')[1]),
    ['maint', 'maint'],
  );
});
