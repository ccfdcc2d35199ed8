// Who may take a request and what a table update keeps: eligibility, ejection, tiers, limits,
// reconciling, the refusal's text, the figures. The sequence of picks: round-robin.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createUpstream,
  pickNames,
  request,
  upstreamState,
} from '../../test/support/upstream/builders.ts';
import { type Eligibility, eligibility, type ServerState } from '../model.ts';
import type { Server } from './server.ts';
import type { Upstream } from './upstream.ts';
import { UpstreamSet } from './upstream-set.ts';

const FAILED = 1;
const BUSY = 2;

/** [state, what happened to the server, why it may not take a request] */
const REASONS: readonly (readonly [Partial<ServerState>, number, Eligibility])[] = [
  [{}, 0, 'ok'],
  [{ admin: 'maint', addresses: [], checks: 'down', maxConns: 1 }, FAILED | BUSY, 'maint'],
  [{ admin: 'drain', checks: 'down', maxConns: 1 }, FAILED | BUSY, 'drain'],
  [{ addresses: [], checks: 'down', maxConns: 1 }, FAILED | BUSY, 'unresolved'],
  [{ checks: 'down', mustPass: true, maxConns: 1 }, FAILED | BUSY, 'down'],
  [{ checks: 'unknown', mustPass: true, maxConns: 1 }, FAILED | BUSY, 'unchecked'],
  [{ checks: 'unknown', mustPass: false }, 0, 'ok'],
  [{ checks: 'up', mustPass: true }, 0, 'ok'],
  [{ maxConns: 1 }, FAILED | BUSY, 'ejected'],
  [{ maxFails: 2 }, FAILED, 'ok'],
  [{ maxFails: 0 }, FAILED, 'ok'],
  [{ maxConns: 1 }, BUSY, 'full'],
  [{ maxConns: 2 }, BUSY, 'ok'],
];

for (const [state, events, expected] of REASONS) {
  const happened = [events & FAILED ? 'failed' : '', events & BUSY ? 'busy' : ''].join(' ').trim();
  test(`${JSON.stringify(state)} ${happened} is ${expected}`, () => {
    // Brought about while it still may take requests; `state` comes with a table update.
    const addresses = ['127.0.0.1'];
    const open: Partial<ServerState> = {
      ...{ ...state, addresses, admin: 'ready', checks: 'up', maxConns: 0 },
    };
    const upstream = createUpstream([open, {}]);
    const server = serverOf(upstream, 'a');
    const others = [serverOf(upstream, 'b')];
    for (let pick = 0; pick < 2; pick += 1) assert.equal(upstream.pick(request(others), 0), server);
    server.settle('neutral', 0);
    if (!(events & BUSY)) server.settle('neutral', 0);
    if (events & FAILED) upstream.pick(request(others), 0)?.settle('failure', 0);
    upstream.apply(upstreamState([state, {}]), 1);
    assert.equal(eligibility(server, 1), expected);
    assert.equal(upstream.pick(request(others), 1), expected === 'ok' ? server : undefined);
  });
}

test('a server that moved is another process: its failures are forgotten, with its address alone', () => {
  const at = (...addresses: string[]) => ({ addresses, maxFails: 2 });
  const upstream = createUpstream([at('10.0.0.1'), {}]);
  const server = serverOf(upstream, 'a');
  upstream.pick(request([serverOf(upstream, 'b')]), 0)?.settle('failure', 0);
  upstream.apply(upstreamState([at('10.0.0.1', '10.0.0.2'), {}]), 1);
  assert.equal(server.fails, 1);
  upstream.apply(upstreamState([at('10.0.0.2'), {}]), 2);
  assert.equal(server.fails, 0);
});

