import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoryDocument } from '../../admin/contract.ts';
import { storiesView, storyView } from './story-view.ts';

const VIEW = { nowMs: 4000, paint: (_: string, text: string) => text, width: 0 };
const THEN = { version: 'v41', owner: '', stateThen: 'ok' } as const;

const STORY: StoryDocument = {
  ...{ id: '65a3', kind: 'failed', timeMs: 1000, upstream: 'app', route: 'app.example/' },
  ...{ listener: '0.0.0.0:80', client: '10.0.0.7', method: 'GET', host: 'app.example' },
  ...{ path: '/checkout?token=*', status: 502, madeBy: 'gateway', waitMs: null, durationMs: 12.3 },
  ...{ bytesIn: 3, bytesOut: 0, result: 'lost', reason: 'closed_early', closedBy: 'server' },
  detail: 'server s:2 closed the connection before its answer',
  attempts: [
    {
      ...{ ...THEN, server: 's:1', startMs: 0, connectMs: null, headMs: null, tookMs: 0.3 },
      ...{ status: 0, failure: 'server s:1 refused the connection', retried: true },
    },
    {
      ...{ ...THEN, server: 's:2', stateThen: 'drain', owner: 'release:app/r7', startMs: 1.2 },
      ...{ connectMs: 1, headMs: null, tookMs: 11, status: 0, failure: 'gone', retried: false },
    },
  ],
  ...{
    attemptsLeftOut: 0,
    notRetried: 'a POST that may have reached a server is not sent twice',
    pool: [],
    traceId: 'abc',
    clientId: 'mine',
    gateway: 'pid 1',
    worker: 2,
  },
};

test('tells a request in words', () => {
  assert.equal(
    storyView(STORY, VIEW),
    `GET app.example/checkout?token=*  502 from the gateway
  id      65a3, the client's mine, trace abc
  when    1970-01-01T00:00:01.000Z, 3s ago
  client  10.0.0.7, by 0.0.0.0:80
  route   app.example/, to upstream app
  kept    because it failed
  try 1   s:1 (v41, ok then): server s:1 refused the connection after 0.3ms; another attempt followed
  try 2   at 1ms: s:2 (v41, drain by release:app/r7 then): connected in 1ms; gone after 11ms
  no more a POST that may have reached a server is not sent twice
  took    12ms in all
  bytes   3 of the request's body, 0 of the answer's
  closed  by the server
  why     closed_early: server s:2 closed the connection before its answer
  seen by pid 1, worker 2
`,
  );
});

test('a request that no server could take has what the servers were', () => {
  const pool = [{ ...THEN, server: 's:1', stateThen: 'down' as const, version: '' }];
  const text = storyView({ ...STORY, attempts: [], pool }, VIEW);
  assert.match(text, /\n {2}tried +no server\n/);
  assert.match(text, /\n {2}then +s:1 \(down then\)\n/);
});

test('lists requests, and says how many more there were', () => {
  const scope = { gateway: 'pid 1', heard: [], unheard: [] };
  const document = { requests: [STORY], leftOut: 7, sinceMs: 1, sampling: 'some', scope };
  assert.equal(
    storiesView(document, VIEW),
    `ID    TIME (UTC)    KIND    STATUS  TOOK  UPSTREAM  REQUEST                           WHY
65a3  00:00:01.000  failed     502  12ms  app       GET app.example/checkout?token=*  server s:2 closed the connection before its answer
7 more of these kinds were only counted`,
  );
  assert.equal(
    storiesView({ ...document, requests: [] }, VIEW),
    'no request is kept; kept are: some',
  );
});

test('whatever a gateway says moves no cursor', () => {
  const evil = '\x1b[2J\r\n\x9b';
  const attempts = STORY.attempts.map((attempt) => ({
    ...{ ...attempt, server: evil, version: evil, owner: evil, failure: evil },
  }));
  const texts = { id: evil, path: evil, host: evil, detail: evil, client: evil, route: evil };
  const story = { ...STORY, ...texts, attempts, listener: evil, upstream: evil, gateway: evil };
  const scope = { gateway: 'pid 1', heard: [], unheard: [] };
  const document = { requests: [story], leftOut: 0, sinceMs: 1, sampling: '', scope };
  for (const text of [storyView(story, VIEW), storiesView(document, VIEW)]) {
    assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  }
});
