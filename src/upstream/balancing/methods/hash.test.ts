// Which keys move, and which must not; the bound on the load; requests without a key.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createUpstream,
  request,
  upstreamState,
} from '../../../../test/support/upstream/builders.ts';
import { type Balance, type Balancing, ROUND_ROBIN, type ServerState } from '../../../model.ts';
import type { Server } from '../../server.ts';
import type { Upstream } from '../../upstream.ts';
import { crc32, Ring } from './ketama.ts';

const KEYS = Array.from({ length: 5000 }, (_, index) => `/item/${index}`);
const HASH: Balancing = { ...ROUND_ROBIN, method: 'hash' };

type Part = Partial<ServerState>;

/** Servers 10.0.0.1:80, 10.0.0.2:80, … with these parts. */
function table(parts: readonly (Part | null)[], balancing: Balancing) {
  const servers = parts.flatMap((part, at) => {
    const host = `10.0.0.${at + 1}`;
    return part === null ? [] : [{ id: `${host}:80`, host, port: 80, ...part }];
  });
  return upstreamState(servers, { balancing });
}

function owners(upstream: Upstream, kind: 'path' | 'client' = 'path'): Map<string, string> {
  return new Map(
    KEYS.map((key, index) => {
      const value = kind === 'path' ? key : `10.${index >> 8}.${index & 255}.7`;
      const server = upstream.pick(request([], { [kind]: value }), 0);
      assert(server !== undefined);
      server.settle('success', 0);
      return [key, server.id];
    }),
  );
}

/** Pairs of owners before and after, of the keys that moved. */
function moved(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) {
  return [...before].flatMap(([key, from]) => {
    const to = after.get(key);
    return from === to ? [] : [{ from, to }];
  });
}

test('crc32 is the one of zlib', () => {
  assert.equal(crc32('123456789'), 0xcbf43926);
  assert.equal(crc32(''), 0);
});

test('the circle has 160 points per weight, and at most a million', () => {
  const member = (weight: number) => ({ host: '10.0.0.1', port: 80, weight });
  assert.equal(new Ring([member(1), member(3)]).size, 640);
  const large = new Ring([member(65_535), member(65_535), member(1)]);
  assert.ok(large.size <= 1_000_001, String(large.size));
});

test('the share of keys follows the weights', () => {
  const upstream = createUpstream([]);
  upstream.apply(table([{ weight: 1 }, { weight: 2 }, { weight: 5 }], HASH), 0);
  owners(upstream);
  const [one = 0, two = 0, five = 0] = upstream.servers.map(({ counters }) => counters.attempts);
  assert.ok(
    Math.abs(two / one - 2) < 0.7 && Math.abs(five / one - 5) < 1.5,
    `${one} ${two} ${five}`,
  );
});

const WAYS_OUT: readonly { readonly name: string; readonly part: Part | null }[] = [
  { name: 'leaves', part: null },
  { name: 'drains', part: { admin: 'drain' } },
  { name: 'is down in the registry', part: { admin: 'maint' } },
  { name: 'fails its checks', part: { checks: 'down' } },
];

for (const { name, part } of WAYS_OUT) {
  test(`hash: a server that ${name} gives away its own keys alone, and gets them back`, () => {
    const upstream = createUpstream([]);
    const all = table([{}, {}, {}, {}, {}], HASH);
    upstream.apply(all, 0);
    const before = owners(upstream);
    upstream.apply(table([{}, {}, part, {}, {}], HASH), 0);
    const during = owners(upstream);
    const gone = moved(before, during);
    assert.ok(gone.length > 0);
    for (const { from, to } of gone) assert.ok(from === '10.0.0.3:80' && to !== from);
    // And not to one of the others alone.
    assert.equal(new Set(gone.map(({ to }) => to)).size, 4);
    upstream.apply(all, 0);
    assert.deepEqual(owners(upstream), before);
  });
}

test('hash: an ejected server gives away its own keys alone', () => {
  const upstream = createUpstream([]);
  upstream.apply(table([{}, {}, {}], HASH), 0);
  const before = owners(upstream);
  const key = KEYS[0] ?? '';
  upstream.pick(request([], { path: key }), 0)?.settle('failure', 0);
  const after = owners(upstream);
  for (const { from } of moved(before, after)) assert.equal(from, before.get(key));
  assert.notEqual(after.get(key), before.get(key));
});

test('hash: more weight takes keys from the others, and moves none between them', () => {
  const upstream = createUpstream([]);
  upstream.apply(table([{}, {}, {}], HASH), 0);
  const before = owners(upstream);
  upstream.apply(table([{}, { weight: 3 }, {}], HASH), 0);
  const taken = moved(before, owners(upstream));
  assert.ok(taken.length > 0);
  for (const { to } of taken) assert.equal(to, '10.0.0.2:80');
});