test('max_fails failures eject a server for fail_timeout, then one request probes it', () => {
  const upstream = createUpstream([{ maxFails: 2, failTimeoutMs: 1000 }, {}]);
  const server = serverOf(upstream, 'a');
  const others = [serverOf(upstream, 'b')];
  const pick = (nowMs: number): Server | undefined => upstream.pick(request(others), nowMs);
  pick(100)?.settle('failure', 100);
  assert.equal(eligibility(server, 100), 'ok', 'one of two');
  pick(200)?.settle('failure', 200);
  assert.equal(eligibility(server, 200), 'ejected');
  assert.equal(eligibility(server, 1200), 'ejected', 'up to and with fail_timeout');
  assert.equal(eligibility(server, 1201), 'ok');
  assert.equal(pick(1201), server, 'the probe');
  assert.equal(eligibility(server, 1201), 'ejected', 'while the probe is on its way');
  server.settle('failure', 1300);
  assert.equal(eligibility(server, 2300), 'ejected', 'again from the failed probe on');
  assert.equal(pick(2301), server);
  server.settle('success', 2302);
  assert.equal(server.fails, 0);
  assert.equal(eligibility(server, 2302), 'ok');
});

test('a probe that ends neutral leaves the server ejected until the next one', () => {
  const upstream = createUpstream([{ failTimeoutMs: 1000 }, {}]);
  const server = serverOf(upstream, 'a');
  const others = [serverOf(upstream, 'b')];
  upstream.pick(request(others), 0)?.settle('failure', 0);
  upstream.pick(request(others), 1001)?.settle('neutral', 1002);
  assert.equal(eligibility(server, 1003), 'ejected');
  assert.equal(upstream.pick(request(others), 2002), server);
});

test('an answer that was under way when others failed does not clear the failures', () => {
  const upstream = createUpstream([{ maxFails: 2 }, {}]);
  const server = serverOf(upstream, 'a');
  const others = [serverOf(upstream, 'b')];
  upstream.pick(request(others), 0);
  upstream.pick(request(others), 1)?.settle('failure', 5);
  server.settle('success', 6);
  assert.equal(server.fails, 1);
});

test('the only server of an upstream is never ejected', () => {
  const upstream = createUpstream([{ maxFails: 1 }]);
  for (let nowMs = 0; nowMs < 10; nowMs += 1)
    upstream.pick(request(), nowMs)?.settle('failure', nowMs);
  assert.equal(eligibility(serverOf(upstream, 'a'), 10), 'ok');
  assert.equal(upstream.servers[0]?.counters.failures, 10);
});

test('a server that is left alone while ejected takes requests', () => {
  const upstream = createUpstream([{}, {}]);
  upstream.pick(request(), 0)?.settle('failure', 0);
  assert.equal(eligibility(serverOf(upstream, 'a'), 1), 'ejected');
  upstream.apply(upstreamState([{}]), 1);
  assert.equal(upstream.pick(request(), 1)?.id, 'a');
});

test('a server whose only companion is drained or down is not ejected', () => {
  for (const out of [{ admin: 'drain' }, { admin: 'maint' }, { checks: 'down' }] as const) {
    const upstream = createUpstream([{}, out]);
    for (let nowMs = 0; nowMs < 5; nowMs += 1)
      upstream.pick(request(), nowMs)?.settle('failure', nowMs);
    assert.equal(eligibility(serverOf(upstream, 'a'), 5), 'ok', JSON.stringify(out));
  }
});

test('a server that comes back is not held to what failed before it left', () => {
  for (const out of [{ admin: 'drain' }, { checks: 'down' }] as const) {
    const upstream = createUpstream([{ weight: 4, checks: 'up' }, { checks: 'up' }]);
    upstream.pick(request(), 0)?.settle('failure', 0);
    upstream.apply(upstreamState([{ weight: 4, checks: 'up', ...out }, { checks: 'up' }]), 1);
    upstream.apply(upstreamState([{ weight: 4, checks: 'up' }, { checks: 'up' }]), 2);
    const server = serverOf(upstream, 'a');
    assert.equal(eligibility(server, 2), 'ok', JSON.stringify(out));
    assert.equal(server.effective, 4);
  }
});

