// The parameters that all of Consul's endpoints share: index, wait, consistency, dc, pretty. Pure.

import { type Answer, textAnswer } from './http-answer.ts';
import { parameter, parseGoDuration, parseUint64, type Query } from './request-target.ts';

const WAIT_DEFAULT_MS = 300_000;
const WAIT_MAX_MS = 600_000;

export type QueryOptions = {
  /** 0: does not block. Beyond 2^53 it is not exact, and greater than any of ours all the same. */
  readonly index: number;
  readonly waitMs: number;
  readonly pretty: boolean;
};

const DEFAULTS: QueryOptions = { index: 0, waitMs: WAIT_DEFAULT_MS, pretty: false };

/** The options, or the 400 or 500 that Consul gives. */
export function parseQueryOptions(query: Query, ownDatacenter: string): QueryOptions | Answer {
  if (query.size === 0) return DEFAULTS;
  const wait = parameter(query, 'wait');
  const waitMs = wait === '' ? 0 : parseGoDuration(wait);
  if (waitMs === undefined) return textAnswer(400, 'Invalid wait time');
  const index = parameter(query, 'index');
  const parsed = index === '' ? { value: '0' } : parseUint64(index);
  if ('error' in parsed) return textAnswer(400, 'Invalid index');
  const maxStale = parameter(query, 'max_stale');
  if (maxStale !== '' && parseGoDuration(maxStale) === undefined) {
    return textAnswer(400, `Invalid max_stale value ${JSON.stringify(maxStale)}`);
  }
  if (query.has('stale') && query.has('consistent')) {
    return textAnswer(400, 'Cannot specify ?stale with ?consistent, conflicting semantics.');
  }
  const datacenter = parameter(query, 'dc');
  if (datacenter !== '' && datacenter !== ownDatacenter) {
    return textAnswer(500, 'No path to datacenter');
  }
  return {
    index: Number(parsed.value),
    waitMs: waitMs <= 0 ? WAIT_DEFAULT_MS : Math.min(waitMs, WAIT_MAX_MS),
    pretty: query.has('pretty'),
  };
}
