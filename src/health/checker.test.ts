// When servers are probed and what becomes of the answers: fake time, fake probes. The probes
// themselves are tested on real sockets in probe.test.ts.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type CheckedServer, Checker } from './checker.ts';
import type { Probe, ProbeOptions, ProbeOutcome } from './probe.ts';
import type { CheckSpec, ProbeSpec, Verdict } from './spec.ts';

const INTERVAL_MS = 1000;
/** Each start may be early or late by the jitter and the step of the fake clock. */
const SLACK_MS = 40;

test('spreads the first probes over the interval, then keeps the interval', (t) => {
  const bench = new Bench(t, { random: sequence([0, 0.25, 0.5, 0.75]) });
  bench.checker.set('web', spec(), servers(4));
  bench.run(5 * INTERVAL_MS);
  for (const [index, id] of ['s0', 's1', 's2', 's3'].entries()) {
    const starts = bench.startsOf(id);
    assertNear(starts[0], index * 250);
    for (let probe = 1; probe < starts.length; probe += 1) {
      assertNear((starts[probe] ?? 0) - (starts[probe - 1] ?? 0), INTERVAL_MS);
    }
    assert.ok(starts.length >= 4, `${id} was probed ${starts.length} times`);
  }
});

test('counts the interval from the start of a probe, whatever the probe took', (t) => {
  const bench = new Bench(t, { durationMs: 700 });
  bench.checker.set('web', spec(), servers(1));
  bench.run(4 * INTERVAL_MS);
  const starts = bench.startsOf('s0');
  for (let probe = 1; probe < starts.length; probe += 1) {
    assertNear((starts[probe] ?? 0) - (starts[probe - 1] ?? 0), INTERVAL_MS);
  }
  assert.ok(starts.length >= 3);
});

test('never runs two probes of one server, and a slow one makes no backlog', (t) => {
  const bench = new Bench(t, { durationMs: 3500 });
  bench.checker.set('web', spec(), servers(1));
  bench.run(15_000);
  assert.equal(bench.mostAtOnce, 1);
  // One after the other, each as soon as the last one has ended: 0, 3500, 7000, 10500, 14000.
  assert.equal(bench.startsOf('s0').length, 5);
});

test('runs at most 256 probes at once and still gets round to 10,000 servers', (t) => {
  const bench = new Bench(t, { durationMs: 20 });
  bench.checker.set('web', spec({ intervalMs: 5000 }), servers(10_000));
  bench.run(7000);
  assert.equal(new Set(bench.starts.map((start) => start.id)).size, 10_000);
  assert.ok(bench.mostAtOnce <= 256, `${bench.mostAtOnce} at once`);
});

test('a crowd that is due at once is worked off 256 at a time', (t) => {
  const bench = new Bench(t, { durationMs: 100, random: () => 0 });
  bench.checker.set('web', spec(), servers(1000));
  assert.equal(bench.starts.length, 256);
  bench.run(400);
  assert.equal(bench.starts.length, 1000);
  assert.equal(bench.mostAtOnce, 256);
});

test('reports every probe, and marks the ones that change the verdict', (t) => {
  const bench = new Bench(t, { outcomes: ['pass', 'pass', 'fail', 'fail', 'void', 'fail'] });
  bench.checker.set('web', spec({ rise: 2, fall: 3 }), servers(1));
  bench.run(6 * INTERVAL_MS);
  const told = bench.verdicts.map(({ checks, changed }) => `${checks}${changed ? '!' : ''}`);
  assert.deepEqual(told.slice(0, 6), ['unknown', 'up!', 'up', 'up', 'up', 'down!']);
  assert.deepEqual(
    { upstream: bench.verdicts[0]?.upstream, server: bench.verdicts[0]?.server },
    { upstream: 'web', server: 's0' },
  );
  assert.equal(bench.verdicts[4]?.fallCount, 2, 'a void probe leaves the count');
});

test('one server can be listed and forgotten, the others keep their state and their time', (t) => {
  const bench = new Bench(t, { outcomes: ['fail'] });
  const [first, second, third] = servers(3);
  assert.ok(first && second && third);
  bench.checker.set('web', spec(), [first, second]);
  bench.run(INTERVAL_MS);
  const listed = (): string[] =>
    bench.checker.verdicts().map(({ server, fallCount }) => `${server} ${fallCount}`);
  const before = listed();
  assert.equal(before.length, 2);
  bench.checker.setOne('web', spec(), third.id, third);
  assert.deepEqual(listed(), [...before, 's2 0']);
  bench.checker.setOne('web', spec(), first.id, undefined);
  const started = bench.startsOf('s0').length;
  bench.run(3 * INTERVAL_MS);
  assert.equal(bench.startsOf('s0').length, started);
  assert.ok(bench.startsOf('s2').length >= 2);
  bench.checker.setOne('web', spec(), first.id, first);
  assert.equal(listed().at(-1), 's0 0', 'it begins anew');
  for (const id of ['s0', 's1', 's2']) bench.checker.setOne('web', null, id, first);
  assert.deepEqual(listed(), []);
});

