// Says once when an upstream can serve nobody, and when that is over. It looks at the table and at the
// workers' reports, so it finds it also when there are no requests. A full server counts as one that
// serves; the requests that it refuses have a line of their own now and then.
//
//   no server eligible in some worker              error, its end: info with duration and number
//   only ejected servers, or only those in panic   error, its end: info; requests are tried on them
//   backups alone                                  warn, its end: info
//   requests refused in between (full, for a moment ejected)   warn, at most every SAID_EVERY_MS
//   servers that wait for their first verdict      nothing, for as long as a verdict may take
//   no servers since our start                     nothing, until a request is refused

import type { Log } from '../base/log.ts';
import { type Eligibility, isCapacity } from '../model.ts';
import type { WorkerFigures } from '../workers.ts';
import { memberEligibility } from './reported.ts';
import type { KnownUpstream } from './table.ts';

/** When first verdicts take longer than this, that is an outage too, ms. */
const FIRST_VERDICT_MS = 30_000;
const SAID_EVERY_MS = 10_000;

/** How well an upstream can serve, from good to bad. */
type Supply = 'fine' | 'backups' | 'failing' | 'waiting' | 'out';

export type OutageOptions = {
  readonly upstreams: () => readonly KnownUpstream[];
  readonly figures: () => readonly WorkerFigures[];
  /** Requests of an upstream that found no eligible server, since our start. */
  readonly refused: (upstream: string) => number;
  readonly log: Log;
};

class Known {
  supply: Exclude<Supply, 'waiting'> = 'fine';
  sinceMs = 0;
  /** As it was at the last look, or at the last one before the outage. */
  refused = 0;
  hadServers = false;
  /** Since when its servers wait for their first verdicts; 0 = they do not. */
  waitsSinceMs = 0;
  saidMs = Number.NEGATIVE_INFINITY;
}

export class OutageWatch {
  readonly #options: OutageOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: OutageOptions) {
    this.#options = options;
  }

  /** After each change of the table and each report of a worker. `nowMs` is monotonic. */
  look(nowMs: number): void {
    const figures = this.#options.figures();
    for (const upstream of this.#options.upstreams()) this.#lookAt(upstream, figures, nowMs);
  }

  #lookAt(upstream: KnownUpstream, figures: readonly WorkerFigures[], nowMs: number): void {
    const { name } = upstream.config;
    const known = this.#known.get(name) ?? new Known();
    this.#known.set(name, known);
    const total = this.#options.refused(name);
    const refused = total - known.refused;
    if (upstream.members.size > 0) known.hadServers = true;
    const found = this.#judge(upstream, known, { figures, refused, nowMs });
    const last = known.supply;
    const next = found === 'waiting' ? last : found;
    if (next !== last) {
      known.supply = next;
      this.#say(upstream, { last, next, refused, figures, lastedMs: nowMs - known.sinceMs });
      known.sinceMs = nowMs;
    } else if (next !== 'out' && refused > 0) {
      // It is said later, together with what comes until then.
      if (nowMs - known.saidMs < SAID_EVERY_MS) return;
      known.saidMs = nowMs;
      const fields = { upstream: name, refused, servers: reasons(upstream, figures) };
      this.#options.log.warn(fields, 'requests found no eligible server and got 503');
    }
    if (next !== 'out') known.refused = total;
  }

  #judge(
    upstream: KnownUpstream,
    known: Known,
    seen: {
      readonly figures: readonly WorkerFigures[];
      readonly refused: number;
      readonly nowMs: number;
    },
  ): Supply {
    const found = supplyOf(upstream, seen.figures);
    if (found !== 'waiting') known.waitsSinceMs = 0;
    else if (known.waitsSinceMs === 0) known.waitsSinceMs = seen.nowMs;
    else if (seen.nowMs - known.waitsSinceMs > FIRST_VERDICT_MS) return 'out';
    // No server was registered yet. That is a fresh start and no outage, until a request is refused.
    if (found === 'out' && !known.hadServers && seen.refused === 0) return 'waiting';
    return found;
  }

  #say(
    upstream: KnownUpstream,
    change: {
      readonly last: Supply;
      readonly next: Supply;
      readonly refused: number;
      readonly lastedMs: number;
      readonly figures: readonly WorkerFigures[];
    },
  ): void {
    const { log } = this.#options;
    const { last, next, refused } = change;
    const lasted = { lastedMs: Math.round(change.lastedMs) };
    const fields = { upstream: upstream.config.name, servers: reasons(upstream, change.figures) };
    if (last === 'out') {
      log.info({ ...fields, ...lasted, refused }, 'upstream has eligible servers again');
    }
    if (next === 'out') log.error(fields, 'upstream has no eligible server, its clients get 503');
    else if (next === 'failing') {
      log.error(fields, 'upstream has only failing servers left, requests are tried on them');
    } else if (next === 'backups') log.warn(fields, 'upstream has only backup servers left');
    else if (last === 'failing') {
      log.info({ ...fields, ...lasted }, 'upstream has other servers than failing ones again');
    } else if (last === 'backups') {
      log.info({ ...fields, ...lasted }, 'upstream has other servers than backups again');
    }
  }
}

/** The worst of the workers' views, because clients of that worker meet it. */
function supplyOf(upstream: KnownUpstream, figures: readonly WorkerFigures[]): Supply {
  const views = figures.length === 0 ? [[]] : figures.map((figure) => [figure]);
  const supplies = views.map((view) => supplyIn(upstream, view));
  for (const supply of ['out', 'waiting', 'failing', 'backups'] as const) {
    if (supplies.includes(supply)) return supply;
  }
  return 'fine';
}

/** It stops at the first eligible server, so that thousands of servers cost nothing. */
function supplyIn({ config, members }: KnownUpstream, view: readonly WorkerFigures[]): Supply {
  let hasBackup = false;
  let hasPrimaries = false;
  let waits = false;
  let fails = false;
  for (const member of members.values()) {
    const eligibility = memberEligibility(config.name, member, view);
    const serves = isCapacity(eligibility);
    if (member.state.backup) hasBackup ||= serves;
    else if (serves) return 'fine';
    else hasPrimaries = true;
    waits ||= eligibility === 'unchecked';
    fails ||= eligibility === 'ejected' || eligibility === 'panic';
  }
  // An upstream that has nothing but backups was set up so.
  if (hasBackup) return hasPrimaries && !waits ? 'backups' : 'fine';
  if (fails) return 'failing';
  return waits ? 'waiting' : 'out';
}

/** How many servers are in which state: `{ down: 2, ejected: 1 }`. */
function reasons(
  { config, members }: KnownUpstream,
  figures: readonly WorkerFigures[],
): Readonly<Partial<Record<Eligibility, number>>> {
  const counts: Partial<Record<Eligibility, number>> = {};
  for (const member of members.values()) {
    const reason = memberEligibility(config.name, member, figures);
    counts[reason] = (counts[reason] ?? 0) + 1;
  }
  return counts;
}
