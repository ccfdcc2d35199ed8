// A call of a route, without the way it travels: what to send, and what came back. The CLI sends it
// with node:http, a browser with fetch.
//
//   const { method, path, body } = requestOf('readReceipt', { id: 'r1' });
//   const response = await fetch(path, { method, body });
//   const reply = { status: response.status, contentType: '…', text: await response.text() };
//   const reading = readReply('readReceipt', reply);

import { type ErrorCode, isErrorCode } from '../../base/errors.ts';
import { type AnswerOf, type InputOf, type Route, statusOf } from './route.ts';
import { type RouteName, type Routes, routeOf } from './routes.ts';
import { object, text } from './shape.ts';

export type CallRequest = {
  readonly method: Route['method'];
  /** With its query. */
  readonly path: string;
  /** JSON. */
  readonly body?: string;
};

export type CallReply = {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
};

/** What came back. unknown: neither an answer nor an error of ours, so of another program. */
export type Reading<Answer> =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | {
      readonly kind: 'error';
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'unknown' };

const ERROR = object({ error: object({ code: text, message: text }) });
// Told beside the message; a fault in them is no reason not to tell the rest.
const DETAILS = object({});

export function requestOf<Name extends RouteName>(
  name: Name,
  input: InputOf<Routes[Name]>,
): CallRequest {
  const route = routeOf(name);
  const given = new Map<string, unknown>(Object.entries(input));
  const path = route.path.replaceAll(/:(\w+)/g, (_, key: string) =>
    encodeURIComponent(String(given.get(key))),
  );
  return {
    method: route.method,
    path: `${path}${queryOf(route, given)}`,
    ...(route.method === 'POST' ? { body: JSON.stringify(given.get('body') ?? {}) } : {}),
  };
}

export function readReply<Name extends RouteName>(
  name: Name,
  reply: CallReply,
): Reading<AnswerOf<Routes[Name]>> {
  const answer = answerIn(routeOf(name), reply);
  // The shape of this very route fits.
  if (answer !== undefined) return { kind: 'answer', answer: answer as AnswerOf<Routes[Name]> };
  const document = fromJson(reply.text);
  if (isGood(reply) || !ERROR.fits(document)) return { kind: 'unknown' };
  const { code, message } = document.error;
  const details = 'details' in document.error ? document.error.details : {};
  return {
    kind: 'error',
    // A newer daemon may have more codes.
    code: isErrorCode(code) ? code : 'internal',
    message,
    details: DETAILS.fits(details) ? { ...details } : {},
  };
}

function answerIn(route: Route, reply: CallReply): unknown {
  if (route.answer === 'text') {
    return isGood(reply) ? { contentType: reply.contentType, body: reply.text } : undefined;
  }
  // It never ends, so there is no reply to read as a whole.
  if (route.answer === 'stream') return undefined;
  const document = fromJson(reply.text);
  if (!route.answer.fits(document)) return undefined;
  return isGood(reply) || reply.status === statusOf(route, document) ? document : undefined;
}

function isGood({ status }: CallReply): boolean {
  return status >= 200 && status < 300;
}

function queryOf({ query = {} }: Route, given: ReadonlyMap<string, unknown>): string {
  if (query === 'raw') return `?${String(given.get('query'))}`;
  const parts = Object.entries(query).map(
    ([key, parameter]) => `${key}=${encodeURIComponent(parameter.format(given.get(key)))}`,
  );
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

function fromJson(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    // Not JSON: no shape fits.
    return undefined;
  }
}
