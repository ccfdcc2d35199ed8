// Receipts: what happened to an upstream's requests since a moment. The difference of two sums over
// all workers, so a worker that dies in between changes nothing. Requests that were in flight at the
// opening are on it, so that the sum comes out:
// requests = answered + cut + lost + clientGone + stillInFlight. So with the tunnels, whose requests were
// answered when they were opened: opened = ended + closed + cut + open. The counts of this gateway alone: the sum
// over several is in shared/receipt-sum.ts.

import { randomBytes } from 'node:crypto';
import type { AnswerCounts, LastingCounts, ReceiptCounts } from '../admin.ts';
import { SluiceError } from '../base/errors.ts';
import {
  addServerCounters,
  addUpstreamCounters,
  createServerCounters,
  createUpstreamCounters,
  openStreams,
  openTunnels,
  type ServerCounters,
  type UpstreamCounters,
} from '../model.ts';
import {
  type Fleet,
  type GapWatch,
  type TotalsJson,
  totalsOfJson,
  totalsToJson,
  type UpstreamTotals,
} from '../workers.ts';

/** Receipts that are open at a time. The oldest is closed to open another. */
const RECEIPTS_MAX = 100;
/** A worker that does not answer within this time makes the receipt fail, ms. */
const DEADLINE_MS = 5000;

type Receipt = {
  readonly gap: GapWatch;
  readonly openedAtMs: number;
  readonly start: UpstreamTotals;
  /** Workers that had ended unasked by then. */
  readonly crashes: number;
};

export type ReceiptsJson = readonly (Omit<Receipt, 'start'> & { readonly start: TotalsJson })[];

export class Receipts {
  readonly #fleet: Fleet;
  readonly #onClosed: (id: string) => void;
  readonly #open = new Map<string, Receipt>();

  /** `onClosed`: the oldest made room for a new one. */
  constructor(fleet: Fleet, onClosed: (id: string) => void) {
    this.#fleet = fleet;
    this.#onClosed = onClosed;
  }

  /** For the next process. */
  toJson(): ReceiptsJson {
    return [...this.#open.values()].map((receipt) => ({
      ...receipt,
      start: totalsToJson(receipt.start),
    }));
  }

  /** Of the process before, with the counts of its workers. */
  restore(receipts: ReceiptsJson): void {
    for (const receipt of receipts) {
      this.#open.set(receipt.gap.id, { ...receipt, start: totalsOfJson(receipt.start) });
      this.#fleet.openGap(receipt.gap);
    }
  }

  has(id: string): boolean {
    return this.#open.has(id);
  }

  /**
   * `servers`: those to list even if they got nothing. `fromStart`: what was counted since our start is
   * on it. @throws timeout
   */
  async open(options: {
    readonly upstream: string;
    readonly servers: Iterable<string>;
    /** A new one when it is left out. */
    readonly id?: string;
    readonly fromStart?: boolean;
  }): Promise<ReceiptCounts> {
    const { upstream, servers, id = randomBytes(6).toString('hex'), fromStart = false } = options;
    await this.#fleet.refresh({ deadlineMs: DEADLINE_MS, strict: true });
    const gap = { id, upstream };
    const start = fromStart ? NO_TOTALS : this.#fleet.totals(upstream);
    const crashes = fromStart ? 0 : this.#fleet.crashes;
    const receipt = { gap, openedAtMs: Date.now(), start, crashes };
    for (const oldest of this.#open.values()) {
      if (this.#open.size < RECEIPTS_MAX) break;
      this.close(oldest.gap.id);
      this.#onClosed(oldest.gap.id);
    }
    this.#open.set(gap.id, receipt);
    this.#fleet.openGap(gap);
    return this.#document(receipt, servers);
  }

  close(id: string): void {
    const receipt = this.#open.get(id);
    if (receipt === undefined) return;
    this.#open.delete(id);
    this.#fleet.closeGap(receipt.gap);
  }

  upstream(id: string): string {
    return this.#find(id).gap.upstream;
  }

  /** @throws not_found, timeout */
  async read(id: string, servers: Iterable<string>): Promise<ReceiptCounts> {
    const receipt = this.#find(id);
    await this.#fleet.refresh({ deadlineMs: DEADLINE_MS, strict: true });
    return this.#document(receipt, servers);
  }

  #find(id: string): Receipt {
    const receipt = this.#open.get(id);
    if (receipt !== undefined) return receipt;
    throw new SluiceError(
      'not_found',
      `receipt ${id}: unknown; it ends when sluice restarts or after ${RECEIPTS_MAX} newer ones`,
    );
  }

  #document(receipt: Receipt, listed: Iterable<string>): ReceiptCounts {
    const { gap, openedAtMs, start } = receipt;
    const now = this.#fleet.totals(gap.upstream);
    const ids = new Set(listed);
    const upstream = createUpstreamCounters();
    addUpstreamCounters(upstream, now.counters);
    addUpstreamCounters(upstream, start.counters, -1);
    const servers = new Map([...now.servers].map(([id, sum]) => [id, since(sum, start, id)]));
    const answers = createServerCounters();
    for (const [id, { counters, tunnels }] of servers) {
      addServerCounters(answers, counters);
      if (counters.attempts > 0 || tunnels.opened > 0) ids.add(id);
    }
    return {
      id: gap.id,
      upstream: gap.upstream,
      openedAtMs,
      requests: upstream.requests + start.counters.inFlight,
      answered: upstream.answered,
      answers: answersOf(answers),
      retried: upstream.retried,
      cut: upstream.cut,
      lost: upstream.lost,
      clientGone: upstream.clientGone,
      stillInFlight: now.counters.inFlight,
      tunnels: tunnelsOf(upstream, start.counters),
      streams: streamsOf(upstream, start.counters),
      longestGapMs: Math.round(this.#fleet.longestGapMs(gap.id)),
      workersLost: this.#fleet.crashes - receipt.crashes,
      servers: [...ids].map((id) => {
        const { counters, tunnels, streams } = servers.get(id) ?? NOTHING;
        const { attempts, answered, failures, retried, cut, lost, clientGone } = counters;
        return {
          ...{ id, attempts, answered, answers: answersOf(counters), failures },
          ...{ retried, cut, lost, clientGone, tunnels, streams },
        };
      }),
    };
  }
}

