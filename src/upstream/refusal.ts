// Why no server could be picked, and when it makes sense to ask again.

import { ELIGIBILITIES, type Eligibility, eligibility, isCapacity } from '../model.ts';
import type { Server } from './server.ts';

/** Nobody knows when an operator, a check or the registry brings a server back. */
const RETRY_AFTER_MS = 5000;

/** In words for the log. */
export function refusal(name: string, servers: readonly Server[], nowMs: number): string {
  const counts = new Map<Eligibility, number>();
  for (const server of servers) {
    const reason = eligibility(server, nowMs);
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const parts = ELIGIBILITIES.filter((reason) => reason !== 'ok' && counts.has(reason)).map(
    (reason) => `${counts.get(reason)} ${reason}`,
  );
  // Servers that are eligible and were not picked: this exchange has tried them.
  if (counts.has('ok')) parts.push(`${counts.get('ok')} tried`);
  const why = parts.length === 0 ? 'the list is empty' : parts.join(', ');
  return `upstream "${name}": no eligible server (${why}); see "sluice status ${name}"`;
}

/** 1 to 5. */
export function retryAfterSeconds(servers: readonly Server[], nowMs: number): number {
  let leastMs = RETRY_AFTER_MS;
  for (const server of servers) {
    const reason = eligibility(server, nowMs);
    if (isCapacity(reason)) return 1;
    if (reason === 'ejected') leastMs = Math.min(leastMs, server.ejectedForMs(nowMs));
  }
  return Math.max(1, Math.ceil(leastMs / 1000));
}
