// The worker processes. Their number stays the same, and each has the current table. One that ends
// unasked is replaced at once, with a growing pause when that happens again and again. Its figures are
// kept, and its requests in flight count as lost. The others notice nothing.

import assert from 'node:assert/strict';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import { within } from '../base/within.ts';
import {
  NO_CREDENTIALS,
  type ServerCounters,
  type TlsCredentials,
  type UpstreamCounters,
} from '../model.ts';
import type { SocketsById } from './bind.ts';
import {
  DepartedFigures,
  type FleetJson,
  type SocketTotals,
  type UpstreamTotals,
  type WorkerFigures,
} from './figures.ts';
import type { FleetOptions } from './fleet-options.ts';
import type { Guest } from './handover/guests.ts';
import { WorkerLink } from './link.ts';
import { type GapWatch, PROTOCOL, type WorkerConfig } from './protocol.ts';
import { ReportedServers } from './reported.ts';
import { RestartPause } from './restart-pause.ts';
import { SILENCE_LOOK_MS, SilenceWatch } from './silence.ts';
import type { TableChanges } from './table-changes.ts';
import { whenTrue } from './when-true.ts';

/** Within this time all workers must accept clients, ms. */
const START_DEADLINE_MS = 60_000;
/** Within this time a signal to the whole process group has reached the primary too, ms. */
const GROUP_MS = 250;
/** Time between a worker's own deadline and SIGKILL, ms. */
const KILL_GRACE_MS = 2000;

export class Fleet {
  readonly #options: FleetOptions;
  readonly #links = new Set<WorkerLink>();
  readonly #departed = new DepartedFigures();
  readonly #gaps = new Map<string, GapWatch>();
  readonly #watchers = new Set<() => void>();
  readonly #pauses = new Set<NodeJS.Timeout>();
  readonly #silence: SilenceWatch<WorkerLink>;
  readonly #reported = new ReportedServers();
  /** Workers that a signal asked to end. Another is in their place, or will be soon. */
  readonly #leaving = new Set<WorkerLink>();
  /** Those of the last primary, which are among the leaving. */
  readonly #guests = new Set<WorkerLink>();
  readonly #watch: NodeJS.Timeout;
  /** Undefined: there are no workers yet. */
  #config: WorkerConfig | undefined;
  /** How many there are to be. */
  #size = 0;
  #tls = NO_CREDENTIALS;
  readonly #pause = new RestartPause();
  #crashes = 0;
  #isListening = false;
  /** True when all workers have accepted clients once. */
  #hasListened = false;
  #isClosing = false;
  /** The workers are another primary's. */
  #isLeft = false;

  constructor(options: FleetOptions) {
    this.#options = options;
    const judge = {
      onStill: (link: WorkerLink) => this.#succeed(link),
      onHung: (link: WorkerLink) => this.#endHung(link),
    };
    this.#silence = new SilenceWatch({ log: options.log, ...judge }, performance.now());
    const look = (): void => this.#silence.look(this.#links, performance.now());
    this.#watch = setInterval(look, SILENCE_LOOK_MS).unref();
  }

