// Calls of the control API by the names of their routes. The cookie of the session goes along by itself; what
// changes something carries the session's word against forged requests.

import {
  type AnswerOf,
  type InputOf,
  type RouteName,
  type Routes,
  readReply,
  requestOf,
} from '../../src/admin/contract.ts';

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
  const reply = {
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    text: await response.text(),
  };
  const reading = readReply(name, reply);
  if (reading.kind === 'answer') return reading.answer;
  if (reading.kind === 'error') throw new ApiError(reading.code, reading.message, reading.details);
  throw new ApiError(
    'internal',
    `${method} ${path}: HTTP ${reply.status}, not an answer of Sluice`,
  );
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
