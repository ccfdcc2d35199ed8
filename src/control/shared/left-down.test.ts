import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { recordingLog } from '../../../test/support/base/recording-log.ts';
import { DRAIN, startGateway } from '../../../test/support/gateways/builders.ts';
import { MemoryRegistry, settled } from '../../../test/support/gateways/memory-registry.ts';
import { silentLog } from '../../base/log.ts';
import { parseConfig } from '../../config.ts';
import { type Admin, READY } from '../../model.ts';
import { readInstance } from '../../registry.ts';
import { downWrites } from '../server-record.ts';
import { Table } from '../table.ts';
import { LeftDown } from './left-down.ts';

const SERVER = '127.0.0.1:9001';
const RECORD = `upstreams/app/${SERVER}`;

async function scene(t: TestContext) {
  const registry = new MemoryRegistry();
  registry.set(RECORD, '{"weight":3}');
  const beside = (_: string, server: string, admin: Admin) =>
    downWrites({ store: registry.client(), prefix: 'upstreams/', upstream: 'app', server }, admin);
  const table = new Table({
    ...{ log: silentLog, generation: 1, memberships: new Map(), overrides: [], verdicts: [] },
    ...{ addresses: () => [], onChange: () => {}, onMembers: () => {}, onMember: () => {} },
  });
  t.after(() => table.close());
  const yaml = 'listen: 127.0.0.1:1\nregistry: { embedded: {} }\nupstreams: { app: {} }';
  table.setUpstreams(parseConfig(yaml, '/tmp/sluice.yaml').upstreams);
  const gateway = await startGateway(t, registry, 'a', {
    beside,
    // No renewal on the real clock in the midst of it.
    leaseMs: 3_600_000,
    onIntents: (upstream, _, admins) => table.setOverrides(upstream, admins),
  });
  /** What the registry has arrives in the table. */
  const hear = (): void => {
    const read = readInstance(RECORD, Buffer.from(registry.text(RECORD) ?? ''), 'upstreams/');
    assert('instance' in read);
    const services = new Map([['app', [read.instance]]]);
    table.setMembership('default', { index: 1, services, problems: [], held: [] });
  };
  const { log, lines } = recordingLog();
  let isAway = false;
  const left = new LeftDown({
    upstreams: () => table.upstreams,
    intents: () => (isAway ? undefined : gateway.gateways.intents),
    log,
  });
  t.after(() => left.close());
  t.mock.timers.enable({ apis: ['setTimeout'] });
  /** The time of a look goes by. */
  const look = async (): Promise<void> => {
    hear();
    left.note();
    t.mock.timers.tick(2000);
    await settled();
    hear();
  };
  const change = (admin: Admin): Promise<void> =>
    gateway.gateways.intents.change(
      'app',
      () => ({ server: SERVER, admin }),
      (word) => beside('app', SERVER, word),
    );
  const away = (is: boolean): void => {
    isAway = is;
  };
  const state = () => table.member('app', SERVER)?.admin;
  return { registry, gateway, left, lines, look, change, away, state };
}

test('a server that is down for an intent which nobody knows is given back', async (t) => {
  const { registry, lines, look, change, away, state } = await scene(t);
  await change(DRAIN);
  const drained = registry.text(RECORD) ?? '';
  await change(READY);
  registry.set(RECORD, drained);
  away(true);
  await look();
  assert.deepEqual([state()?.state, state()?.owner], ['maint', 'kv']);
  away(false);
  await look();
  assert.equal(state()?.state, 'ready');
  assert.deepEqual(JSON.parse(registry.text(RECORD) ?? ''), { weight: 3, down: 0 });
  assert.deepEqual(
    lines.map(({ message }) => message),
    ['server given back, its drain had ended'],
  );
});

test('neither a drain that holds nor the word of a person is taken back', async (t) => {
  const { registry, lines, look, change, state } = await scene(t);
  await change(DRAIN);
  await look();
  assert.equal(state()?.owner, 'user:ann');
  await change(READY);
  registry.set(RECORD, '{"down":1}');
  await look();
  assert.equal(state()?.owner, 'kv');
  assert.equal(lines.length, 0);
});

test('what cannot be given back is said, and not tried at once again', async (t) => {
  const { registry, gateway, lines, look, change, state } = await scene(t);
  await change(DRAIN);
  const drained = registry.text(RECORD) ?? '';
  await change(READY);
  registry.set(RECORD, drained);
  gateway.store.failQuietly(true);
  await look();
  await look();
  assert.equal(state()?.state, 'maint');
  assert.match(lines.at(-1)?.message ?? '', /was not given back$/);
  assert.equal(lines.length, 1);
});
