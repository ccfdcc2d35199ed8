// What is reported of an upstream: copies, which stay as they are while it goes on.

import {
  copyServerCounters,
  eligibility,
  type UpstreamCounters,
  type UpstreamFigures,
} from '../model.ts';
import type { Server } from './server.ts';

/** `servers`: also those that have left with requests in flight. */
export function figuresOf(
  { name, counters }: { readonly name: string; readonly counters: UpstreamCounters },
  servers: readonly Server[],
  nowMs: number,
): UpstreamFigures {
  return {
    name,
    counters: {
      ...counters,
      statuses: [...counters.statuses],
      durations: [...counters.durations],
    },
    servers: servers.map((server) => ({
      id: server.id,
      gone: server.gone,
      inFlight: server.inFlight,
      eligibility: eligibility(server, nowMs),
      fails: server.fails,
      findings: server.findings(nowMs),
      counters: copyServerCounters(server.counters),
    })),
  };
}
