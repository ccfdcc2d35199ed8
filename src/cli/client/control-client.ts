// The control API as its clients see it: `Control` over HTTP, for the verbs of the CLI and for the
// release engine. One connection per call, a deadline on each, and every answer parsed: what
// answers on that port may be another program. Errors come back with the code the daemon gave.

import { type IncomingMessage, request } from 'node:http';
import type { AdminRequest, Control, DrainDocument } from '../../admin.ts';
import {
  type ErrorCode,
  isErrorCode,
  messageOf,
  SluiceError,
  systemCode,
} from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';
import { parseDrain, parseReceipt, parseStatus } from './control-answers.ts';

export type ControlOptions = {
  /** `http://127.0.0.1:8700`, without a path. */
  readonly url: string;
  /** Bearer token; '' = none. */
  readonly token?: string;
  /** Per call, beside the time that a wait asks for. Default 10 s. */
  readonly timeoutMs?: number;
};

/** Status documents of 10,000 servers take some 5 MB. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const TIMEOUT_MS = 10_000;
/** Longest wait in one request; longer ones are asked for again. */
const WAIT_MS_MAX = 30_000;

type Call = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
  /** The daemon may take this long to answer by design. */
  readonly waitMs?: number;
};

type Answer = { readonly status: number; readonly text: string };

/** @throws usage when the URL is not one, or has a path. */
export function createControlClient(options: ControlOptions): Control {
  const base = parseControlUrl(options.url);
  const client: Client = {
    base,
    token: options.token ?? '',
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
  };
  const of = (upstream: string, server?: string): string =>
    `/api/upstreams/${encodeURIComponent(upstream)}${
      server === undefined ? '' : `/servers/${encodeURIComponent(server)}`
    }`;
  return {
    status: async () =>
      parsed(client, await ask(client, { method: 'GET', path: '/api/status' }), parseStatus),
    setAdmin: async (upstream, server, body: AdminRequest) =>
      parsed(
        client,
        await ask(client, { method: 'POST', path: `${of(upstream, server)}/admin`, body }),
        parseDrain,
      ),
    awaitIdle: (upstream, server, timeoutMs) => awaitIdle(client, of(upstream, server), timeoutMs),
    setWeight: async (upstream, server, weight) => {
      await ask(client, {
        method: 'POST',
        path: `${of(upstream, server)}/weight`,
        body: { weight },
      });
    },
    openReceipt: async (upstream) =>
      parsed(
        client,
        await ask(client, { method: 'POST', path: `${of(upstream)}/receipts`, body: {} }),
        parseReceipt,
      ),
    readReceipt: async (id) =>
      parsed(
        client,
        await ask(client, { method: 'GET', path: `/api/receipts/${encodeURIComponent(id)}` }),
        parseReceipt,
      ),
    metrics: async () => (await ask(client, { method: 'GET', path: '/metrics' })).text,
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

type Client = { readonly base: URL; readonly token: string; readonly timeoutMs: number };

async function awaitIdle(client: Client, path: string, timeoutMs: number): Promise<DrainDocument> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const waitMs = Math.round(Math.min(WAIT_MS_MAX, Math.max(0, deadline - performance.now())));
    const askedAt = performance.now();
    const answer = await ask(client, {
      method: 'GET',
      path: `${path}/idle?wait=${waitMs}ms`,
      waitMs,
    });
    const drain = parsed(client, answer, parseDrain);
    // A daemon that does not wait as long as asked must not become a busy loop of questions.
    const answeredEarly = performance.now() - askedAt < waitMs / 2;
    if (drain.idle || answeredEarly || performance.now() >= deadline) return drain;
  }
}

/** The parsed body of a good answer. */
function parsed<Value>(
  client: Client,
  answer: Answer,
  parse: (value: unknown) => Value | undefined,
): Value {
  const value = parse(fromJson(answer.text));
  if (value === undefined) throw notOurs(client, `status ${answer.status} with an unknown body`);
  return value;
}

/** One call. Resolves with a 2xx answer alone. @throws the daemon's code, unreachable, timeout */
function ask(client: Client, call: Call): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  const limitMs = client.timeoutMs + (call.waitMs ?? 0);
  const outgoing = request(new URL(call.path, client.base), {
    method: call.method,
    agent: false,
    headers: {
      accept: 'application/json',
      ...(client.token === '' ? {} : { authorization: `Bearer ${client.token}` }),
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    },
  });
  const timer = setTimeout(() => {
    reject(
      new SluiceError(
        'timeout',
        `control API ${client.base.host}: no answer within ${formatDuration(limitMs)}; is the process stuck, or another program on this port?`,
      ),
    );
    outgoing.destroy();
  }, limitMs);
  outgoing.on('error', (error) => {
    clearTimeout(timer);
    reject(unreachable(client, error));
  });
  outgoing.on('response', (response) => {
    readAnswer(client, response)
      .then((answer) => {
        if (answer.status >= 200 && answer.status < 300) resolve(answer);
        else reject(failure(client, answer));
      })
      .catch(reject)
      .finally(() => clearTimeout(timer));
  });
  outgoing.end(body);
  return promise;
}

async function readAnswer(client: Client, response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response) {
      const bytes = Buffer.from(chunk);
      length += bytes.length;
      if (length > ANSWER_BYTES_MAX) {
        response.destroy();
        throw notOurs(client, `more than ${ANSWER_BYTES_MAX} bytes`);
      }
      chunks.push(bytes);
    }
  } catch (error) {
    throw error instanceof SluiceError ? error : unreachable(client, error);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}

/** The daemon's own error, with its code; anything else that is not 2xx is another program. */
function failure(client: Client, answer: Answer): SluiceError {
  const document = fromJson(answer.text);
  const error = isMap(document) && isMap(document['error']) ? document['error'] : undefined;
  const code = error?.['code'];
  const message = error?.['message'];
  if (typeof message !== 'string' || typeof code !== 'string') {
    return notOurs(client, `status ${answer.status} without an error code`);
  }
  const details = isMap(error?.['details']) ? error['details'] : {};
  if (answer.status === 401) {
    // In our words: the daemon's are for those who write HTTP.
    const what =
      client.token === '' ? 'it asks for a token; set' : 'it does not accept the token; check';
    return new SluiceError('unauthorized', `control API ${client.base.host}: ${what} SLUICE_TOKEN`);
  }
  const known: ErrorCode = isErrorCode(code) ? code : 'internal';
  return new SluiceError(known, message, { details });
}

function unreachable(client: Client, cause: unknown): SluiceError {
  const code = systemCode(cause);
  const what =
    code === 'ECONNREFUSED'
      ? 'nothing listens there'
      : code.startsWith('HPE_')
        ? 'it does not speak HTTP'
        : code === '' || code === 'ECONNRESET'
          ? 'the connection broke before the answer was complete'
          : `${messageOf(cause)}`;
  return new SluiceError(
    'unreachable',
    `control API ${client.base.host}: ${what}; start it with "sluice serve", or name another with --control URL`,
    { cause, details: { address: client.base.host } },
  );
}

function notOurs(client: Client, what: string): SluiceError {
  return new SluiceError(
    'unreachable',
    `control API ${client.base.host}: answered ${what}; is it another program? name ours with --control URL`,
    { details: { address: client.base.host } },
  );
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: the caller says so with the status.
    return undefined;
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
