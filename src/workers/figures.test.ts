// Figures from a worker to the primary and into sums: nothing is counted twice, nothing is lost when
// a server leaves, comes back, or its worker dies.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request, serverState, upstreamState } from '../../test/support/upstream/builders.ts';
import { type Server, UpstreamSet } from '../upstream.ts';
import { DepartedFigures, WorkerFigures } from './figures.ts';
import { parseFromWorker, parseToWorker } from './protocol.ts';
import { Reporter } from './reporter.ts';

const SOCKETS = {
  ...{ descriptorsOpen: 40, descriptorsMax: 1024, clientsMax: 700 },
  ...{ turnedAway: 1, acceptFailures: 2, tlsFailures: 5, evicted: 3, noSocket: 4 },
  ...{ spansExported: 5, spansDropped: 6 },
  upstreams: [{ name: 'web', idle: 5, inUse: 6, connects: 7 }],
};

type Worker = {
  readonly upstreams: UpstreamSet;
  readonly reporter: Reporter;
  readonly figures: WorkerFigures;
  readonly apply: (ids: readonly string[], admin?: 'ready' | 'drain') => void;
  readonly pick: () => Server;
  readonly report: () => number;
};

function createWorker(): Worker {
  const upstreams = new UpstreamSet();
  const reporter = new Reporter(upstreams);
  const figures = new WorkerFigures();
  let generation = 0;
  return {
    upstreams,
    reporter,
    figures,
    apply(ids, admin = 'ready') {
      generation += 1;
      const state = upstreamState(ids.map((id) => serverState({ id, admin })));
      upstreams.apply({ generation, upstreams: [state], removed: [] }, 0);
    },
    pick() {
      const upstream = upstreams.get('web');
      const server = upstream?.pick(request(), 0);
      assert(upstream !== undefined && server !== undefined);
      upstream.began(0);
      return server;
    },
    /** How many servers were in the report. */
    report() {
      const reports = structuredClone(reporter.report(0));
      figures.take({
        connections: 1,
        sockets: SOCKETS,
        upstreams: reports,
        oldest: [],
        gaps: [{ id: 'r', longestMs: 3 }],
      });
      return reports.reduce((sum, { servers }) => sum + servers.length, 0);
    },
  };
}

function answer(worker: Worker, server: Server): void {
  server.counters.answered += 1;
  server.settle('success', 0);
  worker.upstreams.get('web')?.ended('answered', 0);
}

test('a report holds what changed since the one before', () => {
  const worker = createWorker();
  worker.apply(['a', 'b']);
  assert.equal(worker.report(), 2);
  assert.equal(worker.report(), 0);
  const server = worker.pick();
  assert.equal(worker.report(), 1);
  assert.equal(worker.figures.server('web', server.id)?.inFlight, 1);
  answer(worker, server);
  assert.equal(worker.report(), 1);
  assert.equal(worker.figures.server('web', server.id)?.inFlight, 0);
  worker.apply(['a', 'b'], 'drain');
  assert.equal(worker.report(), 2, 'their eligibility changed');
});

test('of many only so many are in a report, and each has its turn', () => {
  const worker = createWorker();
  worker.apply(['a', 'b', 'c', 'd', 'e']);
  const reported = (): string =>
    worker.reporter
      .report(0, 2)
      .flatMap(({ servers }) => servers.map(({ id }) => id))
      .join('');
  assert.deepEqual([reported(), reported(), reported(), reported()], ['ab', 'cd', 'e', '']);
  const busy = Array.from({ length: 5 }, () => worker.pick());
  assert.equal(reported(), 'ab');
  for (const server of busy) answer(worker, server);
  assert.deepEqual([reported(), reported(), reported(), reported()], ['cd', 'ea', 'b', '']);
  assert.equal(worker.report(), 0, 'nothing was left over');
});