test('backups take requests only when no primary is eligible', () => {
  const upstream = createUpstream([{ maxConns: 1 }, { backup: true }, { backup: true }]);
  assert.equal(pickNames(upstream, 4), 'aaaa');
  const primary = upstream.pick(request(), 0);
  assert.equal(pickNames(upstream, 4), 'bcbc');
  primary?.settle('success', 0);
  assert.equal(pickNames(upstream, 2), 'aa');
  assert.equal(
    upstream.pick(request([serverOf(upstream, 'a')]), 0)?.id,
    'b',
    'also when it was tried',
  );
});

test('a changed weight starts the balancing of that server afresh', () => {
  const upstream = createUpstream([{ weight: 5 }, {}, {}]);
  pickNames(upstream, 1);
  const server = serverOf(upstream, 'a');
  assert.equal(server.current, -2);
  upstream.apply(upstreamState([{ weight: 2 }, {}, {}]), 0);
  assert.deepEqual([server.current, server.effective], [0, 2]);
  assert.deepEqual([serverOf(upstream, 'b').current, serverOf(upstream, 'c').current], [1, 1]);
});

test('a table update keeps the stayers as they are, in flight and counters included', () => {
  const upstream = createUpstream([{}, {}]);
  const a = upstream.pick(request(), 0);
  upstream.pick(request(), 0)?.settle('failure', 0);
  const before = upstream.servers.map(({ current, effective, fails }) => [
    current,
    effective,
    fails,
  ]);
  upstream.apply(upstreamState([{ id: 'c' }, { id: 'b' }, { id: 'a' }]), 1);
  assert.deepEqual(
    upstream.servers.map((server) => server.id),
    ['c', 'b', 'a'],
  );
  assert.equal(upstream.servers[2], a);
  assert.equal(a?.inFlight, 1);
  assert.deepEqual(
    [upstream.servers[2], upstream.servers[1]].map((server) => [
      server?.current,
      server?.effective,
      server?.fails,
    ]),
    before,
  );
  assert.equal(upstream.servers[1]?.counters.failures, 1);
});

test('a removed server finishes, is listed until it is idle, and then says so once', () => {
  const idle: string[] = [];
  const upstream = createUpstream([{}, {}], {}, (server) => idle.push(server.id));
  const a = upstream.pick(request(), 0);
  upstream.pick(request(), 0)?.settle('success', 0);
  upstream.pick(request([serverOf(upstream, 'b')]), 0);
  upstream.apply(upstreamState([{ id: 'b' }]), 0);
  assert.equal(a?.gone, true);
  assert.equal(pickNames(upstream, 3), 'bbb');
  const listed = upstream.figures(0).servers.map(({ id, gone, inFlight, eligibility: why }) => ({
    id,
    gone,
    inFlight,
    why,
  }));
  assert.deepEqual(listed, [
    { id: 'b', gone: false, inFlight: 0, why: 'ok' },
    { id: 'a', gone: true, inFlight: 2, why: 'drain' },
  ]);
  a?.settle('success', 0);
  assert.deepEqual(idle, []);
  a?.settle('success', 0);
  assert.deepEqual(idle, ['a']);
  assert.equal(upstream.figures(0).servers.length, 1);
});

test('a server that returns before it was idle is the same one, its requests still counted', () => {
  const upstream = createUpstream([{}, {}]);
  const a = upstream.pick(request(), 0);
  upstream.apply(upstreamState([{ id: 'b' }]), 0);
  upstream.apply(upstreamState([{}, {}]), 0);
  assert.equal(serverOf(upstream, 'a'), a);
  assert.deepEqual([a?.gone, a?.inFlight], [false, 1]);
  assert.equal(upstream.figures(0).servers.length, 2);
});

