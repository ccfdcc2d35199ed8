// Follows one service by blocking queries: one is always open, so that a change arrives as soon as the
// registry has it. Index rules: at least 1; equal to the last = no news; lower than the last = the registry
// was restored, so the service is read again from the beginning. Trouble leaves the list alone.

import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { ConsulQueries, ConsulReply } from '../../consul.ts';
import type { RecordText } from '../../records.ts';
import type { LookupEvents, ServerList } from '../list-source.ts';
import { hiddenReason } from './hidden.ts';
import type { Pulse } from './pulse.ts';

/** A first read, which does not block. */
const READ_TIMEOUT_MS = 2_000;
/** What an answer may come later than the wait and its sixteenth. */
const GRACE_MS = 5_000;
/** A query without news that comes back faster than this did not block. */
const BLOCKED_MIN_MS = 500;

export type ServiceWatchOptions = {
  readonly queries: ConsulQueries;
  /** The name there. */
  readonly service: string;
  readonly pulse: Pulse;
  readonly log: Log;
  /** With `?`, and `&` at its end where it has parameters. */
  readonly path: string;
  readonly waitMs: number;
  /** @throws Error that says what is wrong with the answer */
  readonly read: (body: string) => readonly RecordText[];
  readonly events: LookupEvents;
};

export function watchService(options: ServiceWatchOptions): { close(): void } {
  const closing = new AbortController();
  follow(options, closing.signal).catch((error: unknown) => {
    options.log.error({ path: options.path, reason: messageOf(error) }, 'registry watch ended');
  });
  return { close: () => closing.abort() };
}

async function follow(options: ServiceWatchOptions, signal: AbortSignal): Promise<void> {
  const { queries, events, log, path } = options;
  const pause = async (ms: number): Promise<void> => {
    if (ms > 0) await delay(ms, undefined, { signal }).catch(() => {});
  };
  let index = 0;
  let failures = 0;
  /** Answers in a row that came at once and were no news. */
  let restless = 0;
  while (!signal.aborted) {
    const startedMs = performance.now();
    const answer = await ask(options, index, signal);
    if (signal.aborted) return;
    if ('reason' in answer) {
      // Whoever answers next may have other data under the same index: read it whole.
      index = 0;
      failures += 1;
      if (failures >= queries.round) events.onTrouble(answer.reason);
      await pause(queries.pauseMs(failures));
      continue;
    }
    failures = 0;
    const isSoon = performance.now() - startedMs < BLOCKED_MIN_MS;
    if (index > 0 && answer.index < index) {
      log.warn({ path, index: answer.index, expected: index }, 'registry index went back');
      index = 0;
      restless += 1;
    } else if (index > 0 && answer.index === index) {
      restless = isSoon ? restless + 1 : 0;
    } else {
      if (!isSoon) restless = 0;
      index = answer.index;
      events.onList(answer);
      continue;
    }
    if (restless > 0) await pause(queries.pauseMs(restless * queries.round));
  }
}

type Answer = ServerList | { readonly reason: string };

async function ask(
  { queries, pulse, service, path, waitMs, read }: ServiceWatchOptions,
  index: number,
  signal: AbortSignal,
): Promise<Answer> {
  const isFirst = index === 0;
  const request = isFirst ? path : `${path}index=${index}&wait=${Math.ceil(waitMs)}ms`;
  const timeoutMs = isFirst ? READ_TIMEOUT_MS : (waitMs * 17) / 16 + GRACE_MS;
  try {
    const answer = await (isFirst
      ? queries.get(request, { timeoutMs, signal })
      : pulse.parked((cut) =>
          queries.get(request, { timeoutMs, signal: AbortSignal.any([signal, cut]) }),
        ));
    if ('reason' in answer) return answer;
    const found = answerOf(answer, read);
    const hidden = found.entries.length === 0 ? await hiddenReason(queries, service, signal) : '';
    return hidden === '' ? found : { reason: hidden };
  } catch (error) {
    return { reason: messageOf(error) };
  }
}

function answerOf(reply: ConsulReply, read: ServiceWatchOptions['read']): ServerList {
  if (reply.index === undefined) throw new Error('answer without X-Consul-Index: not a registry');
  if (reply.status !== 200) throw new Error(`answered ${reply.status}: not a registry of services`);
  // Clients make sure that the index is at least 1, or the next query would not block.
  return { index: Math.max(1, reply.index), entries: read(reply.body.toString()) };
}