test('a leaver is reported to its last request, and goes on counting when it is back', () => {
  const worker = createWorker();
  worker.apply(['a']);
  const server = worker.pick();
  worker.apply([]);
  assert.deepEqual(worker.reporter.busy(), [{ upstream: 'web', server: 'a', inFlight: 1 }]);
  worker.report();
  answer(worker, server);
  assert.deepEqual(worker.reporter.busy(), []);
  worker.report();
  assert.equal(worker.figures.server('web', 'a')?.inFlight, 0);
  assert.equal(worker.figures.server('web', 'a')?.counters.answered, 1);
  worker.apply(['a']);
  answer(worker, worker.pick());
  worker.report();
  assert.equal(worker.figures.server('web', 'a')?.counters.attempts, 2);
  assert.equal(worker.figures.server('web', 'a')?.counters.answered, 2);
});

test('only servers that take nothing new are busy', () => {
  const worker = createWorker();
  worker.apply(['a']);
  const server = worker.pick();
  assert.deepEqual(worker.reporter.busy(), []);
  worker.apply(['a'], 'drain');
  assert.equal(worker.reporter.busy().length, 1);
  answer(worker, server);
  assert.deepEqual(worker.reporter.busy(), []);
});

test('the sums keep what a dead worker had, and count its requests in flight as lost', () => {
  const [dead, alive] = [createWorker(), createWorker()];
  const departed = new DepartedFigures();
  for (const worker of [dead, alive]) {
    worker.apply(['a']);
    answer(worker, worker.pick());
    worker.pick();
    worker.report();
  }
  const before = departed.totals('web', [dead.figures, alive.figures]);
  assert.deepEqual(
    [before.counters.requests, before.counters.answered, before.counters.inFlight],
    [4, 2, 2],
  );
  departed.bury(dead.figures);
  const { counters, servers } = departed.totals('web', [alive.figures]);
  assert.deepEqual(
    [counters.requests, counters.answered, counters.lost, counters.inFlight],
    [4, 2, 1, 1],
  );
  assert.equal(
    counters.requests,
    counters.answered + counters.cut + counters.lost + counters.clientGone + counters.inFlight,
  );
  assert.deepEqual([servers.get('a')?.attempts, servers.get('a')?.lost], [4, 1]);
  assert.equal(departed.longestGapMs('r', []), 3);
  assert.equal(departed.totals('other', [alive.figures]).counters.requests, 0);
});

test('the tunnels of a dead worker are cut, not lost', () => {
  const worker = createWorker();
  const departed = new DepartedFigures();
  worker.apply(['a']);
  const server = worker.pick();
  const upstream = worker.upstreams.get('web');
  assert(upstream !== undefined);
  upstream.ended('answered', 0);
  for (const counters of [server.counters, upstream.counters]) counters.tunnels += 1;
  assert.equal(worker.report(), 1);
  departed.bury(worker.figures);
  const { counters, servers } = departed.totals('web', []);
  assert.deepEqual([counters.lost, counters.tunnels, counters.tunnelsCut], [0, 1, 1]);
  const sum = servers.get('a');
  assert.deepEqual([sum?.lost, sum?.tunnels, sum?.tunnelsCut], [0, 1, 1]);
});

test('a message without a known shape is not taken', () => {
  for (const value of [null, 1, 'x', [], {}, { kind: 'toString' }, { kind: 'ack' }]) {
    assert.equal(parseFromWorker(value), undefined);
    assert.equal(parseToWorker(value), undefined);
  }
  const idle = { kind: 'idle', upstream: 'web', server: 'a' };
  assert.deepEqual(parseFromWorker(idle), idle);
  assert.deepEqual(parseToWorker({ kind: 'listen' }), { kind: 'listen' });
});

test('what happened to sockets is summed over the living and the departed', () => {
  const departed = new DepartedFigures();
  const dead = createWorker();
  const alive = createWorker();
  for (const worker of [dead, alive]) worker.report();
  departed.bury(dead.figures);
  departed.bury(new WorkerFigures());
  assert.deepEqual(departed.socketTotals([alive.figures, new WorkerFigures()]), {
    ...{ turnedAway: 2, acceptFailures: 4, tlsFailures: 10, evicted: 6, noSocket: 8 },
    ...{ spansExported: 10, spansDropped: 12 },
    connects: new Map([['web', 14]]),
  });
});
