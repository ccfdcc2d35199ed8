// The control API as its clients see it: `Control` over HTTP, for the verbs of the CLI and for the
// release engine. Every call is one of the contract, and every answer is checked with it: what answers
// on that port may be another program. Errors come back with the code the daemon gave.

import {
  type AnswerOf,
  type InputOf,
  type RouteName,
  type Routes,
  readReply,
  requestOf,
} from '../admin/contract.ts';
import type {
  Configuration,
  Control,
  DrainDocument,
  EventsDocument,
  RequestsDocument,
  StoryQuestion,
} from '../admin.ts';
import { isSluiceError, messageOf, SluiceError } from '../base/errors.ts';
import { type ClientTls, type Endpoint, parseEndpoints } from './endpoint.ts';
import { type Call, type CallOptions, releaseClient } from './release-client.ts';
import { NoAnswer, notOurs, send } from './send.ts';

export type ControlOptions = {
  /** `http://127.0.0.1:8700`, `https://…`, `ssh://user@host`; several with commas between. */
  readonly url: string;
  /** Bearer token; '' = none. */
  readonly token?: string;
  readonly tls?: ClientTls;
  /** Per call, beside the time that a wait asks for. Default 10 s. */
  readonly timeoutMs?: number;
};

export type ControlClient = Control &
  Configuration & {
    /** The newest changes, oldest first. */
    events(last: number): Promise<EventsDocument>;
    /** What the gateway that answers has kept of requests. */
    requests(question: StoryQuestion): Promise<RequestsDocument>;
  };

const TIMEOUT_MS = 10_000;
/** A new process loads everything before it answers. */
const UPGRADE_MS = 70_000;
/** Longest wait in one request; longer ones are asked for again. */
const WAIT_MS_MAX = 30_000;

/** @throws usage when the URL is not one, or has a path. */
export function createControlClient(options: ControlOptions): ControlClient {
  const { token = '', tls = {}, timeoutMs = TIMEOUT_MS } = options;
  const gateways: Gateways = {
    all: parseEndpoints(options.url, { token, tls, timeoutMs }),
    current: 0,
  };
  const callAny: Call = (name, input, more) => call(gateways, name, input, more);
  return {
    releases: releaseClient(callAny),
    status: () => call(gateways, 'status', {}),
    setAdmin: (upstream, server, body) => call(gateways, 'setAdmin', { upstream, server, body }),
    awaitIdle: (upstream, server, timeoutMs) =>
      awaitIdle(gateways, { upstream, server, timeoutMs }),
    setWeight: async (upstream, server, weight) => {
      await call(gateways, 'setWeight', { upstream, server, body: { weight } });
    },
    register: async (upstream, server, body) => {
      await call(gateways, 'register', { upstream, server, body });
    },
    deregister: async (upstream, server, body) => {
      await call(gateways, 'deregister', { upstream, server, body });
    },
    openReceipt: (upstream) => call(gateways, 'openReceipt', { upstream }),
    readReceipt: (id) => call(gateways, 'readReceipt', { id }),
    upgrade: () => call(gateways, 'upgrade', {}, { timeoutMs: UPGRADE_MS }),
    reload: (body) => call(gateways, 'reload', { body }),
    events: (last) => call(gateways, 'events', { last }),
    requests: (question) => call(gateways, 'requests', question),
    metrics: async () => (await call(gateways, 'metrics', {})).body,
  };
}

/** Those that may be asked, and which of them answered last. */
type Gateways = { readonly all: readonly [Endpoint, ...Endpoint[]]; current: number };

/**
 * The next one is asked when one is away.
 * @throws the daemon's code, unreachable, timeout
 */
async function call<Name extends RouteName>(
  gateways: Gateways,
  name: Name,
  input: InputOf<Routes[Name]>,
  options: CallOptions = {},
): Promise<AnswerOf<Routes[Name]>> {
  const { all } = gateways;
  const failures: string[] = [];
  for (let tries = 0; ; tries += 1) {
    const at = (gateways.current + tries) % all.length;
    try {
      const answer = await callOne(all[at] ?? all[0], name, input, options);
      gateways.current = at;
      return answer;
    } catch (error) {
      if (all.length === 1 || !isAway(error)) throw error;
      failures.push(messageOf(error));
      if (failures.length < all.length) continue;
      const message = `no gateway of ${all.length} answers:\n${failures.join('\n')}`;
      throw new SluiceError('unreachable', message, { cause: error });
    }
  }
}

/** It cannot be reached, is shutting down or stuck; not: it refuses. */
function isAway(error: unknown): boolean {
  if (!isSluiceError(error)) return false;
  return error.code === 'unreachable' || (error.code === 'timeout' && error instanceof NoAnswer);
}

async function callOne<Name extends RouteName>(
  endpoint: Endpoint,
  name: Name,
  input: InputOf<Routes[Name]>,
  { waitMs = 0, timeoutMs = endpoint.timeoutMs, stop }: CallOptions,
): Promise<AnswerOf<Routes[Name]>> {
  const reply = await send(endpoint, requestOf(name, input), timeoutMs + waitMs, stop);
  const reading = readReply(name, reply);
  switch (reading.kind) {
    case 'answer':
      return reading.answer;
    case 'error': {
      const { code, message, details } = reading;
      if (reply.status === 401) throw badToken(endpoint);
      throw new SluiceError(code, message, { details: { ...details } });
    }
    case 'unknown': {
      const isGood = reply.status >= 200 && reply.status < 300;
      const what = isGood ? 'with an unknown body' : 'without an error code';
      throw notOurs(endpoint, `status ${reply.status} ${what}`);
    }
  }
}

async function awaitIdle(
  gateways: Gateways,
  asked: { readonly upstream: string; readonly server: string; readonly timeoutMs: number },
): Promise<DrainDocument> {
  const { upstream, server, timeoutMs } = asked;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const wait = Math.round(Math.min(WAIT_MS_MAX, Math.max(0, deadline - performance.now())));
    const askedAt = performance.now();
    const drain = await call(gateways, 'awaitIdle', { upstream, server, wait }, { waitMs: wait });
    // A daemon that does not wait as long as asked must not become a busy loop of questions.
    const answeredEarly = performance.now() - askedAt < wait / 2;
    if (drain.idle || answeredEarly || performance.now() >= deadline) return drain;
  }
}

/** The daemon's message names the HTTP header; here it is an environment variable. */
function badToken({ name, token }: Endpoint): SluiceError {
  const what = token === '' ? 'it asks for a token; set' : 'it does not accept the token; check';
  return new SluiceError('unauthorized', `control API ${name}: ${what} SLUICE_TOKEN`);
}
