// The active checks of all upstreams: when each server is probed, and what the probes add up to.
// First probes are spread over the interval, later ones come an interval after the last one's start.
// One timer, a bounded number of probes at once, never two of one server. Forgets a server that is
// no longer listed, as one in an operator's maint is not; whoever lists it again may pass a verdict
// to go on from as `initial`.

import { descriptorPart } from '../base/bounded-server.ts';
import { Heap } from '../base/heap.ts';
import { LoopWatch } from './loop-watch.ts';
import { type Probe, type ProbeOptions, type ProbeResult, startProbe } from './probe.ts';
import type { CheckSpec, Verdict } from './spec.ts';
import { count, NO_TALLY } from './tally.ts';

export type CheckedServer = {
  readonly id: string;
  /** What "{id}" in a request says, where that is another. */
  readonly writtenId?: string;
  readonly host: string;
  /** Of the host: the first is probed, another where it does not accept. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** Somebody waits for it to come up, and it takes no traffic: until it does it is probed often. */
  readonly isAwaited?: boolean;
  /** A remembered verdict to go on from; used only when the checker does not know the server. */
  readonly initial?: Omit<Verdict, 'upstream' | 'server' | 'changed'>;
};

/** Probes under way at once, over all upstreams; fewer when this process may have few descriptors. */
const PROBES_MAX = 256;

/** Between probes of a server that is awaited. */
const AWAITED_INTERVAL_MS = 100;

/** Each interval is up to this part longer or shorter, so that bunched probes drift apart. */
const JITTER = 0.02;

/** setTimeout's bound; a later due time is looked at again then. */
const TIMER_MS_MAX = 2 ** 31 - 1;

type Entry = {
  readonly upstream: string;
  server: CheckedServer;
  spec: CheckSpec;
  verdict: Verdict;
  probe: Probe | undefined;
  dueMs: number;
  place: number;
};

export class Checker {
  readonly #onVerdict: (verdict: Verdict) => void;
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #startProbe: (options: ProbeOptions) => Probe;
  readonly #watch: LoopWatch;
  readonly #probesMax = descriptorPart(PROBES_MAX);
  readonly #upstreams = new Map<string, Map<string, Entry>>();
  /** Who is due next: one timer serves them all, not one per server. */
  readonly #queue = new Heap<Entry>((a, b) => a.dueMs < b.dueMs);
  #running = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;

  /**
   * `onVerdict` is called after every probe, in no other place, and may call `set`.
   * `random`, `now` (monotonic ms) and `probe` are for tests.
   */
  constructor(options: {
    readonly onVerdict: (verdict: Verdict) => void;
    readonly random?: () => number;
    readonly now?: () => number;
    readonly probe?: (options: ProbeOptions) => Probe;
  }) {
    this.#onVerdict = options.onVerdict;
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? (() => performance.now());
    this.#startProbe = options.probe ?? startProbe;
    this.#watch = new LoopWatch(this.#now);
  }

  /**
   * The servers to probe in one upstream, whole. Known ids keep their state, others are forgotten; a
   * changed spec applies from the next probe, and a shorter interval brings that nearer. A null
   * spec ends the checks of this upstream.
   */
  set(upstream: string, spec: CheckSpec | null, servers: readonly CheckedServer[]): void {
    const last = this.#upstreams.get(upstream);
    const next = new Map<string, Entry>();
    for (const server of spec === null ? [] : servers) {
      if (spec === null || next.has(server.id)) continue;
      const entry = last?.get(server.id) ?? createEntry(upstream, server, spec);
      last?.delete(server.id);
      next.set(server.id, this.#list(entry, server, spec));
    }
    for (const entry of last?.values() ?? []) this.#forget(entry);
    if (next.size > 0) this.#upstreams.set(upstream, next);
    else this.#upstreams.delete(upstream);
    this.#pump();
  }

  /** As `set`, for one server, the others as they are; undefined: it is not to be probed. */
  setOne(
    upstream: string,
    spec: CheckSpec | null,
    id: string,
    server: CheckedServer | undefined,
  ): void {
    const entries = this.#upstreams.get(upstream) ?? new Map<string, Entry>();
    const last = entries.get(id);
    if (spec === null || server === undefined) {
      if (last !== undefined) this.#forget(last);
      entries.delete(id);
    } else entries.set(id, this.#list(last ?? createEntry(upstream, server, spec), server, spec));
    if (entries.size > 0) this.#upstreams.set(upstream, entries);
    else this.#upstreams.delete(upstream);
    this.#pump();
  }

  /** The latest verdict on every listed server; unknown before its first. */
  verdicts(): readonly Verdict[] {
    return [...this.#upstreams.values()].flatMap((entries) =>
      [...entries.values()].map((entry) => entry.verdict),
    );
  }

  close(): void {
    for (const entries of this.#upstreams.values()) {
      for (const entry of entries.values()) this.#forget(entry);
    }
    this.#upstreams.clear();
    clearTimeout(this.#timer);
    this.#watch.close();
  }

  /** A probe of the address before says nothing about this one, which is looked at now. */
  #move(entry: Entry, server: CheckedServer): void {
    const last = entry.server.addresses[0];
    entry.server = server;
    if (last === server.addresses[0]) return;
    this.#forget(entry);
    this.#schedule(entry, this.#now());
  }

  #list(entry: Entry, server: CheckedServer, spec: CheckSpec): Entry {
    this.#move(entry, server);
    entry.spec = spec;
    this.#ensureDue(entry);
    return entry;
  }

  #ensureDue(entry: Entry): void {
    if (entry.probe !== undefined) return;
    const nowMs = this.#now();
    const intervalMs = intervalOf(entry);
    const isSoon = entry.place >= 0 && entry.dueMs <= nowMs + intervalMs * (1 + JITTER);
    if (!isSoon) this.#schedule(entry, nowMs + this.#random() * intervalMs);
  }

