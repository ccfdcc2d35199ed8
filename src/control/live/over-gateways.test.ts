// What several gateways remember, told as one: added up by time, with who was heard.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HistoryDocument, RequestsDocument, StoryDocument } from '../../admin.ts';
import { SluiceError } from '../../base/errors.ts';
import type { Answer, OtherGateway } from '../../gateways.ts';
import { OverGateways } from './over-gateways.ts';

const APP = { upstream: 'app', server: '', span: '5m' } as const;
const ALL = { upstream: '', kind: 'all', id: '', last: 10 } as const;
const ALONE = { gateway: 'A', heard: [], unheard: [] };

type Series = HistoryDocument['series'][number];

function series(requests: readonly number[], changes: Partial<Series> = {}): Series {
  const zeros = requests.map(() => 0);
  const counts = { requests, failures: zeros, errors: zeros, inFlight: zeros };
  const times = { p50Ms: requests.map(() => null), p99Ms: requests.map(() => null) };
  return { kind: 'upstream', name: '', ...counts, ...times, ...changes };
}

function history(startS: number, all: readonly Series[], changes: Partial<HistoryDocument> = {}) {
  const slots = all[0]?.requests.length ?? 3;
  return {
    ...{ upstream: 'app', span: '5m' as const, startMs: startS * 1000, stepMs: 1000, slots },
    ...{ series: all, marks: [], complete: true, scope: ALONE, ...changes },
  };
}

function story(id: string, timeMs: number, waitMs: number | null = null): StoryDocument {
  return {
    ...{ id, kind: 'failed', timeMs, upstream: 'app', route: '', listener: '', client: '' },
    ...{ method: 'GET', host: '', path: '/', status: 502, madeBy: 'gateway', waitMs },
    ...{ durationMs: 1, bytesIn: 0, bytesOut: 0, result: '', reason: '', detail: '' },
    ...{ closedBy: '', attempts: [], attemptsLeftOut: 0, notRetried: '', pool: [], traceId: '' },
    ...{ clientId: '', gateway: '', worker: 0 },
  };
}

function requests(stories: readonly StoryDocument[], sinceMs = 0): RequestsDocument {
  return { requests: stories, leftOut: 1, sinceMs, sampling: 'what is kept', scope: ALONE };
}

type Setting = {
  readonly own?: HistoryDocument;
  readonly stories?: RequestsDocument;
  /** What the others say, by id; undefined: they do not answer. */
  readonly said?: Readonly<Record<string, unknown>>;
  readonly others?: readonly Partial<OtherGateway>[];
};

function gateways({
  own = history(100, [series([1, 2, 3])]),
  stories = requests([]),
  said = {},
  others,
}: Setting) {
  const asked: string[] = [];
  let answer: Answer = async () => undefined;
  const known = (others ?? Object.keys(said).map((id) => ({ id }))).map((other): OtherGateway => {
    const id = other.id ?? '';
    return {
      ...{ id, name: id.toUpperCase(), state: 'live', sinceMs: 0, version: '1', control: '' },
      ...{ startedAtMs: 1, upstreams: ['app'], ...other },
    };
  });
  const over = new OverGateways({
    beside: {
      others: known,
      questions: {
        answerWith: (given) => {
          answer = given;
        },
        ask: async (gateway, question) => {
          asked.push(`${gateway} ${question}`);
          const document = said[gateway];
          return typeof document === 'object' ? JSON.stringify(document) : (document as undefined);
        },
      },
    },
    scope: () => ({
      ...ALONE,
      unheard: known
        .filter(({ state }) => state === 'silent')
        .map(({ name }) => `${name} (silent)`),
    }),
    history: ({ upstream }, most) => {
      if (upstream !== 'app') throw new SluiceError('not_found', `upstream "${upstream}": unknown`);
      return { ...own, series: own.series.slice(0, most) };
    },
    requests: async ({ last }) => ({ ...stories, requests: stories.requests.slice(0, last) }),
  });
  return { over, asked, answer: () => answer };
}

const requestsOf = ({ series: [first] }: HistoryDocument) => first?.requests;

test('counts add up second by second, and of times the highest is shown', async () => {
  const own = history(100, [
    series([1, 2, 3], {
      p99Ms: [5, null, 9],
      p50Ms: [1, null, 2],
      failures: [1, 0, 0],
      inFlight: [0, 1, 2],
    }),
  ]);
  const b = history(100, [
    series([10, 0.1, 0.2], {
      p99Ms: [4, 7, null],
      p50Ms: [3, 3, null],
      errors: [0, 0, 4],
      inFlight: [2, 2, 2],
    }),
    series([1, 1, 1], { kind: 'version', name: 'v2' }),
  ]);
  const { over } = gateways({ own, said: { b } });
  const sum = await over.history(APP, '');
  assert.deepEqual(sum.series, [
    {
      ...{
        kind: 'upstream',
        name: '',
        requests: [11, 2.1, 3.2],
        failures: [1, 0, 0],
        errors: [0, 0, 4],
      },
      ...{ inFlight: [2, 3, 4], p50Ms: [3, 3, 2], p99Ms: [5, 7, 9] },
    },
    series([1, 1, 1], { kind: 'version', name: 'v2' }),
  ]);
  assert.deepEqual(sum.scope, { gateway: 'A', heard: ['B'], unheard: [] });
});

test('the sum ends where one of them knows nothing yet, and what is older than ours is left out', async () => {
  const b = history(98, [series([7, 8, 10, 20])]);
  const sum = await gateways({ said: { b } }).over.history(APP, '');
  assert.deepEqual([sum.startMs, sum.slots, requestsOf(sum)], [100_000, 2, [11, 22]]);
  const ahead = history(101, [series([10, 20, 30])]);
  const other = await gateways({ said: { b: ahead } }).over.history(APP, '');
  assert.deepEqual([other.slots, requestsOf(other)], [3, [1, 12, 23]]);
});

