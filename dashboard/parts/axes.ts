// Where the lines of a graph's grid are: at numbers and times that people like.

const [SECOND, MINUTE, HOUR] = [1000, 60_000, 3_600_000];
const TIME_STEPS = [
  ...[SECOND, 5 * SECOND, 10 * SECOND, 30 * SECOND],
  ...[MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE],
  ...[HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR],
];

/** From 0 to what is at least `most`, in about `count` steps of 1, 2 or 5 times a power of ten. */
export function valueTicks(most: number, count = 3): readonly number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((one) => one * power >= rough) ?? 10) * power;
  const steps = Math.ceil(most / step - 1e-9);
  // 0.1 + 0.2 is not what one wants to read.
  return Array.from({ length: steps + 1 }, (_, place) => Number((place * step).toPrecision(12)));
}

/** Whole times, at most `count` of them. */
export function timeTicks(fromMs: number, toMs: number, count: number): readonly number[] {
  const rough = (toMs - fromMs) / Math.max(1, count);
  const step = TIME_STEPS.find((one) => one >= rough) ?? 24 * HOUR;
  const first = Math.ceil(fromMs / step) * step;
  const many = Math.max(0, Math.floor((toMs - first) / step) + 1);
  return Array.from({ length: many }, (_, place) => first + place * step);
}
