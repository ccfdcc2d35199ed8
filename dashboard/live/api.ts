// Calls of the control API by the names of their routes. The cookie of the session goes along by itself; what
// changes something carries the session's word against forged requests.

import type { AnswerOf, InputOf, RouteName, Routes } from '../../src/admin/contract.ts';
import { ROUTE_PLACES } from './routes.ts';

/** A gateway that does not answer is not waited for longer, ms; one that waits for idle says so. */
const DEADLINE_MS = 15_000;

export class ApiError extends Error {
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

export const csrf = { word: '' };

/** @throws ApiError */
export async function call<Name extends RouteName>(
  name: Name,
  input: InputOf<Routes[Name]>,
  deadlineMs = DEADLINE_MS,
): Promise<AnswerOf<Routes[Name]>> {
  const { method, path, body } = requestOf(name, input);
  const response = await ask(path, method, body, deadlineMs);
  const answer: unknown = await (isJson(response) ? response.json() : response.text());
  // Of this very route: the page and the gateway are of one version.
  if (response.ok) return answer as AnswerOf<Routes[Name]>;
  const { error } = answer as { readonly error?: ErrorDocument }; // Ours, or without it.
  if (error !== undefined) throw new ApiError(error.code, error.message, error.details);
  throw new ApiError('internal', `${method} ${path}: HTTP ${response.status}`);
}

type ErrorDocument = {
  readonly code: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
};

function requestOf(name: RouteName, input: object) {
  const place = ROUTE_PLACES[name];
  if (place === undefined) throw new ApiError('internal', `${name}: no such route`);
  const { method, query } = place;
  const given = new Map<string, unknown>(Object.entries(input));
  const parts = query.flatMap((key) => {
    const value = given.get(key);
    return value === undefined ? [] : [`${key}=${encodeURIComponent(String(value))}`];
  });
  const path = place.path.replaceAll(/:(\w+)/g, (_, key: string) =>
    encodeURIComponent(String(given.get(key))),
  );
  return {
    method,
    path: parts.length === 0 ? path : `${path}?${parts.join('&')}`,
    ...(method === 'POST' ? { body: JSON.stringify(given.get('body') ?? {}) } : {}),
  };
}

function isJson(response: Response): boolean {
  return response.headers.get('content-type')?.startsWith('application/json') === true;
}

async function ask(
  path: string,
  method: string,
  body: string | undefined,
  deadlineMs: number,
): Promise<Response> {
  try {
    return await fetch(path, {
      method,
      credentials: 'same-origin',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(method === 'GET' || csrf.word === '' ? {} : { 'x-sluice-csrf': csrf.word }),
      },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(deadlineMs),
    });
  } catch (cause) {
    const text = `${method} ${path}: no answer from the gateway`;
    throw new ApiError('unreachable', text, { cause: String(cause) });
  }
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