test('lists every server, unknown before its first probe', (t) => {
  const bench = new Bench(t);
  bench.checker.set('web', spec(), servers(1));
  assert.deepEqual(bench.checker.verdicts(), [
    {
      upstream: 'web',
      server: 's0',
      checks: 'unknown',
      riseCount: 0,
      fallCount: 0,
      reason: 'not checked yet',
      atMs: 0,
      changed: false,
    },
  ]);
});

test('goes on from a remembered verdict, but only for a server that it does not know', (t) => {
  const bench = new Bench(t, { outcomes: ['fail'] });
  const initial = { checks: 'up', riseCount: 7, fallCount: 0, reason: '200', atMs: 5 } as const;
  const [server] = servers(1);
  assert.ok(server);
  bench.checker.set('web', spec(), [{ ...server, initial }]);
  assert.equal(bench.checker.verdicts()[0]?.checks, 'up');
  bench.run(INTERVAL_MS);
  const fallen = bench.checker.verdicts()[0];
  assert.equal(fallen?.fallCount, 1);
  bench.checker.set('web', spec(), [{ ...server, initial }]);
  assert.equal(bench.checker.verdicts()[0], fallen);
});

test('forgets a server that is no longer listed, its probe under way included', (t) => {
  const bench = new Bench(t, { durationMs: 500, random: () => 0 });
  bench.checker.set('web', spec(), servers(2));
  bench.run(100);
  bench.checker.set('web', spec(), servers(1));
  bench.run(3 * INTERVAL_MS);
  assert.deepEqual(bench.startsOf('s1').length, 1);
  assert.ok(bench.verdicts.every((verdict) => verdict.server === 's0'));
  assert.ok(bench.verdicts.length >= 3);
  assert.equal(bench.checker.verdicts().length, 1);
  bench.checker.set('web', spec(), servers(2));
  assert.equal(bench.checker.verdicts()[1]?.reason, 'not checked yet');
});

test('a null spec ends the checks of its upstream and of no other', (t) => {
  const bench = new Bench(t);
  bench.checker.set('web', spec(), servers(1));
  bench.checker.set('api', spec(), [
    { id: 'other', host: '127.0.0.1', addresses: ['127.0.0.1'], port: 1 },
  ]);
  bench.checker.set('web', null, servers(1));
  bench.run(3 * INTERVAL_MS);
  assert.equal(bench.startsOf('s0').length, 0);
  assert.ok(bench.startsOf('other').length >= 2);
});

test('a changed spec applies from the next probe, and a shorter interval brings that nearer', (t) => {
  const bench = new Bench(t, { random: () => 0.5 });
  bench.checker.set('web', spec({ intervalMs: 3_600_000 }), servers(1));
  bench.run(2 * INTERVAL_MS);
  assert.equal(bench.starts.length, 0);
  bench.checker.set('web', spec({ send: 'PING' }), servers(1));
  bench.run(INTERVAL_MS);
  assert.equal(bench.starts.length, 1);
  assert.equal(bench.starts[0]?.spec.send, 'PING');
});

test('a server that is awaited is probed often until it is up, then as all', (t) => {
  const outcomes: readonly ProbeOutcome[] = ['fail', 'fail', 'fail', 'fail', 'pass'];
  const bench = new Bench(t, { random: () => 0.5, outcomes: [...outcomes, 'pass'] });
  bench.checker.set('web', spec({ rise: 2, fall: 2 }), servers(1));
  bench.run(2 * INTERVAL_MS);
  assert.equal(bench.starts.length, 2);
  const [server] = servers(1);
  bench.checker.setOne('web', spec({ rise: 2, fall: 2 }), 's0', {
    ...(server ?? assert.fail()),
    isAwaited: true,
  });
  bench.run(450);
  assert.equal(bench.starts.length, 6);
  assert.equal(bench.checker.verdicts()[0]?.checks, 'up');
  bench.run(2 * INTERVAL_MS);
  assert.equal(bench.starts.length, 8);
});

test('a server that moved is probed there at once, and the probe of its old address does not count', (t) => {
  const bench = new Bench(t, { durationMs: 500, random: () => 0, outcomes: ['fail', 'pass'] });
  const at = (address: string): CheckedServer[] =>
    servers(1).map((server) => ({ ...server, host: 'app', addresses: [address] }));
  bench.checker.set('web', spec(), at('10.0.0.1'));
  bench.run(100);
  assert.equal(bench.atOnce, 1);
  bench.checker.set('web', spec(), at('10.0.0.2'));
  assert.equal(bench.atOnce, 1, 'the one before was closed');
  assert.deepEqual(bench.startsOf('s0'), [0, 100]);
  bench.run(300);
  bench.checker.set('web', spec(), at('10.0.0.2'));
  assert.deepEqual(bench.startsOf('s0'), [0, 100], 'the same address: left alone');
});

