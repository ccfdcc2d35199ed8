// Services of a real Consul as lists of servers: the contract of every source, then what is their own.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startConsul } from '../../../test/support/peers/programs.ts';
import { startConsulCluster } from '../../../test/support/registry/consul-cluster.ts';
import { ConsulServices } from '../../../test/support/registry/consul-services.ts';
import { startGate } from '../../../test/support/registry/gate.ts';
import { sourceContract, Told } from '../../../test/support/registry/source-contract.ts';
import { silentLog } from '../../base/log.ts';
import type { Address } from '../../base/units.ts';
import { type ServicesOptions, servicesSource } from './services.ts';

const ALL: NonNullable<ServicesOptions['health']> = { passing: false, warnings: false };

function sourceAt(
  addresses: readonly Address[],
  health: ServicesOptions['health'] = undefined,
  waitMs = 60_000,
) {
  return servicesSource({ reach: { addresses }, health, log: silentLog, waitMs });
}

for (const [name, health] of [
  ['consul_services', undefined],
  ['consul_health', ALL],
] as const) {
  sourceContract(name, async (t) => {
    const consul = await startConsul(t);
    const [agent] = consul?.addresses ?? [];
    if (agent === undefined) return undefined;
    const services = new ConsulServices(agent);
    const gate = await startGate(t, agent);
    return {
      source: sourceAt([gate.address], health),
      write: (servers) => services.write(servers),
      away: { begin: () => gate.shut(), end: () => gate.open() },
      addNoServer: () => services.register({ name: 'app', server: '127.0.0.1:0', id: 'no' }),
    };
  });
}

async function scene(t: TestContext, health: ServicesOptions['health'] = ALL) {
  const consul = await startConsul(t);
  const [agent] = consul?.addresses ?? [];
  if (agent === undefined) return undefined;
  const services = new ConsulServices(agent);
  return { agent, services, source: sourceAt([agent], health) };
}

test('tags are read as upsync reads them, then metadata, then weights of Consul', async (t) => {
  const it = await scene(t);
  if (it === undefined) return;
  const { services, source } = it;
  const tags = ['v2', 'weight=7', 'weight=9', 'max_fails=0', 'fail_timeout=1m', 'backup'];
  const meta = { weight: '3', max_conns: '5', version: 'x', backup: 'false' };
  const weights = { Passing: 4, Warning: 2 };
  await services.register({ name: 'app', server: '10.0.0.1:1', tags, meta, weights });
  await services.register({ name: 'app', server: '10.0.0.1:2', meta, weights });
  await services.register({ name: 'app', server: '10.0.0.1:3', weights });
  await services.register({ name: 'app', server: '10.0.0.1:4', tags: ['down', 'weight=junk'] });
  const told = new Told(t, source);
  await told.until('app: 10.0.0.1:1*7-backup 10.0.0.1:2*3 10.0.0.1:3*4 10.0.0.1:4-down');
  const [first, second] = told.last.services.get('app') ?? [];
  assert.deepEqual(
    [first?.maxFails, first?.failTimeoutMs, first?.maxConns, second?.maxFails],
    [0, 60_000, 5, 2],
  );
  assert.deepEqual(
    told.last.problems.map(({ server, message }) => [server, message]),
    [['10.0.0.1:4', 'weight "junk" is not 1 to 65535, taken as 1']],
  );
});

test('an instance without an address of its own has that of its node', async (t) => {
  const it = await scene(t);
  if (it === undefined) return;
  await it.services.register({ name: 'app', server: ':80' });
  await new Told(t, it.source).until('app: 127.0.0.1:80');
  await new Told(t, sourceAt([it.agent])).until('app: 127.0.0.1:80');
});

test('checks decide: critical is down, a warning is what the settings say', async (t) => {
  const consul = await startConsul(t);
  const [agent] = consul?.addresses ?? [];
  if (agent === undefined) return;
  const services = new ConsulServices(agent);
  const weights = { Passing: 10, Warning: 2 };
  const [one, two] = ['10.0.0.1:1', '10.0.0.1:2'];
  const app = { name: 'app', weights };
  await services.register({ ...app, server: one, id: 'one', check: 'critical' });
  await services.register({ ...app, server: two, id: 'two', check: 'passing' });
  const follow = (health: ServicesOptions['health']): Told =>
    new Told(t, sourceAt([agent], health));
  const told = {
    catalog: follow(undefined),
    all: follow(ALL),
    warned: follow({ passing: false, warnings: true }),
    passing: follow({ passing: true, warnings: false }),
  };
  await Promise.all([
    told.catalog.until(`app: ${one}*10 ${two}*10`),
    told.all.until(`app: ${one}*10-down ${two}*10`),
    told.warned.until(`app: ${one}*10-down ${two}*10`),
    told.passing.until(`app: ${two}*10`),
  ]);
  await services.setCheck('one', 'warning');
  await Promise.all([
    told.warned.until(`app: ${one}*2 ${two}*10`),
    told.all.until(`app: ${one}*10-down ${two}*10`),
  ]);
  await services.setCheck('two', 'warning');
  await Promise.all([
    told.passing.untilHeld('app'),
    told.all.until(`app: ${one}*10-down ${two}*10-down`),
  ]);
  assert.equal(told.passing.shown, `app: ${two}*10`, 'the last one that passed stays');
  await services.setCheck('one', 'passing');
  await told.passing.until(`app: ${one}*10`);
});