type Since = {
  readonly counters: ServerCounters;
  readonly tunnels: LastingCounts;
  readonly streams: LastingCounts;
};

const NO_TOTALS: UpstreamTotals = { counters: createUpstreamCounters(), servers: new Map() };

const NO_LASTING: LastingCounts = { opened: 0, ended: 0, closed: 0, cut: 0, open: 0 };

const NOTHING: Since = {
  counters: createServerCounters(),
  tunnels: NO_LASTING,
  streams: NO_LASTING,
};

function since(sum: ServerCounters, start: UpstreamTotals, id: string): Since {
  const before = start.servers.get(id) ?? NOTHING.counters;
  const counters = createServerCounters();
  addServerCounters(counters, sum);
  addServerCounters(counters, before, -1);
  const [tunnels, streams] = [tunnelsOf(counters, before), streamsOf(counters, before)];
  return { counters, tunnels, streams };
}

function answersOf(counters: ServerCounters): AnswerCounts {
  return {
    '1xx': counters.answered1xx,
    '2xx': counters.answered2xx,
    '3xx': counters.answered3xx,
    '4xx': counters.answered4xx,
    '5xx': counters.answered5xx,
  };
}

/** Those that were open at the opening count too, as requests do. */
function tunnelsOf(
  counters: ServerCounters | UpstreamCounters,
  start: ServerCounters | UpstreamCounters,
): LastingCounts {
  const opened = counters.tunnels + openTunnels(start);
  const { tunnelsEnded: ended, tunnelsClosed: closed, tunnelsCut: cut } = counters;
  return { opened, ended, closed, cut, open: opened - ended - closed - cut };
}

function streamsOf(
  counters: ServerCounters | UpstreamCounters,
  start: ServerCounters | UpstreamCounters,
): LastingCounts {
  const opened = counters.streams + openStreams(start);
  const { streamsEnded: ended, streamsClosed: closed, streamsCut: cut } = counters;
  return { opened, ended, closed, cut, open: opened - ended - closed - cut };
}
