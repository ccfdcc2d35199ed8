// The recent past of several gateways as one. Counts add up. Times do not: of a percentile of all answers it is only
// sure that it is not above the highest of the gateways, and that one is shown.

import type { HistoryDocument } from '../../admin.ts';

/** Clocks that differ by less are taken as one, ms. */
const SAME_CLOCK_MS = 5000;

type Series = HistoryDocument['series'][number];

/** What another gateway has said, with its times by our clock. */
export function byOurClock(said: HistoryDocument, own: HistoryDocument): HistoryDocument {
  const apartMs = endOf(own) - endOf(said);
  if (Math.abs(apartMs) <= Math.max(SAME_CLOCK_MS, own.stepMs)) return said;
  const marks = said.marks.map((mark) => ({ ...mark, atMs: mark.atMs + apartMs }));
  return { ...said, startMs: said.startMs + apartMs, marks };
}

/** Up to the newest slot that all of them have. Marks are those of the first. */
export function sumOfHistories(own: HistoryDocument, others: readonly HistoryDocument[]) {
  const { stepMs } = own;
  const endMs = Math.min(...[own, ...others].map(endOf));
  const slots = Math.max(0, Math.round((endMs - own.startMs) / stepMs));
  const sums = new Map<string, Sum>();
  for (const { startMs, series } of [own, ...others]) {
    const offset = Math.round((own.startMs - startMs) / stepMs);
    for (const one of series) {
      const key = `${one.kind} ${one.name}`;
      const sum = sums.get(key) ?? new Sum(one, slots);
      sums.set(key, sum);
      sum.add(one, offset);
    }
  }
  const complete = [own, ...others].every((one) => one.complete);
  return { ...own, slots, series: [...sums.values()].map(({ series }) => series), complete };
}

class Sum {
  readonly series: Series;
  readonly #counts: readonly (readonly [Counted, number[]])[];
  readonly #times: readonly (readonly [Timed, (number | null)[]])[];

  constructor({ kind, name }: Series, slots: number) {
    const zeros = (): number[] => new Array<number>(slots).fill(0);
    const none = (): (number | null)[] => new Array<number | null>(slots).fill(null);
    const counts = { requests: zeros(), failures: zeros(), errors: zeros(), inFlight: zeros() };
    const times = { p50Ms: none(), p99Ms: none() };
    this.series = { kind, name, ...counts, ...times };
    this.#counts = COUNTED.map((column) => [column, counts[column]]);
    this.#times = TIMED.map((column) => [column, times[column]]);
  }

  /** `offset`: where our first slot is in it. */
  add(said: Series, offset: number): void {
    for (const [column, sums] of this.#counts) {
      for (let slot = 0; slot < sums.length; slot += 1) {
        const sum = (sums[slot] ?? 0) + (said[column][slot + offset] ?? 0);
        // A missed second has a fraction.
        sums[slot] = Math.round(sum * 10) / 10;
      }
    }
    for (const [column, highest] of this.#times) {
      for (let slot = 0; slot < highest.length; slot += 1) {
        const [known, ms] = [highest[slot] ?? null, said[column][slot + offset] ?? null];
        if (ms !== null && (known === null || ms > known)) highest[slot] = ms;
      }
    }
  }
}

const COUNTED = ['requests', 'failures', 'errors', 'inFlight'] as const;
const TIMED = ['p50Ms', 'p99Ms'] as const;
type Counted = (typeof COUNTED)[number];
type Timed = (typeof TIMED)[number];

function endOf({ startMs, stepMs, slots }: HistoryDocument): number {
  return startMs + slots * stepMs;
}
