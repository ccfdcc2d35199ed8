// What an exchange leaves behind in the counters when it ends.

import { countAnswer, type ExchangeResult } from '../../model.ts';
import type { Server, Upstream } from '../../upstream.ts';
import type { Tunnel } from './tunnel.ts';

/** How an exchange ended; refused: no upstream was involved. */
export type Result = ExchangeResult | 'refused';

/** Every server that had the request, in order. */
export function idsOf(tried: readonly Server[], last: Server | undefined): string[] {
  const ids = tried.map(({ id }) => id);
  return last === undefined ? ids : [...ids, last.id];
}

/** A request and its response. `server`: the one that had it at the end. */
export function countExchange(
  result: Result,
  status: number,
  upstream: Upstream,
  server: Server | undefined,
): void {
  upstream.countStatus(status);
  if (server === undefined || result === 'refused') return;
  if (result === 'answered') countAnswer(server.counters, status);
  else server.counters[result] += 1;
}

/** Its request is counted as answered, by the 101. */
export function countTunnel(upstream: Upstream, server: Server): void {
  countExchange('answered', 101, upstream, server);
  upstream.counters.tunnels += 1;
  server.counters.tunnels += 1;
}

/** Answers why it was cut, or ''. */
export function countTunnelEnd(tunnel: Tunnel, upstream: Upstream, server: Server): string {
  const reason = tunnel.whyCut(server.gone || server.state.admin !== 'ready');
  const fate = reason !== '' ? 'tunnelsCut' : tunnel.isClosed ? 'tunnelsClosed' : 'tunnelsEnded';
  upstream.counters[fate] += 1;
  server.counters[fate] += 1;
  return reason;
}
