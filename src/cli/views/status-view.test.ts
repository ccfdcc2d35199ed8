// The status screen, by equality: every state says why in words.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALONE, PARTIAL } from '../../../test/support/base/scopes.ts';
import type { GatewayDocument, ServerDocument, StatusDocument } from '../../admin.ts';
import { stateOf, statusView, whyOf } from './status-view.ts';

const NOW = 1_000_000;

const SERVER: ServerDocument = {
  id: '127.0.0.1:9001',
  addresses: ['127.0.0.1'],
  weight: 1,
  maxFails: 1,
  failTimeoutMs: 10_000,
  maxConns: 0,
  backup: false,
  source: 'config',
  registry: '',
  alsoIn: [],
  admin: { state: 'ready', owner: '', reason: '', sinceMs: 0 },
  checks: 'up',
  mustPass: true,
  checkReason: '200 in 4ms',
  checkType: 'http',
  checkPort: 0,
  riseCount: 2,
  fallCount: 0,
  eligibility: 'ok',
  outElsewhere: [],
  givenBack: false,
  restarts: 0,
  lastExit: '',
  lastExitMs: 0,
  resting: '',
  settled: true,
  ...{ inFlight: 0, tunnels: 0, streams: 0 },
  requests: 10,
  failures: 0,
  failedInARow: 0,
  lastFailure: '',
  lastFailureMs: 0,
  ejectedUntilMs: 0,
  ...{ ramp: 1, oldestRequest: '', oldestSinceMs: 0 },
};

const GATEWAY: GatewayDocument = {
  ...{ id: 'web-1-100-a', name: 'pid 100 on web-1', state: 'live', sinceMs: 1, version: '0.1.0' },
  ...{ control: '127.0.0.1:8700', generation: 7, index: 3, current: true, lagMs: 0 },
};

const STATUS: StatusDocument = {
  version: '1.2.3',
  generation: 7,
  startedAtMs: NOW - 90_000,
  process: { pid: 1, trouble: '' },
  configuration: { file: '/etc/sluice.yaml', appliedAtMs: 1, trouble: '' },
  certificates: [],
  scope: ALONE,
  gateways: [GATEWAY],
  workers: [
    { id: 1, pid: 101, generation: 7, connections: 4, silentMs: 100 },
    { id: 2, pid: 102, generation: 6, connections: 12, silentMs: 12_400 },
  ],
  registries: [],
  registry: {
    name: 'default',
    kind: 'consul',
    recordPrefix: 'upstreams/',
    address: '127.0.0.1:8500',
    reachable: true,
    index: 42,
    lastContactMs: NOW,
    trouble: '',
  },
  upstreams: [
    {
      name: 'app',
      balance: 'round_robin',
      eligible: 1,
      servers: [
        SERVER,
        {
          ...SERVER,
          id: '127.0.0.1:9002',
          weight: 10,
          eligibility: 'drain',
          ...{ inFlight: 2, tunnels: 0, streams: 0 },
          requests: 1234,
          admin: { state: 'drain', owner: 'user:alice', reason: 'kernel', sinceMs: NOW - 3000 },
        },
      ],
      problems: [{ server: '', key: 'upstreams/app/x', message: 'no port' }],
    },
    { name: 'empty', balance: 'least_conn', eligible: 0, servers: [], problems: [] },
  ],
};

const plain = { nowMs: NOW, paint: (_: string, text: string) => text, width: 0 };

test('shows the head, the workers and each upstream on one screen', () => {
  assert.equal(
    statusView(STATUS, plain),
    `sluice 1.2.3  up 1m30s, generation 7
registry   consul at 127.0.0.1:8500, reachable, index 42
worker 1  pid 101  generation 7           4 connections
worker 2  pid 102  generation 6 (behind)  12 connections  silent for 12.4s
           drains wait for pid 102. "kill -CONT 102" wakes it if it was stopped; "kill -TERM 102" has it replaced once it answers again, and it finishes what it has. Only if it never does: "kill -KILL 102" breaks off what is in flight on its 12 connections, and it is replaced.

app  round_robin, 1 of 2 eligible
  SERVER          STATE  WEIGHT  IN FLIGHT  REQUESTS  FAILED  WHY
  127.0.0.1:9001  ok          1          0        10       0
  127.0.0.1:9002  drain      10          2      1234       0  by user:alice 3s ago: kernel
  problem: upstreams/app/x: no port

empty  least_conn, 0 of 0 eligible
  no servers: register one with "sluice kv put"
`,
  );
});

test('an upstream without servers is no reason to register one while a registry cannot be read', () => {
  const registry = { ...STATUS.registry, reachable: false };
  const text = statusView({ ...STATUS, registry }, plain);
  assert.match(text, /\n {2}no servers are known, and not all registries can be read: see above\n/);
  assert.doesNotMatch(text, /kv put/);
});

