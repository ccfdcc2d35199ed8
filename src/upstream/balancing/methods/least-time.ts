// The server that is likely to answer first: the recent time to the response's head, times the
// requests it would then have in flight, per weight. The time is a peak EWMA: it rises at once with a
// slow answer and sinks again with the quick ones, or with the time that nobody asks.
//
//   answer of t ms:  t > time → time = t;  else time = time × w + t × (1 - w),  w = e^(-elapsed / 10 s)
//   cost = time × e^(-elapsed / 10 s) × (in flight + 1) / (weight × slow start)
//
// | a: 20 ms, 1 in flight | b: 50 ms, 0 in flight | cost 40 : 50, so a; then a has 60, so b |
//
// A server that has not answered yet costs nothing while it is idle, and much while it is asked: it
// gets one request, and more after the answer. A failed attempt counts as a second at least, or the
// server that refuses fastest would get them all.
//
// Source: Finagle's PeakEwma load metric (com.twitter.finagle.loadbalancer), with its 10 s.

import type { Outcome, Server } from '../../server.ts';
import type { Balanced, Balancer, BalancerOptions } from '../balancer.ts';
import { mayTake } from '../open-servers.ts';
import { WeightedDraw } from './weighted-draw.ts';

const DECAY_MS = 10_000;
const FAILED_MS = 1000;
/** What a request in flight costs on a server that has never answered, ms. */
const UNKNOWN_MS = 1_000_000;
/** Up to this many servers are all compared. In a larger tier two are drawn by weight. */
const COMPARED_MAX = 16;

export class LeastTime implements Balancer {
  readonly goesByList = true;
  readonly #draw: WeightedDraw;

  constructor(options: BalancerOptions) {
    this.#draw = new WeightedDraw(options);
  }

  pick(request: Balanced, nowMs: number): Server | undefined {
    const { servers } = this.#draw;
    if (servers.length > COMPARED_MAX) {
      const drawn = this.#draw.betterOfTwo(request, nowMs, isCheaper);
      if (drawn !== undefined) return drawn;
    }
    let best: Server | undefined;
    for (const server of servers) {
      if (!mayTake(server, request.tried, nowMs)) continue;
      if (best === undefined || isCheaper(server, best, nowMs)) best = server;
    }
    return best;
  }

  observe(server: Server, outcome: Outcome, tookMs: number, nowMs: number): void {
    if (outcome === 'success') observe(server, tookMs, nowMs);
    else if (outcome !== 'neutral') observe(server, Math.max(tookMs, FAILED_MS), nowMs);
  }

  add(server: Server): void {
    this.#draw.add(server);
  }

  remove(server: Server): void {
    this.#draw.remove(server);
  }

  close(): void {
    // The times stay with the servers.
  }
}

function isCheaper(a: Server, b: Server, nowMs: number): boolean {
  return cost(a, nowMs) < cost(b, nowMs);
}

function observe(server: Server, tookMs: number, nowMs: number): void {
  const kept = Math.exp((server.answeredAtMs - nowMs) / DECAY_MS);
  const { answerMs } = server;
  server.answerMs = tookMs > answerMs ? tookMs : answerMs * kept + tookMs * (1 - kept);
  server.answeredAtMs = nowMs;
}

function cost(server: Server, nowMs: number): number {
  const { answerMs, inFlight, state } = server;
  const share = state.weight * server.ramp(nowMs);
  // A server without an answer has a time of -1.
  if (answerMs < 0) return (UNKNOWN_MS * inFlight) / share;
  const timeMs = answerMs * Math.exp((server.answeredAtMs - nowMs) / DECAY_MS);
  return (timeMs * (inFlight + 1)) / share;
}
