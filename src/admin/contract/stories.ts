// The stories of requests: what a gateway's flight recorder has kept of them. docs/requests.md

import type { ClosedBy, Eligibility, StoryKind } from '../../model.ts';
import { SCOPE } from './documents.ts';
import { newest, type Parameter, TEXT, usage } from './requests.ts';
import type { Route } from './route.ts';
import { either, flag, list, nothing, number, object, text, type ValueOf, word } from './shape.ts';

const TIME = either(number, nothing);

/** The server of an attempt, or one that could not be tried, as it was then. */
const SERVER_THEN = {
  server: text,
  /** `ok`, or why it could take no other request. */
  stateThen: word<Eligibility>(),
  /** '' = not known. */
  version: text,
  /** Who had taken it out, `release:app/r7`; '' = nobody. */
  owner: text,
};

export const STORY = object({
  id: text,
  kind: word<StoryKind>(),
  /** When the request came. */
  timeMs: number,
  upstream: text,
  route: text,
  listener: text,
  client: text,
  method: text,
  host: text,
  path: text,
  /** 0 = the client got none. */
  status: number,
  madeBy: word<'gateway' | 'server' | ''>(),
  /** null: no server's answer came. */
  waitMs: TIME,
  durationMs: number,
  bytesIn: number,
  bytesOut: number,
  /** As in the access log. */
  result: text,
  reason: text,
  detail: text,
  closedBy: word<ClosedBy>(),
  attempts: list(
    object({
      ...SERVER_THEN,
      /** Since the request came. */
      startMs: number,
      /** null: on a connection that was kept, or none stood. */
      connectMs: TIME,
      headMs: TIME,
      tookMs: number,
      status: number,
      /** In words; '' = none. */
      failure: text,
      retried: flag,
    }),
  ),
  attemptsLeftOut: number,
  /** In words; '' = the last attempt did not fail, or there was none. */
  notRetried: text,
  /** Where no server could be tried: those of the upstream, the first ones. */
  pool: list(object(SERVER_THEN)),
  traceId: text,
  clientId: text,
  /** Whose request it was, `pid 4711 on web-1`, and there. */
  gateway: text,
  worker: number,
});

export type StoryDocument = ValueOf<typeof STORY>;

export const REQUESTS = object({
  /** The newest first; of the kind `slow` the slowest. */
  requests: list(STORY),
  /** Since the start: worth a story, and only counted. */
  leftOut: number,
  /** Of the oldest failure that is kept; 0 = none is. */
  sinceMs: number,
  /** What is kept, and for how long, in words. */
  sampling: text,
  /** Whose requests these are. */
  scope: SCOPE,
});

export type RequestsDocument = ValueOf<typeof REQUESTS>;

export type StoryChoice = StoryKind | 'all';

/** A request is looked for by its id, the client's own, or that of its trace. */
export const STORY_QUESTION = object({
  /** '' = any. */
  upstream: text,
  kind: word<StoryChoice>(),
  /** '' = any. */
  id: text,
  last: number,
});

export type StoryQuestion = ValueOf<typeof STORY_QUESTION>;

const CHOICES: Readonly<Record<StoryChoice, true>> = {
  failed: true,
  retried: true,
  slow: true,
  sampled: true,
  all: true,
};
export const STORY_CHOICES = Object.keys(CHOICES).filter(isChoice);
const LAST_DEFAULT = 50;
export const STORIES_LAST_MAX = 500;
const ID_LENGTH_MAX = 200;

const KIND: Parameter<StoryChoice> = {
  parse: (value = 'all') => {
    if (isChoice(value)) return value;
    throw usage('kind', `must be one of ${STORY_CHOICES.join(', ')}`);
  },
  format: String,
};

const ID: Parameter<string> = {
  parse: (value = '') => {
    if (value.length <= ID_LENGTH_MAX) return value;
    throw usage('id', `must be at most ${ID_LENGTH_MAX} characters`);
  },
  format: String,
};

export const STORY_ROUTES = {
  requests: {
    method: 'GET',
    path: '/api/requests',
    role: 'read',
    query: { upstream: TEXT, kind: KIND, id: ID, last: newest(LAST_DEFAULT, STORIES_LAST_MAX) },
    answer: REQUESTS,
    errors: ['not_found'],
  },
} as const satisfies Readonly<Record<string, Route>>;

function isChoice(value: string): value is StoryChoice {
  return Object.hasOwn(CHOICES, value);
}