test('a clock that is far off is no other time', async () => {
  const mark = {
    atMs: 7_200_500,
    server: 's:1',
    what: 'joined',
    from: '',
    to: 'ok',
    owner: '',
  } as const;
  const b = history(7200, [series([10, 20, 30])], { marks: [mark] });
  const { over } = gateways({ said: { b } });
  assert.deepEqual(requestsOf(await over.history(APP, '')), [11, 22, 33]);
  const alone = await over.history(APP, 'b');
  assert.deepEqual([alone.startMs, alone.marks[0]?.atMs], [100_000, 100_500]);
  assert.deepEqual(requestsOf(alone), [10, 20, 30]);
});

test('this one, another one, and one that is not there', async () => {
  const { over, asked } = gateways({
    said: { b: history(100, [series([10, 20, 30])]), c: undefined },
  });
  const own = await over.history(APP, 'own');
  assert.deepEqual([requestsOf(own), own.scope, asked], [[1, 2, 3], ALONE, []]);
  const b = await over.history(APP, 'b');
  assert.deepEqual([requestsOf(b), b.scope.heard], [[10, 20, 30], ['B']]);
  const c = await over.history(APP, 'c');
  assert.deepEqual([c.series, c.complete, c.scope.unheard], [[], false, ['C (no answer)']]);
  await assert.rejects(over.history(APP, 'x'), /gateway "x": unknown; known: own, b, c/);
});

test('who is silent, serves something else, or talks nonsense is in no sum', async () => {
  const all = history(100, [series([10, 20, 30])]);
  const said = {
    b: all,
    c: { ...all, series: 'x' },
    d: all,
    e: all,
    f: { ...all, stepMs: 10_000 },
  };
  const others = [
    ...[{ id: 'b' }, { id: 'c' }, { id: 'd', state: 'silent' as const }],
    ...[{ id: 'e', upstreams: ['shop'] }, { id: 'f' }],
  ];
  const { over, asked } = gateways({ said, others });
  const sum = await over.history(APP, '');
  assert.deepEqual(requestsOf(sum), [11, 22, 33]);
  assert.deepEqual(sum.scope, {
    gateway: 'A',
    heard: ['B'],
    unheard: ['C (no answer)', 'F (no answer)', 'D (silent)'],
  });
  assert.equal(asked.length, 3);
});

test('where one has not all servers, the sum has not', async () => {
  const b = history(100, [series([1, 1, 1])], { complete: false });
  assert.equal((await gateways({ said: { b } }).over.history(APP, '')).complete, false);
});

test('several pages ask once, and again after a while', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { over, asked } = gateways({ said: { b: history(100, [series([1, 1, 1])]) } });
  await Promise.all([over.history(APP, ''), over.history(APP, ''), over.history(APP, 'b')]);
  assert.equal(asked.length, 1);
  await over.history({ ...APP, span: '1h' }, '').catch(() => {});
  assert.equal(asked.length, 2);
  t.mock.timers.tick(3000);
  await over.history(APP, '');
  assert.equal(asked.length, 3);
});

test('an upstream that this gateway does not know is refused before anybody is asked', async () => {
  const { over, asked } = gateways({ said: { b: history(100, []) } });
  await assert.rejects(over.history({ ...APP, upstream: 'shop' }, ''), /"shop": unknown/);
  assert.deepEqual(asked, []);
});

test('stories of all gateways, the newest first, or the longest wait', async () => {
  const stories = requests([story('own 3', 3, 1), story('own 1', 1, 50)], 1);
  const b = requests([story('b 2', 2, 9), story('b 0', 0)], 2);
  const { over } = gateways({ stories, said: { b, c: undefined } });
  const found = await over.requests({ ...ALL, last: 3 });
  assert.deepEqual(
    found.requests.map(({ id }) => id),
    ['own 3', 'b 2', 'own 1'],
  );
  assert.deepEqual([found.leftOut, found.sinceMs, found.scope.unheard], [2, 2, ['C (no answer)']]);
  const slow = await over.requests({ ...ALL, kind: 'slow' });
  assert.deepEqual(
    slow.requests.map(({ id }) => id),
    ['own 1', 'b 2', 'own 3', 'b 0'],
  );
});

test('it answers others with its own alone, and with less where that is too much', async () => {
  const own = history(100, [
    series([1, 2, 3]),
    ...new Array(500).fill(series([1, 1, 1], { kind: 'server', name: 's' })),
  ]);
  const stories = requests([story('1', 1), story('0', 0)]);
  const { answer, asked } = gateways({ own, stories, said: { b: own } });
  const ask = async (question: unknown, share = 1) =>
    JSON.parse((await answer()(JSON.stringify(question), share)) ?? 'null');
  assert.equal((await ask({ history: APP })).series.length, 500);
  assert.equal((await ask({ history: APP }, 0.25)).series.length, 125);
  assert.deepEqual((await ask({ history: APP })).scope, ALONE);
  assert.deepEqual(
    (await ask({ requests: ALL })).requests.map(({ id }: StoryDocument) => id),
    ['1', '0'],
  );
  assert.equal((await ask({ requests: { ...ALL, last: 1 } }, 0.25)).requests.length, 1);
  for (const question of [{}, 'x', null, { history: { upstream: 'app' } }, { requests: 1 }])
    assert.equal(await ask(question), null);
  assert.equal(await answer()('no JSON', 1), undefined);
  assert.deepEqual(asked, []);
});
