// What keeps a storm of failures from taking the last servers out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUpstream, request, upstreamState } from '../../test/support/upstream/builders.ts';
import { eligibility, ROUND_ROBIN, type ServerState } from '../model.ts';
import type { Server } from './server.ts';
import type { Upstream } from './upstream.ts';

/** Fails this server once, whatever the balancer would pick. */
function fail(upstream: Upstream, id: string, nowMs: number): void {
  const others = upstream.servers.filter((server) => server.id !== id);
  const server = upstream.pick(request(others), nowMs);
  assert.equal(server?.id, id);
  server?.settle('failure', nowMs);
}

function words(upstream: Upstream, nowMs: number): string {
  return upstream.servers.map((server) => eligibility(server, nowMs)).join(' ');
}

/** As an exchange does it: on and on, until a server answers. What it was tried on; '' at the end: nobody answered. */
function exchange(upstream: Upstream, alive: string, nowMs: number): string {
  const tried: Server[] = [];
  for (;;) {
    const server = upstream.pick(request(tried), nowMs);
    if (server === undefined) return `${tried.map(({ id }) => id).join('')}-`;
    tried.push(server);
    const answers = alive.includes(server.id);
    upstream.settle(server, answers ? 'success' : 'failure', nowMs, 1);
    if (answers) return tried.map(({ id }) => id).join('');
  }
}

test('when all are ejected they are tried all the same, the first of them first, and an answer brings one back', () => {
  const upstream = createUpstream([{}, {}, {}]);
  for (const [at, id] of ['b', 'a', 'c'].entries()) fail(upstream, id, at);
  assert.equal(words(upstream, 5), 'ejected ejected ejected');
  assert.equal(exchange(upstream, 'c', 5), 'bac');
  assert.equal(words(upstream, 6), 'ejected ejected ok');
  assert.equal(exchange(upstream, 'c', 6), 'c', 'the others are left alone again');
  assert.equal(upstream.counters.lastResorts, 3);
  assert.equal(upstream.counters.refused, 0);
});

test('requests at one moment are tried on different ones', () => {
  const upstream = createUpstream([{}, {}, {}]);
  for (const id of 'abc') fail(upstream, id, 1);
  const picks = [1, 2, 3, 4].map(() => upstream.pick(request(), 2)?.id);
  assert.deepEqual(picks, ['a', 'b', 'c', 'a']);
});

test('one that is eligible and was tried in vain is followed by the ejected ones', () => {
  const upstream = createUpstream([{}, {}]);
  fail(upstream, 'a', 0);
  assert.equal(exchange(upstream, 'a', 1), 'ba');
});

test('backups are tried, too, when all primaries and backups are ejected', () => {
  const upstream = createUpstream([{}, { backup: true }]);
  assert.equal(exchange(upstream, '', 0), 'ab-');
  assert.equal(exchange(upstream, 'b', 1), 'ab');
  assert.equal(exchange(upstream, 'b', 2), 'b', 'the backup is the only one that is eligible');
});

const OUT: readonly Partial<ServerState>[] = [
  { admin: 'drain' },
  { admin: 'maint' },
  { addresses: [] },
  { checks: 'down' },
  { checks: 'unknown', mustPass: true },
];

for (const out of OUT) {
  test(`an ejected server that is then out by the table is not tried: ${JSON.stringify(out)}`, () => {
    const upstream = createUpstream([{}, {}, {}]);
    for (const id of 'abc') fail(upstream, id, 0);
    upstream.apply(upstreamState([out, {}, {}]), 1);
    for (let nowMs = 1; nowMs < 9; nowMs += 1)
      assert.doesNotMatch(exchange(upstream, '', nowMs), /a/);
    upstream.change({ name: 'web', servers: upstreamState([out, out, {}]).servers.slice(1, 2) }, 9);
    assert.equal(exchange(upstream, '', 10), 'c-');
  });
}

test('a failure that ends on a server which is out already does not bring it back', () => {
  const upstream = createUpstream([{}, {}, {}]);
  const late = upstream.pick(request(), 0);
  upstream.apply(upstreamState([{ admin: 'drain' }, {}, {}]), 1);
  late?.settle('failure', 2);
  for (const id of 'bc') fail(upstream, id, 3);
  assert.equal(exchange(upstream, '', 4), 'bc-');
});

test('max_conns holds as ever', () => {
  const upstream = createUpstream([{ maxConns: 1 }, { maxConns: 1 }]);
  for (const id of 'ab') fail(upstream, id, 0);
  assert.deepEqual(
    [1, 2, 3].map(() => upstream.pick(request(), 1)?.id),
    ['a', 'b', undefined],
  );
  assert.equal(upstream.counters.refused, 1);
});

test('after fail_timeout they are picked by the method again', () => {
  const upstream = createUpstream([{ failTimeoutMs: 100 }, { failTimeoutMs: 200 }]);
  for (const id of 'ab') fail(upstream, id, 0);
  assert.equal(words(upstream, 101), 'ok ejected');
  assert.equal(upstream.pick(request(), 101)?.id, 'a');
  assert.equal(upstream.counters.lastResorts, 0);
});

test('a shorter fail_timeout of a new table counts at once', () => {
  const upstream = createUpstream([{}, {}]);
  for (const id of 'ab') fail(upstream, id, 0);
  const next = upstreamState([{}, { failTimeoutMs: 10 }]);
  upstream.change({ name: 'web', servers: next.servers.slice(1) }, 5);
  assert.equal(words(upstream, 20), 'ejected ok');
  assert.equal(upstream.pick(request(), 20)?.id, 'b');
});

test('with max_ejected the one that was ejected first returns, and the next failure ejects it once more', () => {
  const upstream = createUpstream([{}, {}, {}, {}], { maxEjected: 0.5 });
  for (const [at, id] of ['a', 'b', 'c'].entries()) fail(upstream, id, at);
  assert.equal(words(upstream, 3), 'ok ejected ejected ok');
  fail(upstream, 'a', 4);
  assert.equal(words(upstream, 5), 'ejected ok ejected ok');
});

test('max_ejected goes by the servers that are in, and always leaves room for one', () => {
  const parts = [{}, {}, {}, { admin: 'maint' }] as const;
  const upstream = createUpstream(parts, { maxEjected: 0.7 });
  for (const [at, id] of ['a', 'b', 'c'].entries()) fail(upstream, id, at);
  assert.equal(words(upstream, 3), 'ok ejected ejected maint');
  const strict = createUpstream([{}, {}, {}], { maxEjected: 0 });
  for (const [at, id] of ['a', 'b'].entries()) fail(strict, id, at);
  assert.equal(words(strict, 3), 'ok ejected ok');
});

for (const method of ['round_robin', 'least_conn', 'least_time', 'random_two', 'hash'] as const) {
  test(`${method}: when all of thousands are ejected, a pick looks at few of them`, (t) => {
    const servers = Array.from({ length: 2000 }, (_, at) => ({ id: `s${at}` }));
    const upstream = createUpstream(servers, { balancing: { ...ROUND_ROBIN, method } });
    for (const server of upstream.servers) {
      server.take(0);
      server.settle('failure', 0);
    }
    const [first] = upstream.servers;
    assert(first !== undefined);
    const looks = t.mock.method(Object.getPrototypeOf(first), 'isEjected');
    for (let pick = 0; pick < 10; pick += 1) upstream.pick(request([], { path: '/a' }), 1);
    assert.equal(looks.mock.callCount(), 0);
    assert.equal(upstream.counters.lastResorts, 10);
  });
}