test('tells when a drained server is idle, and not about a ready one', () => {
  const idle: string[] = [];
  const upstream = createUpstream([{}, {}], {}, (server) => idle.push(server.id));
  pickNames(upstream, 4);
  const a = upstream.pick(request(), 0);
  upstream.apply(upstreamState([{ admin: 'drain' }, {}]), 0);
  assert.deepEqual(idle, []);
  a?.settle('neutral', 0);
  assert.deepEqual(idle, ['a']);
});

test('settling more often than picking is a bug and says so', () => {
  const upstream = createUpstream([{}]);
  const server = upstream.pick(request(), 0);
  server?.settle('success', 0);
  assert.throws(() => server?.settle('success', 0), /server a: settled more often than picked/);
});

test('the first of two entries with one id counts', () => {
  const upstream = createUpstream([{ weight: 3 }, { id: 'a', weight: 9 }]);
  assert.deepEqual(
    upstream.servers.map((server) => server.state.weight),
    [3],
  );
});

test('a refusal counts the reasons and says where to look', () => {
  const cases: readonly (readonly [Upstream, string])[] = [
    [
      createUpstream([{ admin: 'drain' }, { admin: 'drain' }, { checks: 'down' }]),
      'upstream "web": no eligible server (2 drain, 1 down); see "sluice status web"',
    ],
    [
      createUpstream([]),
      'upstream "web": no eligible server (the list is empty); see "sluice status web"',
    ],
    [
      createUpstream([{}, { admin: 'maint' }]),
      'upstream "web": no eligible server (1 maint, 1 tried); see "sluice status web"',
    ],
  ];
  for (const [upstream, text] of cases) assert.equal(upstream.refusal(0), text);
});

test('a refusal tells when to ask again: soonest of what is known', () => {
  const ejecting = { maxFails: 1, failTimeoutMs: 3000 };
  const ejected = createUpstream([ejecting, { ...ejecting, failTimeoutMs: 60_000 }]);
  for (const now of [0, 0]) ejected.pick(request(), now)?.settle('failure', now);
  for (const [upstream, nowMs, seconds] of [
    [createUpstream([]), 0, 5],
    [createUpstream([{ admin: 'drain' }, { checks: 'down' }]), 0, 5],
    [ejected, 0, 3],
    [ejected, 2500, 1],
    [createUpstream([{}, { admin: 'maint' }]), 0, 1],
  ] as const) {
    assert.equal(upstream.retryAfterSeconds(nowMs), seconds);
  }
});

test('a set applies updates by upstream, reports its generation and snapshots as JSON', () => {
  const idle: string[] = [];
  const set = new UpstreamSet({ onIdle: (name, server) => idle.push(`${name}/${server.id}`) });
  const api = { ...upstreamState([{}]), name: 'api' };
  set.apply({ generation: 4, upstreams: [upstreamState([{}]), api], removed: [] }, 0);
  assert.equal(set.generation, 4);
  assert.deepEqual(
    set.all().map((upstream) => upstream.name),
    ['web', 'api'],
  );
  const server = set.get('web')?.pick(request(), 0);
  set.apply({ generation: 5, upstreams: [], removed: ['web', 'never there'] }, 0);
  assert.equal(set.get('web'), undefined);
  assert.ok(set.get('api'));
  set.apply({ generation: 6, upstreams: [upstreamState([{}])], removed: [] }, 0);
  assert.equal(set.get('web')?.servers[0], server, 'it came back while busy: the same server');
  set.apply({ generation: 7, upstreams: [], removed: ['web'] }, 0);
  server?.settle('success', 0);
  assert.deepEqual(idle, ['web/a']);
  const listed = set.figures(0);
  assert.deepEqual(JSON.parse(JSON.stringify(listed)), listed);
});

test('an upstream without servers refuses instead of failing', () => {
  assert.equal(createUpstream([]).pick(request(), 0), undefined);
  assert.equal(createUpstream([{ admin: 'drain' }]).pick(request(), 0), undefined);
});

function serverOf(upstream: Upstream, id: string): Server {
  const server = upstream.servers.find((entry) => entry.id === id);
  assert.ok(server);
  return server;
}
