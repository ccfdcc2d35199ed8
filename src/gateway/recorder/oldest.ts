// What somebody waits for who has taken a server out: the request on it that came first.

import type { OldestRequest } from '../../model.ts';
import type { UnderWay } from '../message.ts';
import { masked, short } from './masked.ts';

type Place = { readonly upstream: string; readonly id: string };

const METHOD_LENGTH_MAX = 24;
const SERVERS_MAX = 200;
/** Two clocks are read for each, so that what is finer than this would change each time, ms. */
const GRAIN_MS = 100;

/** `servers`: those that are asked about; of very many some. */
export function oldestOf(
  servers: readonly Place[],
  underWay: Iterable<UnderWay>,
  nowMs: number,
): OldestRequest[] {
  const found = new Map<string, UnderWay | undefined>();
  for (const server of servers.slice(0, SERVERS_MAX)) found.set(keyOf(server), undefined);
  for (const one of underWay) {
    if (one.server === undefined) continue;
    const key = keyOf(one.server);
    const last = found.get(key);
    const isFirst = last === undefined || one.attempts.beganMs < last.attempts.beganMs;
    if (isFirst && found.has(key)) found.set(key, one);
  }
  return [...found.values()].flatMap((one) => {
    if (one?.server === undefined) return [];
    const { method, target } = one.head;
    const sinceMs = Date.now() - (nowMs - one.attempts.beganMs);
    return {
      ...{ upstream: one.server.upstream, server: one.server.id },
      request: `${short(method, METHOD_LENGTH_MAX)} ${masked(target)}`,
      sinceMs: Math.round(sinceMs / GRAIN_MS) * GRAIN_MS,
    };
  });
}

function keyOf({ upstream, id }: Place): string {
  return `${upstream}\n${id}`;
}