test('setting the same list again and again does not put the probes off', (t) => {
  const bench = new Bench(t, { random: () => 0.9 });
  for (let time = 0; time < 60; time += 1) {
    bench.checker.set('web', spec(), servers(1));
    bench.run(50);
  }
  assert.ok(bench.starts.length >= 2, `${bench.starts.length} probes in 3 s`);
});

test('a verdict may change the list from within its own call', (t) => {
  const bench = new Bench(t, { random: () => 0 });
  bench.onVerdict = () => bench.checker.set('web', null, []);
  bench.checker.set('web', spec(), servers(3));
  bench.run(5 * INTERVAL_MS);
  assert.equal(bench.verdicts.length, 1);
  assert.deepEqual(bench.checker.verdicts(), []);
});

test('a closed checker ends its probes and starts none', (t) => {
  const bench = new Bench(t, { durationMs: 500, random: () => 0 });
  bench.checker.set('web', spec(), servers(3));
  bench.checker.close();
  assert.equal(bench.atOnce, 0);
  bench.run(5 * INTERVAL_MS);
  assert.equal(bench.starts.length, 3);
  assert.deepEqual(bench.verdicts, []);
});

test('on real sockets: a server comes up, dies, and is told so each time', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('HTTP/1.0 204 No Content\r\n\r\n'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const bound = server.address();
  assert.ok(bound !== null && typeof bound === 'object');
  const { promise, resolve } = Promise.withResolvers<void>();
  const changes: string[] = [];
  const checker = new Checker({
    onVerdict: ({ checks, changed }) => {
      if (changed) changes.push(checks);
      if (changed && checks === 'up') server.close();
      if (changed && checks === 'down') resolve();
    },
  });
  t.after(() => checker.close());
  checker.set('web', spec({ intervalMs: 10, timeoutMs: 60_000, send: 'GET / HTTP/1.0\r\n\r\n' }), [
    { id: 'a', host: '127.0.0.1', addresses: ['127.0.0.1'], port: bound.port },
  ]);
  await promise;
  assert.deepEqual(changes, ['up', 'down']);
  assert.equal(checker.verdicts()[0]?.reason, 'connect ECONNREFUSED');
});

type Start = { readonly id: string; readonly atMs: number; readonly spec: ProbeSpec };

/** A checker on fake time whose probes take `durationMs` and end as `outcomes` say, then pass. */
class Bench {
  readonly starts: Start[] = [];
  readonly verdicts: Verdict[] = [];
  readonly checker: Checker;
  onVerdict: () => void = () => {};
  atOnce = 0;
  mostAtOnce = 0;
  readonly #t: TestContext;
  readonly #durationMs: number;
  readonly #outcomes: ProbeOutcome[];
  readonly #beginMs: number;

  constructor(
    t: TestContext,
    options: {
      readonly durationMs?: number;
      readonly outcomes?: readonly ProbeOutcome[];
      readonly random?: () => number;
    } = {},
  ) {
    this.#t = t;
    this.#durationMs = options.durationMs ?? 1;
    this.#outcomes = [...(options.outcomes ?? [])];
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
    this.#beginMs = Date.now();
    this.checker = new Checker({
      onVerdict: (verdict) => {
        this.verdicts.push(verdict);
        this.onVerdict();
      },
      random: options.random ?? sequence([0.1, 0.7, 0.3, 0.9, 0.5]),
      now: () => Date.now(),
      probe: (probe) => this.#probe(probe),
    });
    t.after(() => this.checker.close());
  }

  run(ms: number): void {
    for (let step = 0; step < ms / 10; step += 1) this.#t.mock.timers.tick(10);
  }

  startsOf(id: string): number[] {
    return this.starts.filter((start) => start.id === id).map((start) => start.atMs);
  }

  #probe({ id, spec, onEnd }: ProbeOptions): Probe {
    this.starts.push({ id, spec, atMs: Date.now() - this.#beginMs });
    this.atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce);
    const timer = setTimeout(() => {
      this.atOnce -= 1;
      onEnd({ outcome: this.#outcomes.shift() ?? 'pass', reason: 'fake' });
    }, this.#durationMs);
    return {
      close: () => {
        this.atOnce -= 1;
        clearTimeout(timer);
      },
    };
  }
}

function spec(part: Partial<CheckSpec> = {}): CheckSpec {
  return {
    type: 'http',
    intervalMs: INTERVAL_MS,
    timeoutMs: 1000,
    reads: 'line',
    rise: 2,
    fall: 3,
    defaultDown: true,
    port: 0,
    send: '',
    expect: ['http_2xx'],
    ...part,
  };
}

function servers(count: number): CheckedServer[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `s${index}`,
    host: '127.0.0.1',
    addresses: ['127.0.0.1'],
    port: 9001,
  }));
}

/** These numbers in turn, over and over. */
function sequence(numbers: readonly number[]): () => number {
  let next = 0;
  return () => {
    next += 1;
    return numbers[(next - 1) % numbers.length] ?? 0;
  };
}

function assertNear(actual: number | undefined, expected: number): void {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= SLACK_MS,
    `${actual} is not near ${expected}`,
  );
}
