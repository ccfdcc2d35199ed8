// least_time and random_two: the worked examples, and what must not starve or be flooded.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../../test/support/base/random.ts';
import { createUpstream, request } from '../../../../test/support/upstream/builders.ts';
import { type Balance, ROUND_ROBIN, type ServerState } from '../../../model.ts';
import type { Server } from '../../server.ts';
import type { Upstream } from '../../upstream.ts';

function upstreamOf(method: Balance, servers: readonly Partial<ServerState>[], seed = 1): Upstream {
  const balancing = { ...ROUND_ROBIN, method };
  return createUpstream(servers, { balancing }, () => {}, seededRandom(seed));
}

function pick(upstream: Upstream, nowMs: number): Server {
  const server = upstream.pick(request(), nowMs);
  assert(server !== undefined);
  return server;
}

/** Every server answers once, each in its time. */
function warm(upstream: Upstream, times: readonly number[]): void {
  const picked = times.map(() => pick(upstream, 0));
  assert.equal(new Set(picked).size, times.length, 'an idle server is asked before a busy one');
  for (const server of picked) {
    upstream.settle(server, 'success', 0, times[server.position] ?? 0);
  }
}

test('least_time goes by the time of the answers and by what is in flight', () => {
  const upstream = upstreamOf('least_time', [{}, {}]);
  warm(upstream, [20, 50]);
  // 20 : 50, then 40 : 50, then 60 : 50.
  assert.deepEqual([pick(upstream, 0), pick(upstream, 0), pick(upstream, 0)].map(idOf), [
    'a',
    'a',
    'b',
  ]);
});

test('least_time counts in the weight', () => {
  const upstream = upstreamOf('least_time', [{}, { weight: 4 }]);
  warm(upstream, [20, 60]);
  assert.equal(pick(upstream, 0).id, 'b');
});

test('least_time believes a slow answer at once, and quick ones little by little', () => {
  const upstream = upstreamOf('least_time', [{}]);
  const [server] = upstream.servers;
  const answer = (tookMs: number, nowMs: number): number | undefined => {
    upstream.settle(pick(upstream, nowMs), 'success', nowMs, tookMs);
    return server?.answerMs;
  };
  answer(10, 0);
  assert.equal(answer(500, 100), 500);
  // After 10 s the old value has e^-1 of the say.
  const expected = 500 * Math.exp(-1) + 10 * (1 - Math.exp(-1));
  assert.ok(Math.abs((answer(10, 10_100) ?? 0) - expected) < 1e-9);
});

test('least_time asks a slow server again after a while', () => {
  const upstream = upstreamOf('least_time', [{}, {}]);
  warm(upstream, [1000, 10]);
  for (let nowMs = 0; nowMs < 60_000; nowMs += 100) {
    const server = pick(upstream, nowMs);
    if (server.id === 'a') return assert.ok(nowMs > 20_000, `already after ${nowMs} ms`);
    upstream.settle(server, 'success', nowMs, 10);
  }
  assert.fail('never');
});

test('least_time gives a newcomer one request, and more when it has answered', () => {
  const upstream = upstreamOf('least_time', [{}, {}, {}]);
  const first = [pick(upstream, 0), pick(upstream, 0), pick(upstream, 0)];
  assert.deepEqual(first.map(idOf).sort(), ['a', 'b', 'c']);
  const [a, b, c] = first;
  assert(a && b && c);
  upstream.settle(a, 'success', 0, 30);
  upstream.settle(b, 'success', 0, 30);
  for (let count = 0; count < 50; count += 1) assert.notEqual(pick(upstream, 0), c);
});

test('least_time does not love the server that refuses fastest', () => {
  const upstream = upstreamOf('least_time', [{ maxFails: 0 }, { maxFails: 0 }]);
  warm(upstream, [5, 50]);
  const server = pick(upstream, 0);
  upstream.settle(server, 'failure', 0, 0);
  assert.equal(server.id, 'a');
  for (let count = 0; count < 10; count += 1) {
    const next = pick(upstream, 10);
    assert.equal(next.id, 'b');
    upstream.settle(next, 'success', 10, 50);
  }
});

test('least_time forgets the times of a process that was taken out', () => {
  const servers = [{}, {}];
  const upstream = upstreamOf('least_time', servers);
  warm(upstream, [1000, 10]);
  const balancing = { ...ROUND_ROBIN, method: 'least_time' as const };
  const again = createUpstream([{ admin: 'drain' }, {}], { balancing });
  assert.equal(again.servers.length, 2);
  const [slow] = upstream.servers;
  assert(slow !== undefined);
  slow.update({ ...slow.state, admin: 'drain' }, { alone: false, nowMs: 0 });
  slow.update({ ...slow.state, admin: 'ready' }, { alone: false, nowMs: 0 });
  assert.equal(pick(upstream, 0), slow);
});

for (const method of ['least_time', 'random_two'] as const) {
  test(`${method} spreads over many equal servers and favours the less loaded`, () => {
    const upstream = upstreamOf(
      method,
      Array.from({ length: 100 }, (_, index) => ({ id: `s${index}` })),
    );
    const flying: Server[] = [];
    for (let step = 0; step < 20_000; step += 1) {
      flying.push(pick(upstream, step));
      if (flying.length < 1000) continue;
      const server = flying.shift();
      if (server !== undefined) upstream.settle(server, 'success', step, 10);
    }
    const most = Math.max(...upstream.servers.map(({ inFlight }) => inFlight));
    // Plain random choice has about 22 here, two choices about 13; the mean is 10.
    assert.ok(most <= 15, `one has ${most} in flight`);
  });

  test(`${method} finds the one server that is left among many`, () => {
    const upstream = upstreamOf(
      method,
      Array.from({ length: 200 }, (_, index) => ({
        id: `s${index}`,
        maxConns: index === 150 ? 0 : 1,
      })),
    );
    for (const server of upstream.servers) if (server.state.maxConns === 1) server.take(0);
    for (let count = 0; count < 20; count += 1) assert.equal(pick(upstream, 0).id, 's150');
  });
}

test('random_two draws in proportion to the weights', () => {
  const upstream = upstreamOf('random_two', [{ weight: 1 }, { weight: 3 }, { weight: 6 }]);
  for (let count = 0; count < 6000; count += 1) {
    upstream.settle(pick(upstream, 0), 'success', 0, 1);
  }
  const [one = 0, three = 0, six = 0] = upstream.servers.map(({ counters }) => counters.attempts);
  assert.ok(one < three && three < six && one > 0, `${one} ${three} ${six}`);
});

function idOf(server: Server): string {
  return server.id;
}