test('what is in flight and would not end by itself is told apart', () => {
  const lasting = { ...SERVER, inFlight: 12, tunnels: 2, streams: 1 };
  const one = { ...SERVER, inFlight: 1, tunnels: 1 };
  const [upstream] = STATUS.upstreams;
  assert(upstream !== undefined);
  const upstreams = [{ ...upstream, servers: [lasting, one] }];
  const text = statusView({ ...STATUS, upstreams }, plain);
  assert.match(text, / 12 \(2 tunnels, 1 stream\) /);
  assert.match(text, / 1 \(1 tunnel\) /);
});

test('says that the registry is away and that the last known servers stay in use', () => {
  const registry = {
    ...STATUS.registry,
    reachable: false,
    lastContactMs: NOW - 60_000,
    trouble: '127.0.0.1:8500: ECONNREFUSED',
  };
  const [, line] = statusView({ ...STATUS, registry }, plain).split('\n');
  assert.equal(
    line,
    'registry   consul at 127.0.0.1:8500, cannot be read (last read 1m ago): 127.0.0.1:8500: ECONNREFUSED; last known servers stay in use',
  );
});

test('says that no worker is left', () => {
  assert.match(
    statusView({ ...STATUS, workers: [] }, plain),
    /workers +none: the gateway serves nothing/,
  );
});

test('cuts to the width of the terminal', () => {
  const lines = statusView(STATUS, { ...plain, width: 70 }).split('\n');
  assert.ok(lines.slice(6).every((line) => line.length <= 70));
  const whole = statusView(STATUS, plain);
  const why = whole.slice(whole.lastIndexOf('by ')).split('\n')[0] ?? '';
  assert.ok(why.length > 10 && lines.join(' ').replace(/ +/g, ' ').includes(why), why);
});

test('a server that nobody checks is not called ok, and what requests found is said', () => {
  const unchecked: ServerDocument = { ...SERVER, checks: 'off', checkType: 'none', maxFails: 2 };
  const failing: ServerDocument = {
    ...{ ...unchecked, failures: 9, failedInARow: 9, lastFailureMs: NOW - 3000 },
    lastFailure: 'server 127.0.0.1:9001 refused the connection',
  };
  const found = 'attempts failed: server 127.0.0.1:9001 refused the connection (3s ago)';
  const cases: readonly (readonly [ServerDocument, string, string])[] = [
    [unchecked, 'not checked', ''],
    [{ ...failing, failedInARow: 1 }, 'not checked', found.replace('attempts', 'last attempt')],
    [failing, 'failing', `last 9 ${found}`],
    [
      { ...failing, maxFails: 0, failedInARow: 1 },
      'failing',
      found.replace('attempts', 'last attempt'),
    ],
    [{ ...failing, checks: 'up', checkType: 'http' }, 'failing', `last 9 ${found}`],
    [
      { ...failing, eligibility: 'ejected', ejectedUntilMs: NOW + 4000 },
      'ejected',
      `2 failed within 10s, back in 4s; last 9 ${found}`,
    ],
  ];
  for (const [server, state, why] of cases) {
    assert.equal(stateOf(server), state);
    assert.equal(whyOf(server, NOW), why);
  }
  const app = {
    ...STATUS.upstreams[0],
    name: 'app',
    balance: 'round_robin',
    problems: [],
  } as const;
  const view = statusView(
    { ...STATUS, upstreams: [{ ...app, eligible: 2, servers: [unchecked, failing] }] },
    plain,
  );
  assert.match(view, /^app {2}round_robin, 2 of 2 eligible, 1 failing$/m);
  assert.match(view, /^ {2}127\.0\.0\.1:9001 {2}not checked /m);
});

test('beside other gateways the screen counts them and names the silent; alone it does not', () => {
  const view = { nowMs: NOW, paint: (_: string, text: string) => text, width: 0 };
  const silent = { ...GATEWAY, name: 'pid 8 on web-3', state: 'silent', current: false } as const;
  const behind = { ...GATEWAY, name: 'pid 7 on web-2', current: false };
  const gateways = [GATEWAY, behind, { ...silent, sinceMs: NOW - 5000 }];
  const text = statusView({ ...STATUS, gateways, scope: PARTIAL }, view);
  assert.match(text, /^gateways {3}2 live, 1 behind; see "sluice gateways"$/m);
  assert.match(text, /^ {11}pid 8 on web-3 is silent for 5s: drains do not wait for it$/m);
  assert.doesNotMatch(statusView(STATUS, view), /^gateways/m);
  const away = { ...ALONE, unheard: ['others that follow the Consul at 10.0.0.1:8500'] };
  assert.match(
    statusView({ ...STATUS, scope: away }, view),
    /not heard: others that follow the Consul/,
  );
});

