import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoryQuestion } from '../../admin.ts';
import type { Story, StoryKind } from '../../model.ts';
import { KEPT_MAX, SLOW_FOR_MS, STORIES_MAX, StoryStore } from './story-store.ts';

function story(id: string, changes: Partial<Story> = {}): Story {
  return {
    ...{
      id,
      kind: 'failed',
      timeMs: 1000,
      upstream: 'app',
      route: '/',
      listener: 'l',
      client: 'c',
    },
    ...{ method: 'GET', host: 'a', path: '/', status: 502, madeBy: 'gateway', waitMs: null },
    ...{ durationMs: 1, bytesIn: 0, bytesOut: 0, result: 'lost', reason: '', detail: '' },
    ...{
      closedBy: '',
      attempts: [],
      attemptsLeftOut: 0,
      notRetried: '',
      pool: [],
      traceId: '',
      clientId: '',
    },
    ...changes,
  };
}

function store() {
  const clock = { nowMs: 1000 };
  const stories = new StoryStore({
    ...{ gateway: 'A', now: () => clock.nowMs },
    versionOf: (server) => (server === 's:1' ? 'v7' : ''),
    ownerOf: (upstream, server) => (`${upstream} ${server}` === 'app s:1' ? 'release:app/r7' : ''),
  });
  const add = (...all: readonly Story[]): void => stories.add(1, { stories: all, leftOut: 0 });
  const ask = (question: Partial<StoryQuestion> = {}): string[] =>
    stories
      .read({ upstream: '', kind: 'all', id: '', last: 10_000, ...question })
      .requests.map(({ id }) => id);
  return { stories, add, ask, clock };
}

function many(count: number, kind: StoryKind, upstream = 'app'): Story[] {
  return Array.from({ length: count }, (_, at) =>
    story(`${upstream}-${kind}-${at}`, { kind, upstream, waitMs: at }),
  );
}

test('of each upstream and kind the newest are kept', () => {
  const { add, ask } = store();
  add(story('quiet', { upstream: 'other' }), story('again', { kind: 'retried' }));
  for (let times = 0; times < 20; times += 1) add(...many(1000, 'failed'));
  assert.equal(ask({ upstream: 'app', kind: 'failed' }).length, KEPT_MAX.failed);
  assert.equal(ask()[0], 'app-failed-999');
  assert.deepEqual(ask({ upstream: 'other' }), ['quiet'], 'another upstream is not pushed out');
  assert.deepEqual(ask({ kind: 'retried' }), ['again'], 'nor is another kind');
});

test('over all there is one bound, and the longest list gives way', () => {
  const { add, ask } = store();
  add(...many(20, 'failed', 'small'));
  for (let at = 0; at < 90; at += 1) add(...many(KEPT_MAX.failed, 'failed', `app${at}`));
  assert.equal(ask().length, STORIES_MAX);
  assert.equal(ask({ upstream: 'small' }).length, 20);
  for (let at = 0; at < 5000; at += 1) add(story(`${at}`, { upstream: `of-its-own-${at}` }));
  assert.equal(ask().length, STORIES_MAX);
  assert.equal(ask()[0], '4999');
});

test('of the slow ones the slowest are kept, for a while', () => {
  const { add, ask, clock } = store();
  add(...many(100, 'slow'));
  const slow = ask({ kind: 'slow' });
  assert.deepEqual([slow.length, slow[0], slow.at(-1)], [20, 'app-slow-99', 'app-slow-80']);
  clock.nowMs = 1000 + SLOW_FOR_MS;
  assert.deepEqual(ask({ kind: 'slow' }), []);
  add(story('now', { kind: 'slow', timeMs: clock.nowMs, waitMs: 1 }));
  assert.deepEqual(ask({ kind: 'slow' }), ['now'], 'those of before do not keep it out');
});

test("a request is found by its id, its client's or its trace's; more than one may have it", () => {
  const { add, ask, stories } = store();
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  add(story('1', { traceId }), story('mine'), story('2', { clientId: 'mine' }));
  assert.deepEqual(ask({ id: 'mine' }), ['2', 'mine']);
  assert.deepEqual(ask({ id: traceId }), ['1']);
  assert.deepEqual(ask({ id: 'm' }), []);
  assert.deepEqual(ask({ last: 1 }), ['2']);
  stories.add(2, { stories: [], leftOut: 7 });
  const { leftOut, sinceMs } = stories.read({ upstream: '', kind: 'all', id: '', last: 1 });
  assert.deepEqual([leftOut, sinceMs], [7, 1000]);
});

test('a server has its version and whoever had taken it out, as they are then', () => {
  const { add, stories } = store();
  const attempt = { startMs: 0, connectMs: null, headMs: null, tookMs: 1, status: 0 };
  const then = { stateThen: 'drain', failure: 'gone', retried: false } as const;
  const attempts = ['s:1', 's:2'].map((server) => ({ ...attempt, ...then, server }));
  add(story('1', { attempts, pool: [{ server: 's:1', stateThen: 'drain' }] }));
  const [[, shown] = []] = stories.newest();
  assert.deepEqual(
    shown?.attempts.map(({ version, owner }) => [version, owner]),
    [
      ['v7', 'release:app/r7'],
      ['', ''],
    ],
  );
  assert.deepEqual(shown?.pool, [
    { server: 's:1', stateThen: 'drain', version: 'v7', owner: 'release:app/r7' },
  ]);
  assert.deepEqual([shown?.gateway, shown?.worker], ['A', 1]);
});

test('ordinary ones are no news', () => {
  const { add, stories } = store();
  add(story('1', { kind: 'sampled' }), ...many(100, 'failed'));
  assert.deepEqual([stories.newest().length, stories.newest()[0]?.[1].id], [50, 'app-failed-99']);
});
