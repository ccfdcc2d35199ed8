// One message to one receiver: up to three tries within a time limit. What goes wrong is said without the
// URL, which for a robot is its password.

import { randomUUID } from 'node:crypto';
import { systemCode } from '../../base/errors.ts';
import type { ReceiverConfig } from '../../config.ts';
import { pause } from '../wait.ts';
import type { Message } from './message.ts';
import { RECEIVERS } from './receivers.ts';

const PAUSES_MS = [500, 2000];
const ANSWER_BYTES_MAX = 64 * 1024;
/** Statuses after which the same may be taken a moment later. */
const RETRIED: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

type Try = { readonly trouble: string; readonly isFinal: boolean };

/** Why it was not delivered; '' when it was. Never throws; ends soon after `signal`. */
export async function deliver(
  receiver: Pick<ReceiverConfig, 'kind' | 'timeoutMs'>,
  target: { readonly url: string; readonly secret: string },
  message: Message,
  signal: AbortSignal,
): Promise<string> {
  const id = randomUUID();
  let last = 'there was no time for it';
  for (const pauseMs of [0, ...PAUSES_MS]) {
    await pause(pauseMs, signal);
    if (signal.aborted) return last;
    const { render, refusal } = RECEIVERS[receiver.kind];
    const { url, headers, body } = render({ ...target, message, id, nowMs: Date.now() });
    const options = { method: 'POST', headers, body, redirect: 'manual' } as const;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(receiver.timeoutMs)]);
    const { trouble, isFinal } = await attempt(url, { ...options, signal: limit }, refusal);
    if (isFinal) return trouble;
    last = trouble;
  }
  return last;
}

async function attempt(
  url: string,
  options: RequestInit,
  refusal: (body: unknown) => string,
): Promise<Try> {
  try {
    const response = await fetch(url, options);
    const text = await beginningOf(response);
    // Redirects are not followed: a signature is for whom it was made.
    if (!response.ok) {
      return { trouble: `answered ${response.status}`, isFinal: !RETRIED.has(response.status) };
    }
    return { trouble: refusal(parsed(text)), isFinal: true };
  } catch (error) {
    return { trouble: failureText(error), isFinal: false };
  }
}

async function beginningOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_BYTES_MAX) break;
  }
  return text;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failureText(error: unknown): string {
  const name = error instanceof Error ? error.name : '';
  if (name === 'TimeoutError' || name === 'AbortError') return 'did not answer in time';
  const cause = error instanceof Error ? error.cause : undefined;
  const code = systemCode(cause) || systemCode(error);
  return `could not be reached${code === '' ? '' : ` (${code})`}`;
}
