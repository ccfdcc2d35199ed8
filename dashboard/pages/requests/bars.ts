// The attempts of a request as parts of its time: connecting, waiting for the head, the rest.

import type { StoryDocument } from '../../../src/admin/contract.ts';

export type Part = {
  readonly kind: 'connect' | 'wait' | 'body';
  /** Of the whole time, 0 to 1. */
  readonly from: number;
  readonly to: number;
  readonly ms: number;
};

type Attempt = StoryDocument['attempts'][number];

/** What took no time is left out. */
export function partsOf(
  { startMs, connectMs, headMs, tookMs }: Attempt,
  wholeMs: number,
): readonly Part[] {
  const connected = Math.min(connectMs ?? 0, tookMs);
  const head = Math.min(headMs ?? tookMs, tookMs);
  const cuts = [
    ['connect', 0, connected],
    ['wait', connected, Math.max(connected, head)],
    ['body', Math.max(connected, head), tookMs],
  ] as const;
  const share = (ms: number): number =>
    wholeMs <= 0 ? 0 : Math.min(1, Math.max(0, (startMs + ms) / wholeMs));
  return cuts.flatMap(([kind, from, to]) =>
    to > from ? [{ kind, from: share(from), to: share(to), ms: to - from }] : [],
  );
}
