// Feeds the history once a second, shortly after the workers have said what happened in that second, and notes
// what changed in the pools at the moment at which it does. Only servers of which a worker or the table says
// something new are looked at.

import type { HistoryDocument, HistoryQuestion } from '../../admin.ts';
import { SluiceError } from '../../base/errors.ts';
import {
  type Facts,
  History,
  type NamedColumns,
  type ServerTotals,
  type UpstreamTotals,
} from '../../history.ts';
import type { Fleet, TableChanges, WorkerFigures } from '../../workers.ts';
import { memberEligibility } from '../reported.ts';
import { inFlight } from '../status.ts';
import type { Table } from '../table.ts';

/** After a full second the workers' reports of it are here within this time, ms. */
const REPORTS_MS = 200;

export type HistoryFeedOptions = {
  readonly table: Pick<Table, 'upstreams' | 'upstream'>;
  readonly fleet: Pick<Fleet, 'figures' | 'takeReported' | 'serverCounters' | 'upstreamCounters'>;
  /** '' = not known. */
  readonly versionOf: (server: string) => string;
  /** A second is over, and recorded. */
  readonly onSecond?: () => void;
  /** The Unix clock. */
  readonly now?: () => number;
};

export class HistoryFeed {
  readonly history = new History();
  readonly #options: HistoryFeedOptions;
  readonly #now: () => number;
  /** By upstream and server, as it was when it was last looked at. */
  readonly #facts = new Map<string, Map<string, Facts>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HistoryFeedOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  start(): void {
    const intoMs = (this.#now() - REPORTS_MS) % 1000;
    this.#timer = setTimeout(() => {
      this.tick();
      this.start();
    }, 1000 - intoMs);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  /** The last full second is over, and what happened in it has been reported. */
  tick(): void {
    const { fleet, table } = this.#options;
    const figures = fleet.figures();
    const reported = fleet.takeReported();
    const known = table.upstreams.map(({ config: { name } }) => name);
    // One that is not in the configuration at present finishes what it has.
    const names = new Set([...known, ...reported.keys()]);
    const upstreams = [...names].map((name): UpstreamTotals => {
      const ids = [...(reported.get(name) ?? [])];
      const { requests, lost, cut, statuses, inFlight: waiting } = fleet.upstreamCounters(name);
      return {
        ...{ name, requests, failures: lost + cut, errors: statuses[5] ?? 0, inFlight: waiting },
        servers: ids.map((id) => this.#totals(name, id, figures)),
      };
    });
    this.history.record(Math.floor((this.#now() - REPORTS_MS) / 1000) - 1, upstreams);
    for (const [name, ids] of reported) this.#look(name, ids, figures);
    this.#options.onSecond?.();
  }

  /** The table has changed. */
  changed(changes: TableChanges): void {
    const figures = this.#options.fleet.figures();
    for (const [name, servers] of changes) {
      const members = this.#options.table.upstream(name)?.members ?? new Map<string, unknown>();
      const known = this.#facts.get(name) ?? new Map<string, Facts>();
      const all = servers === 'all' ? new Set([...known.keys(), ...members.keys()]) : servers;
      this.#look(name, all, figures);
    }
  }

  /** With at most so many servers. @throws not_found */
  read({ upstream, server, span }: HistoryQuestion, most: number): Omit<HistoryDocument, 'scope'> {
    const { table } = this.#options;
    if (table.upstream(upstream) === undefined) {
      const names = table.upstreams.map(({ config }) => config.name).join(', ');
      throw new SluiceError('not_found', `upstream "${upstream}": unknown; known: ${names}`);
    }
    const recent = this.history.read(upstream, server, span, most);
    return { upstream, span, ...recent, series: recent.series.map(document) };
  }

  #totals(upstream: string, id: string, figures: readonly WorkerFigures[]): ServerTotals {
    const { fleet, versionOf } = this.#options;
    const counters = fleet.serverCounters(upstream, id);
    const { attempts, failures, answered5xx, headTimes } = counters;
    return {
      ...{ id, version: versionOf(id), requests: attempts, failures, errors: answered5xx },
      ...{ inFlight: inFlight(upstream, id, figures), heads: headTimes },
    };
  }

  /** What these servers are now, beside what they were. */
  #look(upstream: string, ids: Iterable<string>, figures: readonly WorkerFigures[]): void {
    const found = this.#options.table.upstream(upstream);
    const known = this.#facts.get(upstream);
    const facts = known ?? new Map<string, Facts>();
    // Those that are there from the begin are no newcomers.
    const isFirst = facts.size === 0;
    const nowMs = this.#now();
    for (const id of ids) {
      const member = found?.members.get(id);
      const last = facts.get(id);
      const next = member && {
        eligibility: memberEligibility(upstream, member, figures),
        weight: member.state.weight,
        version: this.#options.versionOf(id),
        owner: member.admin.owner,
      };
      if (!isFirst) this.history.noteFacts(upstream, id, { last, next }, nowMs);
      if (next === undefined) facts.delete(id);
      else facts.set(id, next);
    }
    if (facts.size > 0) this.#facts.set(upstream, facts);
    else this.#facts.delete(upstream);
  }
}

function document({ kind, name, ...columns }: NamedColumns): HistoryDocument['series'][number] {
  const { requests, failures, errors, inFlight, p50Ms, p99Ms } = columns;
  return {
    ...{ kind, name, requests: requests.map(rounded), failures: failures.map(rounded) },
    ...{ errors: errors.map(rounded), inFlight, p50Ms: p50Ms.map(time), p99Ms: p99Ms.map(time) },
  };
}

/** A second that was missed shares with others, so that counts may have a fraction. */
function rounded(count: number): number {
  return Math.round(count * 10) / 10;
}

function time(ms: number): number | null {
  return Number.isNaN(ms) ? null : Math.round(ms * 10) / 10;
}