  /** By id. */
  get links(): readonly WorkerLink[] {
    return [...this.#links].sort((a, b) => a.id - b.id);
  }

  /** Workers that ended unasked. */
  get crashes(): number {
    return this.#crashes;
  }

  /** From now on clients are accepted. @throws timeout, or what kept a worker from listening */
  async listen(): Promise<void> {
    this.#isListening = true;
    const own = this.links.filter((link) => !this.#guests.has(link));
    for (const link of own) link.listen(this.#options.sockets());
    const all = Promise.all(own.map((link) => link.listening)).then(() => true);
    if (!(await within(all, START_DEADLINE_MS, false))) {
      const text = `workers: not ready within ${START_DEADLINE_MS / 1000}s; is the machine overloaded?`;
      throw new SluiceError('timeout', text);
    }
    this.#hasListened = true;
    // From now on others accept in their place.
    for (const guest of this.#guests) guest.close(this.#config?.shutdownTimeoutMs ?? 0);
  }

  /**
   * Each worker puts it in force together with these changes of the table. There are so many workers from then on:
   * those beyond them finish what they have. `added`: sockets that this configuration has more.
   */
  configure(
    config: WorkerConfig,
    changes: TableChanges,
    { workers, added }: { readonly workers: number; readonly added: SocketsById },
  ): void {
    const isFirst = this.#config === undefined;
    this.#config = config;
    this.#size = workers;
    for (const link of this.#links) {
      link.addSockets(added);
      link.configure(config, changes);
      if (link.id > workers && !this.#leaving.has(link)) {
        this.#leaving.add(link);
        link.close(config.shutdownTimeoutMs);
      }
    }
    for (let id = 1; id <= workers; id += 1) this.#spawnMissing(id);
    if (isFirst) for (const guest of this.#options.guests ?? []) this.#adopt(guest);
  }

  /** Before the configuration that needs them. */
  useCertificates(tls: TlsCredentials): void {
    this.#tls = tls;
    for (const link of this.#links) link.useCertificates(tls);
  }

  update(changes: TableChanges): void {
    for (const link of this.#links) link.update(changes);
  }

  /** True when every worker that may have a client has this generation or a later one in force. */
  isAcknowledged(generation: number): boolean {
    return this.links.every((link) => link.acknowledged >= generation);
  }

  /** Resolves with true when `isAcknowledged`, with false when the time is over. */
  async acknowledged(generation: number, deadlineMs: number): Promise<boolean> {
    const isDone = (): boolean => this.#isClosing || this.isAcknowledged(generation);
    await whenTrue(isDone, (onProgress) => this.watch(onProgress), deadlineMs);
    return this.isAcknowledged(generation);
  }

  /** Requests in flight on a server that takes no new ones; exact when acknowledged and 0. */
  busy(upstream: string, server: string): number {
    return this.links.reduce((sum, link) => sum + link.busy(upstream, server), 0);
  }

  /** Called after every ack, idle server, and worker that ended. Returns the unsubscription. */
  watch(onProgress: () => void): () => void {
    this.#watchers.add(onProgress);
    return () => this.#watchers.delete(onProgress);
  }

  /** Asks all workers for new figures. @throws timeout when `strict`, and one does not answer */
  async refresh(options: { readonly deadlineMs: number; readonly strict: boolean }): Promise<void> {
    const refreshes = this.links.map((link) => link.refresh(options.deadlineMs));
    const results = await Promise.allSettled(refreshes);
    // The figures of a worker that died meanwhile are among the departed.
    for (const result of results) {
      if (!options.strict || result.status === 'fulfilled') continue;
      const error: unknown = result.reason;
      if (isSluiceError(error) && error.code === 'timeout') throw error;
    }
  }

  figures(): WorkerFigures[] {
    return [...this.#links].map((link) => link.figures);
  }

  /** By upstream: servers of which something was reported since the last call. */
  takeReported(): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#reported.take();
  }

  /** Of all workers that ever were. */
  serverCounters(upstream: string, server: string): ServerCounters {
    return this.#departed.server(upstream, server, this.figures());
  }

  upstreamCounters(upstream: string): UpstreamCounters {
    return this.#departed.counters(upstream, this.figures());
  }

  totals(upstream: string): UpstreamTotals {
    return this.#departed.totals(upstream, this.figures());
  }

  /** Requests of an upstream that found no eligible server, since our start. */
  refused(upstream: string): number {
    return this.#departed.refused(upstream, this.figures());
  }

  /** Why clients are not accepted: at the start by all workers, later by any. '' when they are. */
  unready(): string {
    const links = this.links;
    const accepting = links.filter((link) => link.isListening && link.acknowledged > 0).length;
    const isReady = this.#isClosing ? false : this.#hasListened ? accepting > 0 : false;
    return isReady ? '' : `${accepting} of ${this.#size} workers accept clients`;
  }

  socketTotals(): SocketTotals {
    return this.#departed.socketTotals(this.figures());
  }

  openGap(gap: GapWatch): void {
    this.#gaps.set(gap.id, gap);
    for (const link of this.#links) link.openGap(gap);
  }

  closeGap(gap: GapWatch): void {
    this.#gaps.delete(gap.id);
    this.#departed.forgetGap(gap.id);
    for (const link of this.#links) link.closeGap(gap);
  }

  longestGapMs(receipt: string): number {
    return this.#departed.longestGapMs(receipt, this.figures());
  }

  reopenLogs(): void {
    for (const link of this.#links) link.reopenLogs();
  }

  /** Each worker finishes what it has within the deadline; then it is killed. */
  async close(deadlineMs: number): Promise<void> {
    this.#isClosing = true;
    this.#stopTimers();
    // A start that failed: they serve on for the next.
    const left = this.#hasListened ? new Set() : this.#guests;
    const links = this.links.filter((link) => !left.has(link));
    for (const guest of this.#guests) if (left.has(guest)) guest.leave();
    for (const link of links) link.close(deadlineMs);
    const timer = setTimeout(() => {
      for (const link of links) link.kill();
    }, deadlineMs + KILL_GRACE_MS);
    await Promise.all(links.map((link) => link.exited));
    clearTimeout(timer);
  }

  /** For the next process; what the workers have counted they say themselves. */
  toJson(): FleetJson {
    return { protocol: PROTOCOL, departed: this.#departed.toJson(), crashes: this.#crashes };
  }

  /** Of the process before. False: it is another version, and counters begin anew. */
  restore({ protocol, departed, crashes }: FleetJson): boolean {
    if (protocol !== PROTOCOL) return false;
    this.#departed.restore(departed);
    this.#crashes = crashes;
    return true;
  }

  /** The workers serve on, for the next primary. */
  leave(): void {
    this.#isClosing = true;
    this.#isLeft = true;
    this.#stopTimers();
    for (const link of this.#links) link.leave();
  }

  /** This process ends at once: they finish by themselves, and wait for no other primary. */
  finish(): void {
    for (const link of this.#links) link.close(this.#config?.shutdownTimeoutMs ?? 0);
  }

  /** Ends every worker at once. */
  destroy(): void {
    this.#isClosing = true;
    this.#stopTimers();
    for (const link of this.#links) link.kill();
  }

  #stopTimers(): void {
    clearInterval(this.#watch);
    for (const pause of this.#pauses) clearTimeout(pause);
  }

  /** It serves until our own workers do, and finishes then. */
  #adopt(guest: Guest): void {
    const link = this.#link(guest.id, guest);
    this.#guests.add(link);
    this.#leaving.add(link);
  }

  #spawn(id: number): WorkerLink {
    const link = this.#link(id);
    if (this.#isListening) link.listen(this.#options.sockets());
    this.#options.log.debug({ worker: id, pid: link.pid }, 'worker started');
    return link;
  }

  #link(id: number, guest?: Guest): WorkerLink {
    const config = this.#config;
    assert(config !== undefined, 'the first configuration starts the workers');
    const { handover, log, table, readPage } = this.#options;
    const link = new WorkerLink({
      id,
      start: { handover, config, tls: this.#tls, gaps: [...this.#gaps.values()] },
      ...(guest === undefined ? {} : { guest }),
      log,
      table,
      readPage,
      onProgress: () => this.#progress(),
      onFigures: (report) => {
        this.#reported.addReport(report.upstreams);
        this.#options.onFigures();
      },
      onStories: (batch) => this.#options.onStories?.(id, batch),
      onAskedToEnd: (asked, signal) => this.#askedToEnd(asked, signal),
      onExit: (ended, how) => this.#ended(ended, how),
    });
    this.#links.add(link);
    return link;
  }

  /** Another configuration may have said meanwhile that there is none of this number, or have started it. */
  #spawnMissing(id: number): void {
    const isThere = [...this.#links].some((link) => link.id === id && !this.#leaving.has(link));
    if (id <= this.#size && !isThere) this.#spawn(id);
  }

  #ended(link: WorkerLink, how: string): void {
    this.#links.delete(link);
    this.#guests.delete(link);
    // It lives on, and tells the next primary what it has counted.
    if (this.#isLeft) return;
    this.#silence.forget(link);
    this.#departed.bury(link.figures);
    this.#reported.addAll(link.figures);
    if (this.#leaving.delete(link))
      this.#options.log.info({ worker: link.id, pid: link.pid, how }, 'worker ended as asked');
    else if (!this.#isClosing) this.#replace(link, how);
    if (!this.#isClosing) this.#options.onFigures();
    this.#progress();
  }

  /** One worker alone finishes what it has, and another accepts in its place. */
  #askedToEnd(link: WorkerLink, signal: string): void {
    if (this.#isClosing) return;
    this.#later(GROUP_MS, () => {
      if (!this.#links.has(link) || this.#leaving.has(link)) return;
      const fields = { worker: link.id, pid: link.pid, signal };
      this.#options.log.warn(fields, 'worker was asked to end: it finishes, another replaces it');
      this.#succeed(link);
    });
  }

  /** Another accepts in its place, and it finishes what it has. */
  #succeed(link: WorkerLink): void {
    if (this.#leaving.has(link)) return;
    this.#leaving.add(link);
    const close = (): void => link.close(this.#config?.shutdownTimeoutMs ?? 0);
    // So clients do not wait. When the new one cannot serve, that is said and tried again.
    this.#spawn(link.id).listening.then(close, close);
  }

  #endHung(link: WorkerLink): void {
    // The others are counted when they are replaced.
    if (this.#leaving.has(link)) this.#crashes += 1;
    link.kill();
  }

  #replace(link: WorkerLink, how: string): void {
    this.#crashes += 1;
    const livedMs = Math.round(performance.now() - link.startedMs);
    const pauseMs = this.#pause.after(livedMs);
    const fields = { worker: link.id, pid: link.pid, how, livedMs, pauseMs };
    this.#options.log.error(fields, 'worker ended, replacing it');
    if (pauseMs === 0) return this.#spawnMissing(link.id);
    this.#later(pauseMs, () => this.#spawnMissing(link.id));
  }

  #later(afterMs: number, act: () => void): void {
    const pause = setTimeout(() => {
      this.#pauses.delete(pause);
      act();
    }, afterMs);
    this.#pauses.add(pause);
  }

  #progress(): void {
    for (const onProgress of [...this.#watchers]) onProgress();
  }
}
