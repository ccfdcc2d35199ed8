// Smooth weighted round robin, the same sequence as nginx's. Each eligible server gains its
// effective weight, the one with the most is picked (the first wins ties) and pays the sum back.
// Failures lower the effective weight (Server.settle); every pick raises it by 1 up to the weight.
//
// Weights 5, 1, 1: | pick    | a        | b        | a        | c        | a        | a       | a  |
//                  | current | -2  1  1 | 3 -5 ... the seven picks are a a b a c a a, then it repeats
//
// Source: nginx src/http/ngx_http_upstream_round_robin.c, ngx_http_upstream_get_peer.

import type { Server } from './server.ts';

/** `servers`: those that the table lets take requests. undefined when none of them may now. */
export function pickRoundRobin(
  servers: readonly Server[],
  tried: readonly Server[],
  nowMs: number,
): Server | undefined {
  let best: Server | undefined;
  let total = 0;
  for (const server of servers) {
    if (server.isEjected(nowMs) || server.isFull() || tried.includes(server)) continue;
    total += advance(server, nowMs);
    if (best === undefined || server.current > best.current) best = server;
  }
  if (best !== undefined) best.current -= total;
  return best;
}

/** One step of the smooth weighted round robin for one server: what it gained. */
export function advance(server: Server, nowMs: number): number {
  const gain = server.effective * server.ramp(nowMs);
  server.current += gain;
  if (server.effective < server.state.weight) server.effective += 1;
  return gain;
}