test('two registrations of one address: the one that is up counts, the other is named', async (t) => {
  const it = await scene(t);
  if (it === undefined) return;
  const { services, source } = it;
  const app = { name: 'app', server: '10.0.0.1:1' };
  await services.register({ ...app, id: 'a', tags: ['weight=2'], check: 'critical' });
  await services.register({ ...app, id: 'b', tags: ['weight=3'], check: 'passing' });
  const told = new Told(t, source);
  await told.until('app: 10.0.0.1:1*3');
  assert.match(told.last.problems[0]?.key ?? '', /^app\/consul0\/a\/10\.0\.0\.1:1$/);
  assert.match(told.last.problems[0]?.message ?? '', /the same server as app\/10\.0\.0\.1:1/);
});

test('an upstream may have another name there, and upstreams come and go', async (t) => {
  const it = await scene(t);
  if (it === undefined) return;
  const { services, source } = it;
  await services.write({ 'app-v2': { '10.0.0.1:1': {} }, web: { '10.0.0.1:2': {} } });
  const told = new Told(t, source, { services: new Map([['app', 'app-v2']]) });
  await told.until('app: 10.0.0.1:1');
  const app = told.last.services.get('app');
  told.setServices({ app: 'app-v2', web: 'web' });
  await told.until('app: 10.0.0.1:1; web: 10.0.0.1:2');
  assert.equal(told.last.services.get('app'), app);
  told.setServices({ app: 'nothing', web: 'web' });
  await told.untilHeld('app');
  told.setServices({ web: 'web' });
  await told.until('web: 10.0.0.1:2');
  assert.deepEqual(told.last.problems, []);
});

test('a frozen agent is left for the next one', async (t) => {
  const consul = await startConsul(t);
  const [agent] = consul?.addresses ?? [];
  if (agent === undefined) return;
  const services = new ConsulServices(agent);
  await services.write({ app: { '10.0.0.1:1': {} } });
  const gates = [await startGate(t, agent), await startGate(t, agent)];
  const source = sourceAt(
    gates.map(({ address }) => address),
    ALL,
    600_000,
  );
  const told = new Told(t, source, { services: new Map([['app', 'app']]) });
  await told.until('app: 10.0.0.1:1');
  gates[0]?.freeze();
  await services.write({ app: { '10.0.0.1:2': {} } });
  await told.until('app: 10.0.0.1:2');
  assert.equal(told.health.includes(false), false);
});

test('a list that the token may not see is trouble with a remedy, not an empty list', async (t) => {
  const master = '3ee7a6c4-0000-0000-0000-000000000001';
  const acl = { enabled: true, default_policy: 'deny', tokens: { master, agent: master } };
  const cluster = await startConsulCluster(t, { servers: 1, token: master, settings: { acl } });
  const [agent] = cluster?.addresses ?? [];
  if (agent === undefined) return;
  const services = new ConsulServices(agent, master);
  await services.register({ name: 'app', server: '10.0.0.1:1' });
  const follow = (token: string): Told => {
    const reach = { addresses: [agent], token };
    const source = servicesSource({ reach, health: ALL, log: silentLog });
    return new Told(t, source, { services: new Map([['app', 'app']]) });
  };
  await follow(master).until('app: 10.0.0.1:1');
  for (const [rules, missing] of [
    ['', /has service "app" \{ policy = "read" \} and node_prefix "" \{/],
    ['service_prefix "" { policy = "read" }', /has node_prefix "" \{ policy = "read" \}$/],
    ['node_prefix "" { policy = "read" }', /has service "app" \{ policy = "read" \}$/],
  ] as const) {
    const told = follow(await services.createToken(rules));
    await told.untilHealth(false);
    assert.match(told.trouble, missing);
  }
  const both = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }';
  await follow(await services.createToken(both)).until('app: 10.0.0.1:1');
});
