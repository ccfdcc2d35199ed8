// What others are told of a server that has two ids, and when a drain of it is over.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverState } from '../../test/support/upstream/builders.ts';
import { parseConfig } from '../config.ts';
import { READY } from '../model.ts';
import { isIdle, localView } from './local-view.ts';
import type { KnownUpstream, Member } from './table.ts';

const NAME = 'app.internal:80';
const DRAIN = { state: 'drain', owner: 'user:alice', reason: '', sinceMs: 1 } as const;

function member(id: string, address: string): Member {
  const place = { id, host: 'app.internal', port: 80, addresses: [address] };
  return {
    state: serverState({ ...place, admin: 'drain' }),
    ...{ source: 'config', registry: '', alsoIn: [], admin: DRAIN, adminGeneration: 1 },
  };
}

function fleet(busy: Readonly<Record<string, number>>) {
  return {
    figures: () => [],
    isAcknowledged: () => true,
    busy: (_: string, id: string) => busy[id] ?? 0,
  };
}

function upstream(...members: readonly Member[]): KnownUpstream {
  const [config] = parseConfig('upstreams: { app: {} }', '/tmp/s.yaml').upstreams;
  assert(config !== undefined);
  return {
    ...{ config, overrides: new Map(), verdicts: new Map() },
    members: new Map(members.map((one) => [one.state.id, one])),
  };
}

test('a drain is not over before requests under the other id are', () => {
  const [byName, byAddress] = [member(NAME, '10.0.0.1'), member('10.0.0.1:80', '10.0.0.1')];
  for (const one of [byName, byAddress]) {
    assert.equal(isIdle('app', one, fleet({})), true);
    assert.equal(isIdle('app', one, fleet({ [NAME]: 1 })), false);
    assert.equal(isIdle('app', one, fleet({ '10.0.0.1:80': 1 })), false);
    assert.equal(isIdle('app', one, fleet({ '10.0.0.2:80': 1 })), true);
  }
  assert.equal(isIdle('app', { ...byName, admin: READY }, fleet({})), false);
});

test('others find a server under both of its ids', () => {
  const busy = fleet({ '10.0.0.2:80': 1 });
  const one = localView(upstream(member(NAME, '10.0.0.2')), busy, '', () => 1);
  assert.deepEqual([...one.out.keys()], [NAME, '10.0.0.2:80']);
  const two = localView(
    upstream(member('10.0.0.1:80', '10.0.0.1'), member('10.0.0.2:80', '10.0.0.2')),
    busy,
    '',
    () => 1,
  );
  assert.deepEqual(
    [...two.out].map(([id, { idle }]) => `${id} ${idle}`),
    ['10.0.0.1:80 true', `${NAME} false`, '10.0.0.2:80 false'],
    'the name is idle when all of its addresses are',
  );
});

test('a server that its record took out is seen as far as its registry is', () => {
  const byRecord = { state: 'maint', owner: 'kv', reason: '', sinceMs: 1 } as const;
  const plain = member('10.0.0.1:80', '10.0.0.1');
  const down = { ...plain, registry: 'main', admin: byRecord };
  const index = (one: Member, found: number | undefined): number | undefined =>
    localView(upstream(one), fleet({}), '', (registry) =>
      registry === 'main' ? found : 99,
    ).out.get('10.0.0.1:80')?.index;
  assert.equal(index(down, 7), 7);
  assert.equal(index(down, undefined), 0, 'the members are about to change');
  assert.equal(index(plain, 7), 0, 'an intent has its token');
});
