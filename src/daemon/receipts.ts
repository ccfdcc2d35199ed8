// Receipts: what happened to an upstream's requests since a moment. The difference of two sums over
// all workers, so a worker that dies in between changes nothing. Requests that were in flight at the
// opening are on it, so that the sum comes out:
// requests = answered + cut + lost + clientGone + stillInFlight.

import { randomBytes } from 'node:crypto';
import type { ReceiptDocument } from '../admin.ts';
import { SluiceError } from '../base/errors.ts';
import type { Scope } from '../base/scope.ts';
import type { ServerCounters } from '../upstream.ts';
import type { UpstreamTotals } from './figures.ts';
import type { Fleet } from './fleet.ts';
import type { GapWatch } from './protocol.ts';

/** Open at once; the oldest is closed for the next. */
const RECEIPTS_MAX = 100;
/** A worker that does not answer within this time makes the receipt fail, ms. */
const DEADLINE_MS = 5000;

type Receipt = {
  readonly gap: GapWatch;
  readonly openedAtMs: number;
  readonly start: UpstreamTotals;
};

export class Receipts {
  readonly #fleet: Fleet;
  readonly #scope: Scope;
  readonly #open = new Map<string, Receipt>();

  constructor(fleet: Fleet, scope: Scope) {
    this.#fleet = fleet;
    this.#scope = scope;
  }

  /** `servers`: those to list even if they got nothing. @throws timeout */
  async open(upstream: string, servers: Iterable<string>): Promise<ReceiptDocument> {
    await this.#fleet.refresh({ deadlineMs: DEADLINE_MS, strict: true });
    const gap = { id: randomBytes(6).toString('hex'), upstream };
    const start = this.#fleet.totals(upstream);
    const receipt = { gap, openedAtMs: Date.now(), start };
    for (const oldest of this.#open.values()) {
      if (this.#open.size < RECEIPTS_MAX) break;
      this.#open.delete(oldest.gap.id);
      this.#fleet.closeGap(oldest.gap);
    }
    this.#open.set(gap.id, receipt);
    this.#fleet.openGap(gap);
    return this.#document(receipt, servers);
  }

  upstream(id: string): string {
    return this.#find(id).gap.upstream;
  }

  /** @throws not_found, timeout */
  async read(id: string, servers: Iterable<string>): Promise<ReceiptDocument> {
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

  #document(receipt: Receipt, listed: Iterable<string>): ReceiptDocument {
    const { gap, openedAtMs, start } = receipt;
    const now = this.#fleet.totals(gap.upstream);
    const ids = new Set(listed);
    const servers = new Map([...now.servers].map(([id, sum]) => [id, since(sum, start, id)]));
    for (const [id, counters] of servers) if (counters.attempts > 0) ids.add(id);
    return {
      id: gap.id,
      upstream: gap.upstream,
      openedAtMs,
      requests: now.counters.requests - start.counters.requests + start.counters.inFlight,
      answered: now.counters.answered - start.counters.answered,
      retried: now.counters.retried - start.counters.retried,
      cut: now.counters.cut - start.counters.cut,
      lost: now.counters.lost - start.counters.lost,
      clientGone: now.counters.clientGone - start.counters.clientGone,
      stillInFlight: now.counters.inFlight,
      longestGapMs: Math.round(this.#fleet.longestGapMs(gap.id)),
      servers: [...ids].map((id) => {
        const counters = servers.get(id) ?? NONE;
        const { attempts, answered, retried, cut, lost } = counters;
        return { id, attempts, answered, retried, cut, lost };
      }),
      scope: this.#scope,
    };
  }
}

const NONE: Readonly<ServerCounters> = {
  attempts: 0,
  answered: 0,
  retried: 0,
  cut: 0,
  lost: 0,
  failures: 0,
};

function since(sum: ServerCounters, start: UpstreamTotals, id: string): ServerCounters {
  const before = start.servers.get(id) ?? NONE;
  return {
    attempts: sum.attempts - before.attempts,
    answered: sum.answered - before.answered,
    retried: sum.retried - before.retried,
    cut: sum.cut - before.cut,
    lost: sum.lost - before.lost,
    failures: sum.failures - before.failures,
  };
}
