// An upstream that follows several registries: whose server counts, and that the trouble of one is its own.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silentLog } from '../../base/log.ts';
import { parseConfig } from '../../config.ts';
import type { Instance, Membership } from '../../registry.ts';
import { Table } from '../table.ts';

const YAML = `registries: { east: { file: { path: e } }, west: { file: { path: w } } }
upstreams: { app: { registry: [east, west] }, web: { registry: west } }
routes: [{ path: /, upstream: app }]`;

function instance(port: number, weight = 1): Instance {
  const place = { id: `10.0.0.1:${port}`, service: 'app', host: '10.0.0.1', port };
  const rest = { weight, maxFails: 2, failTimeoutMs: 10_000, down: false, backup: false };
  return { ...place, ...rest };
}

function of(instances: readonly Instance[], held: readonly string[] = []): Membership {
  return { index: 1, services: new Map([['app', instances]]), problems: [], held };
}

function scene(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const changed: string[] = [];
  const table = new Table({
    ...{ log: silentLog, generation: 0, overrides: [], verdicts: [], memberships: new Map() },
    ...{ addresses: () => [], onMembers: () => {}, onMember: () => {} },
    onChange: (changes) => changed.push(...changes.keys()),
  });
  table.setUpstreams(parseConfig(YAML, '/tmp/s.yaml').upstreams);
  const set = (registry: string, membership: Membership): void => {
    table.setMembership(registry, membership);
    // After a recomputation the next one rests a little.
    t.mock.timers.tick(1000);
  };
  const shown = (upstream = 'app'): string =>
    [...(table.upstream(upstream)?.members.values() ?? [])]
      .map(({ state, registry, alsoIn, source }) =>
        [state.port, `*${state.weight}`, registry, ...alsoIn, source === 'held' ? 'held' : ''].join(
          ' ',
        ),
      )
      .map((text) => text.trim())
      .join(', ');
  return { table, set, shown, changed };
}

test('the servers of all are members, and the first that is named counts', (t) => {
  const { set, shown } = scene(t);
  set('west', of([instance(1, 5), instance(2)]));
  assert.equal(shown(), '1 *5 west, 2 *1 west');
  set('east', of([instance(3), instance(1, 7)]));
  assert.equal(shown(), '3 *1 east, 1 *7 east west, 2 *1 west');
  set('other', of([instance(4)]));
  assert.equal(shown(), '3 *1 east, 1 *7 east west, 2 *1 west');
  assert.equal(shown('web'), '', 'each upstream has its own list');
});

test('a change in place counts where its registry counts', (t) => {
  const { set, shown, changed } = scene(t);
  const [one, two] = [instance(1), instance(2)];
  set('east', of([one]));
  set('west', of([one, two]));
  changed.length = 0;
  set('west', of([instance(1, 9), two]));
  assert.deepEqual([shown(), changed], ['1 *1 east west, 2 *1 west', []]);
  set('west', of([instance(1, 9), instance(2, 4)]));
  assert.deepEqual([shown(), changed], ['1 *1 east west, 2 *4 west', ['app']]);
  set('east', of([instance(1, 3)]));
  assert.equal(shown(), '1 *3 east west, 2 *4 west');
});

test('what leaves one registry is that of the next one; what is held is held there alone', (t) => {
  const { set, shown } = scene(t);
  set('east', of([instance(1, 2)]));
  set('west', of([instance(1), instance(2)]));
  set('west', of([instance(1), instance(2)], ['app']));
  assert.equal(shown(), '1 *2 east west, 2 *1 west held');
  set('east', of([]));
  assert.equal(shown(), '1 *1 west held, 2 *1 west held');
});

test('another order in the configuration counts at once', (t) => {
  const { table, set, shown } = scene(t);
  set('east', of([instance(1, 2)]));
  set('west', of([instance(1, 3)]));
  table.setUpstreams(parseConfig(YAML.replace('east, west', 'west, east'), '/tmp/s').upstreams);
  assert.equal(shown(), '1 *3 west east');
  table.setUpstreams(parseConfig(YAML.replace('east, west', 'west'), '/tmp/s').upstreams);
  assert.equal(shown(), '1 *3 west');
});