test('a server that another gateway cannot use says so', () => {
  const outElsewhere = [{ gateway: 'pid 7 on web-2', eligibility: 'ejected' }] as const;
  assert.equal(whyOf({ ...SERVER, outElsewhere }, NOW), 'ejected on pid 7 on web-2');
});

for (const [change, why] of [
  [{}, ''],
  [
    { eligibility: 'down', checkReason: 'connect ECONNREFUSED' },
    'check failed: connect ECONNREFUSED',
  ],
  [{ eligibility: 'unchecked', checkReason: '' }, 'not probed yet'],
  [{ eligibility: 'unchecked', checkReason: '500 in 2ms' }, 'has not passed yet: 500 in 2ms'],
  [{ eligibility: 'ejected', maxFails: 3 }, '3 failed within 10s'],
  [{ eligibility: 'full', maxConns: 5 }, 'max_conns 5 reached'],
  [
    { eligibility: 'unresolved' },
    'its name has no address; check the name and the DNS of this machine',
  ],
  [{ backup: true, source: 'held' }, 'backup; held: its record vanished with the whole list'],
  [
    {
      eligibility: 'maint',
      admin: { state: 'maint', owner: 'kv', reason: 'down=1 in the registry', sinceMs: 0 },
    },
    'down in the registry',
  ],
] as const) {
  test(`${JSON.stringify(change)} is told as "${why}"`, () => {
    assert.equal(whyOf({ ...SERVER, ...change }, NOW), why);
  });
}

test('colours say how bad a state is; an eligible server has none', () => {
  const paint = (colour: string, text: string): string => `<${colour} ${text}>`;
  const shown = (change: Partial<ServerDocument>): string | undefined => {
    const upstream = { name: 'app', balance: 'round_robin', eligible: 1, problems: [] } as const;
    const upstreams = [{ ...upstream, servers: [{ ...SERVER, ...change }] }];
    const view = statusView({ ...STATUS, upstreams }, { nowMs: NOW, paint, width: 0 });
    return /127\.0\.0\.1:9001 +(<.*?>|\S+)/.exec(view)?.[1];
  };
  assert.equal(shown({}), 'ok');
  assert.equal(shown({ checks: 'off' }), '<dim not checked>');
  assert.equal(shown({ failedInARow: 1 }), '<red failing>');
  assert.equal(shown({ eligibility: 'down' }), '<red down>');
  assert.equal(shown({ eligibility: 'ejected' }), '<red ejected>');
  for (const eligibility of ['maint', 'drain', 'unresolved', 'unchecked', 'full'] as const) {
    assert.equal(shown({ eligibility }), `<yellow ${eligibility}>`);
  }
});

test('a reason that only a newer daemon knows is shown as it is', () => {
  const server: ServerDocument = { ...SERVER, eligibility: JSON.parse('"constructor"') };
  assert.equal(stateOf(server), 'constructor');
  assert.equal(whyOf(server, NOW), '');
  const upstreams = STATUS.upstreams.map((upstream) => ({ ...upstream, servers: [server] }));
  const paint = (colour: string, text: string): string => `<${colour} ${text}>`;
  const view = statusView({ ...STATUS, upstreams }, { nowMs: NOW, paint, width: 0 });
  assert.match(view, /<yellow constructor>/);
});

test('a record in the registry cannot move the cursor of a terminal', () => {
  const view = statusView(
    {
      ...STATUS,
      registry: { ...STATUS.registry, reachable: false, trouble: 'answered "\x1b[2J"' },
      upstreams: STATUS.upstreams.map((upstream) => ({
        ...upstream,
        problems: [{ server: '', key: 'a\r\nb\x1b[H', message: 'no' }],
      })),
    },
    { nowMs: NOW, paint: (_, text) => text, width: 0 },
  );
  assert.ok(!/[\x1b\r]/.test(view));
  assert.ok(view.includes('problem: a  b [H: no'));
});

test('panic and a pool of nothing but ejected servers are said beside its name', () => {
  const [app] = STATUS.upstreams;
  assert(app !== undefined);
  const of = (eligibility: ServerDocument['eligibility'], checkReason = ''): string => {
    const servers = [{ ...SERVER, eligibility, checkReason }];
    const upstreams = [{ ...app, eligible: 0, servers }];
    return statusView({ ...STATUS, upstreams }, { nowMs: NOW, paint: (_, text) => text, width: 0 });
  };
  assert.match(of('ejected'), /^app {2}round_robin, 0 of 1 eligible, the ejected ones are tried$/m);
  const panic = of('panic', '500 in 1ms, not expected');
  assert.match(panic, /0 of 1 eligible, panic: too few pass, so those that fail take requests$/m);
  assert.match(panic, /panic .*check failed: 500 in 1ms, not expected; takes requests, because/);
});