  #schedule(entry: Entry, dueMs: number): void {
    this.#queue.remove(entry);
    entry.dueMs = dueMs;
    this.#queue.add(entry);
  }

  #forget(entry: Entry): void {
    this.#queue.remove(entry);
    if (entry.probe === undefined) return;
    entry.probe.close();
    entry.probe = undefined;
    this.#running -= 1;
  }

  /** Start what is due as far as there is room, and set the timer for what comes next. */
  #pump(): void {
    const nowMs = this.#now();
    let first = this.#queue.first;
    while (first !== undefined && first.dueMs <= nowMs && this.#running < this.#probesMax) {
      this.#queue.remove(first);
      this.#begin(first, nowMs);
      first = this.#queue.first;
    }
    // Without room the end of a probe pumps again.
    if (first !== undefined && this.#running < this.#probesMax) this.#wakeAt(first.dueMs, nowMs);
  }

  #wakeAt(dueMs: number, nowMs: number): void {
    if (dueMs >= this.#timerDueMs) return;
    clearTimeout(this.#timer);
    this.#timerDueMs = dueMs;
    const delayMs = Math.min(Math.ceil(dueMs - nowMs), TIMER_MS_MAX);
    this.#timer = setTimeout(() => {
      this.#timerDueMs = Number.POSITIVE_INFINITY;
      this.#pump();
    }, delayMs);
  }

  #begin(entry: Entry, nowMs: number): void {
    const { host, port, addresses, writtenId: id = entry.server.id } = entry.server;
    const { spec } = entry;
    this.#running += 1;
    entry.probe = this.#startProbe({
      id,
      host,
      addresses,
      port,
      spec,
      watch: this.#watch,
      now: this.#now,
      onEnd: (result) => this.#ended(entry, spec, nowMs, result),
    });
  }

  #ended(entry: Entry, spec: CheckSpec, startedMs: number, result: ProbeResult): void {
    entry.probe = undefined;
    this.#running -= 1;
    const tally = count(entry.verdict, result.outcome, spec);
    entry.verdict = {
      ...entry.verdict,
      ...tally,
      reason: result.reason,
      atMs: Date.now(),
      changed: tally.checks !== entry.verdict.checks,
    };
    const jitter = 1 + (2 * this.#random() - 1) * JITTER;
    this.#schedule(entry, startedMs + intervalOf(entry) * jitter);
    this.#onVerdict(entry.verdict);
    this.#pump();
  }
}

function intervalOf({ server, spec, verdict }: Entry): number {
  const isAwaited = server.isAwaited === true && verdict.checks !== 'up';
  return isAwaited ? Math.min(AWAITED_INTERVAL_MS, spec.intervalMs) : spec.intervalMs;
}

function createEntry(upstream: string, server: CheckedServer, spec: CheckSpec): Entry {
  const remembered = server.initial ?? { ...NO_TALLY, reason: 'not checked yet', atMs: 0 };
  return {
    upstream,
    server,
    spec,
    verdict: { upstream, server: server.id, ...remembered, changed: false },
    probe: undefined,
    dueMs: 0,
    place: -1,
  };
}
