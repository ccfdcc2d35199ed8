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
} from '../../admin/contract.ts';
import type { Control, DrainDocument } from '../../admin.ts';
import { SluiceError } from '../../base/errors.ts';
import { type Endpoint, notOurs, send } from './send.ts';

export type ControlOptions = {
  /** `http://127.0.0.1:8700`, without a path. */
  readonly url: string;
  /** Bearer token; '' = none. */
  readonly token?: string;
  /** Per call, beside the time that a wait asks for. Default 10 s. */
  readonly timeoutMs?: number;
};

const TIMEOUT_MS = 10_000;
/** Longest wait in one request; longer ones are asked for again. */
const WAIT_MS_MAX = 30_000;

/** @throws usage when the URL is not one, or has a path. */
export function createControlClient(options: ControlOptions): Control {
  const endpoint: Endpoint = {
    base: parseControlUrl(options.url),
    token: options.token ?? '',
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
  };
  return {
    status: () => call(endpoint, 'status', {}),
    setAdmin: (upstream, server, body) => call(endpoint, 'setAdmin', { upstream, server, body }),
    awaitIdle: (upstream, server, timeoutMs) =>
      awaitIdle(endpoint, { upstream, server, timeoutMs }),
    setWeight: async (upstream, server, weight) => {
      await call(endpoint, 'setWeight', { upstream, server, body: { weight } });
    },
    openReceipt: (upstream) => call(endpoint, 'openReceipt', { upstream }),
    readReceipt: (id) => call(endpoint, 'readReceipt', { id }),
    metrics: async () => (await call(endpoint, 'metrics', {})).body,
  };
}

/** @throws usage */
export function parseControlUrl(text: string): URL {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  if (
    url === null ||
    url.protocol !== 'http:' ||
    url.pathname !== '/' ||
    url.search !== '' ||
    url.username !== ''
  ) {
    throw new SluiceError(
      'usage',
      `control address "${text}" is not a plain http URL; write one like http://127.0.0.1:8700`,
    );
  }
  return url;
}

/** `waitMs`: the daemon may take this long by design. @throws the daemon's code, unreachable, timeout */
async function call<Name extends RouteName>(
  endpoint: Endpoint,
  name: Name,
  input: InputOf<Routes[Name]>,
  waitMs = 0,
): Promise<AnswerOf<Routes[Name]>> {
  const reply = await send(endpoint, requestOf(name, input), endpoint.timeoutMs + waitMs);
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
  endpoint: Endpoint,
  asked: { readonly upstream: string; readonly server: string; readonly timeoutMs: number },
): Promise<DrainDocument> {
  const { upstream, server, timeoutMs } = asked;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const wait = Math.round(Math.min(WAIT_MS_MAX, Math.max(0, deadline - performance.now())));
    const askedAt = performance.now();
    const drain = await call(endpoint, 'awaitIdle', { upstream, server, wait }, wait);
    // A daemon that does not wait as long as asked must not become a busy loop of questions.
    const answeredEarly = performance.now() - askedAt < wait / 2;
    if (drain.idle || answeredEarly || performance.now() >= deadline) return drain;
  }
}

/** The daemon's message names the HTTP header; here it is an environment variable. */
function badToken({ base, token }: Endpoint): SluiceError {
  const what = token === '' ? 'it asks for a token; set' : 'it does not accept the token; check';
  return new SluiceError('unauthorized', `control API ${base.host}: ${what} SLUICE_TOKEN`);
}