test('ip_hash: a server that is down gives away its own clients alone', () => {
  const upstream = createUpstream([]);
  const balancing = { ...HASH, method: 'ip_hash' as Balance };
  upstream.apply(table([{}, {}, {}], balancing), 0);
  const before = owners(upstream, 'client');
  upstream.apply(table([{}, { admin: 'maint' }, {}], balancing), 0);
  const gone = moved(before, owners(upstream, 'client'));
  assert.ok(gone.length > 0);
  for (const { from } of gone) assert.equal(from, '10.0.0.2:80');
});

test('the backups take a key only when no primary may', () => {
  const upstream = createUpstream([]);
  upstream.apply(table([{ checks: 'down' }, { backup: true }, { backup: true }], HASH), 0);
  const during = new Set(owners(upstream).values());
  assert.deepEqual([...during].sort(), ['10.0.0.2:80', '10.0.0.3:80']);
  upstream.apply(table([{}, { backup: true }, { backup: true }], HASH), 0);
  assert.deepEqual([...new Set(owners(upstream).values())], ['10.0.0.1:80']);
});

test('the order of the list does not matter, another port or host does', () => {
  const upstream = createUpstream([]);
  const list = (host: string, port: number) => [
    { id: 'a', port: 1 },
    { id: `${host}:${port}`, host, port },
  ];
  upstream.apply(upstreamState(list('10.0.0.1', 2), { balancing: HASH }), 0);
  const before = owners(upstream);
  upstream.apply(upstreamState(list('10.0.0.1', 2).reverse(), { balancing: HASH }), 0);
  assert.deepEqual(owners(upstream), before);
  upstream.apply(upstreamState(list('10.0.0.1', 2), { balancing: HASH }), 0);
  const mine = (): string[] =>
    [...owners(upstream)].flatMap(([key, id]) => (id === 'a' ? [key] : []));
  let last = mine();
  for (const [host, port] of [
    ['10.0.0.1', 3],
    ['10.0.0.2', 3],
  ] as const) {
    upstream.apply(upstreamState(list(host, port), { balancing: HASH }), 0);
    assert.notDeepEqual(mine(), last);
    last = mine();
  }
});

test('the circle is kept when nobody joins, leaves or changes weight', (t) => {
  const upstream = createUpstream([{}, {}], { balancing: HASH });
  owners(upstream);
  const find = t.mock.method(Ring.prototype, 'find');
  upstream.pick(request([], { path: '/a' }), 0)?.settle('success', 0);
  upstream.apply(upstreamState([{}, { admin: 'drain' }], { balancing: HASH }), 0);
  upstream.pick(request([], { path: '/a' }), 0);
  upstream.apply(upstreamState([{}, { weight: 2 }], { balancing: HASH }), 0);
  upstream.pick(request([], { path: '/a' }), 0);
  const [first, second, third] = find.mock.calls.map((call) => call.this);
  assert.equal(first, second);
  assert.notEqual(first, third);
});

test('requests without the key go round robin', () => {
  const upstream = createUpstream([{}, {}, {}], { balancing: HASH });
  const picks = Array.from({ length: 6 }, () => upstream.pick(request(), 0)?.id);
  assert.deepEqual(picks, ['a', 'b', 'c', 'a', 'b', 'c']);
});

test('with a bound a hot key spills over to the next server, and no server has more than its share', () => {
  const parts = [{}, {}, { weight: 2 }, { admin: 'maint' as const, weight: 9 }];
  const upstream = createUpstream(parts, { balancing: { ...HASH, loadMax: 110 } });
  for (let total = 0; total < 200; total += 1) {
    const server = upstream.pick(request([], { path: '/hot' }), 0);
    assert(server !== undefined);
    // The worked formula of hash.ts: 1.1 × (in flight + 1) × weight / 4.
    const cap = Math.ceil((1.1 * (total + 1) * server.state.weight) / 4);
    assert.ok(server.inFlight <= cap, `${server.id} has ${server.inFlight} of ${cap}`);
  }
  assert.ok(upstream.servers.slice(0, 3).every(({ inFlight }) => inFlight > 0));
});

test('with a bound and all others tried the request is still answered', () => {
  const upstream = createUpstream([{}, {}], { balancing: { ...HASH, loadMax: 101 } });
  const [a, b] = upstream.servers;
  const tried = (server: Server | undefined) => (server === undefined ? [] : [server]);
  for (let count = 0; count < 5; count += 1) {
    assert.equal(upstream.pick(request(tried(b), { path: '/x' }), 0), a);
  }
});
