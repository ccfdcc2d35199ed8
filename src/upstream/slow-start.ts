// Slow start: a server that comes back (or joins after our start) begins at a tenth of its weight
// and reaches the whole of it after slow_start, so that cold caches and lazy connection pools do
// not meet full traffic at once.
//
//   factor(elapsed) = max(10 %, elapsed / slow_start), at most 1          (Envoy's, aggression 1)
//
// rounded up to a multiple of 1/1024: exact in binary, so no rounding error gathers in the sums of
// the balancer, however many picks a ramp lasts. | slow_start 10s | 0 s: 0.10 | 5 s: 0.50 | 10 s: 1 |
// Source: Envoy, slow start mode (upstream load balancing documentation).

const STEPS = 1024;
const FLOOR = 0.1;

/** The part of its weight that a server has `elapsedMs` after it came back: 0.1 … 1. */
export function rampFactor(elapsedMs: number, slowStartMs: number): number {
  if (elapsedMs >= slowStartMs) return 1;
  return Math.ceil(Math.max(FLOOR, elapsedMs / slowStartMs) * STEPS) / STEPS;
}
