// What a server was when an attempt on it ended.

import { type Eligibility, eligibility } from '../../model.ts';
import type { Server } from '../../upstream.ts';

/** Ask before the attempt is settled: it holds its own place, so that full says nothing. */
export function stateThen(server: Server, nowMs: number): Eligibility {
  const word = eligibility(server, nowMs);
  return word === 'full' ? 'ok' : word;
}
