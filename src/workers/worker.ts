// A worker process: one Gateway, fed by the primary over IPC. It takes its orders and its table
// from there and nowhere else; of a signal that asks for an end the primary is told, because it
// decides when a worker ends. When the primary is gone the worker serves on with its last table for a while: the
// next primary finds it (handover/door.ts), has it follow its own table, and tells it when to finish. When none comes
// it finishes what is in flight and exits.

import type { Socket } from 'node:net';
import { isSluiceError, messageOf } from '../base/errors.ts';
import { createLog, type RootLog } from '../base/log.ts';
import { ENDING } from '../base/signals.ts';
import { packageVersion } from '../base/version.ts';
import { Gateway } from '../gateway.ts';
import { SpanExport } from '../tracing.ts';
import { UpstreamSet } from '../upstream.ts';
import { readLines } from './channel.ts';
import { Door } from './handover/door.ts';
import { PageRequests } from './page-requests.ts';
import {
  type FromWorker,
  type GapWatch,
  PROTOCOL,
  parseToWorker,
  type ToWorker,
  type WorkerConfig,
} from './protocol.ts';
import { Reporter } from './reporter.ts';

/**
 * How often the figures go to the primary unasked, ms: at full and half seconds of the wall clock, in all workers
 * at once, so that two reports are what happened in one second.
 */
const REPORT_INTERVAL_MS = 500;
/**
 * Servers of an upstream in such a report. Where more are busy, each is in every second or third one: of 10,000
 * all figures twice a second would take a tenth of the worker's time, and more of the primary's.
 */
const REPORTED_MAX = 2000;
/** Nobody asks with this number, and it is no report unasked: it holds all. */
const LAST_REPORT = -1;
/** A timer that fires a little early must not lead to two reports. */
const REPORT_LEAST_MS = 100;
/** Time between the shutdown deadline and a hard exit, ms. */
const EXIT_GRACE_MS = 1000;

type Start = Extract<ToWorker, { kind: 'start' }>;

class Worker {
  readonly #log: RootLog;
  readonly #upstreams: UpstreamSet;
  readonly #reporter: Reporter;
  readonly #gateway: Gateway;
  #shutdownTimeoutMs = 0;
  /** By the id of their listener. */
  readonly #sockets = new Map<string, object>();
  #isListening = false;
  readonly #pages = new PageRequests(send);
  readonly #gaps = new Map<string, GapWatch>();
  #clock: NodeJS.Timeout | undefined;
  #isClosing = false;
  #orphanTimeoutMs = 0;
  readonly #door: Door;
  /** The primary has said that another takes over. */
  #isFollowed = false;
  /** Running while there is no primary. */
  #orphan: NodeJS.Timeout | undefined;

  constructor(start: Start) {
    this.#log = createLog(start.config.logLevel, { worker: start.worker });
    this.#upstreams = new UpstreamSet({
      onIdle: (upstream, server) => send({ kind: 'idle', upstream, server: server.id }),
    });
    this.#reporter = new Reporter(this.#upstreams);
    this.#gateway = new Gateway({
      config: start.config.gateway,
      log: this.#log,
      upstreams: this.#upstreams,
      credentials: start.tls,
      readPage: this.#pages.read,
      openSpans: (tracing, counts) =>
        new SpanExport({ ...tracing, counts, version: packageVersion(), log: this.#log }),
    });
    this.#configure(start.config);
    this.#apply(start.table);
    for (const gap of start.gaps) this.#openGap(gap);
    this.#reportLater();
    this.#door = new Door({
      ...{ folder: start.handover, log: this.#log },
      hello: () => ({ protocol: PROTOCOL, worker: start.worker }),
      sockets: () => this.#openSockets(),
      onPrimary: (socket) => takeOrders(socket),
    });
  }

  /** There is no primary any more. */
  orphaned(): void {
    if (this.#isClosing || this.#orphan !== undefined) return;
    const timeoutMs = this.#orphanTimeoutMs;
    if (!this.#isListening || timeoutMs === 0) return void this.close();
    const said = { pid: process.pid, timeoutMs };
    if (this.#isFollowed) this.#log.info(said, 'serving on for the next primary');
    else this.#log.warn(said, 'the primary is gone: serving on for the next');
    this.#isFollowed = false;
    this.#orphan = setTimeout(() => void this.close(), timeoutMs);
  }

  get isOrphan(): boolean {
    return this.#orphan !== undefined;
  }

  #openSockets(): ReadonlyMap<string, object> {
    return this.#isClosing ? new Map() : this.#sockets;
  }

  /** Another primary: its configuration and table are in force, but for the listeners, which stay until it says so. */
  #adopted({ config, table, tls, gaps }: Extract<ToWorker, { kind: 'adopt' }>): void {
    clearTimeout(this.#orphan);
    this.#orphan = undefined;
    this.#reporter.beginAnew();
    const isListening = this.#isListening;
    this.#isListening = false;
    this.#gateway.useCredentials(tls);
    this.#configure(config);
    this.#isListening = isListening;
    const names = new Set(table.upstreams.map(({ name }) => name));
    const gone = this.#upstreams.all().flatMap(({ name }) => (names.has(name) ? [] : [name]));
    this.#apply({ ...table, removed: [...table.removed, ...gone] });
    for (const id of this.#gaps.keys()) this.#closeGap(id);
    for (const gap of gaps) this.#openGap(gap);
  }

  receive(message: ToWorker, handle: object | undefined): void {
    switch (message.kind) {
      case 'start':
        break;
      case 'adopt':
        this.#adopted(message);
        break;
      case 'listener':
        if (handle !== undefined) this.#sockets.set(message.id, handle);
        break;
      case 'listen':
        void this.#listen();
        break;
      case 'table':
        this.#apply(message.update);
        break;
      case 'config':
        this.#configure(message.config);
        this.#apply(message.update);
        break;
      case 'tls':
        this.#gateway.useCredentials(message.tls);
        break;
      case 'report':
        this.#report(message.request);
        break;
      case 'open-gap':
        this.#openGap(message.gap);
        break;
      case 'close-gap':
        this.#closeGap(message.gap.id);
        break;
      case 'page':
        this.#pages.answered(message.request, message.page);
        break;
      case 'reopen-logs':
        this.reopenLogs();
        break;
      case 'followed':
        this.#isFollowed = true;
        break;
      case 'close':
        void this.close(message.deadlineMs);
        break;
    }
  }

  reopenLogs(): void {
    this.#gateway.reopenLogs();
  }

  async close(deadlineMs: number = this.#shutdownTimeoutMs): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    clearTimeout(this.#orphan);
    // What still keeps the process alive then is not worth waiting for.
    setTimeout(() => process.exit(1), deadlineMs + EXIT_GRACE_MS).unref();
    await this.#gateway.close(deadlineMs);
    clearTimeout(this.#clock);
    this.#report(LAST_REPORT);
    this.#door.close();
    // With the channel closed nothing keeps the process alive. What was sent still arrives.
    orders?.end();
    if (process.connected) process.disconnect();
    process.exitCode = 0;
  }

  /** Routes to an upstream that comes or goes are in force in the same turn as the table. */
  #configure(config: WorkerConfig): void {
    const { logLevel, gateway, routes } = config;
    this.#log.setLevel(logLevel);
    this.#shutdownTimeoutMs = config.shutdownTimeoutMs;
    this.#orphanTimeoutMs = config.orphanTimeoutMs;
    this.#gateway.configure(gateway);
    this.#gateway.setRoutes(routes);
    if (this.#isListening) void this.#listenAnew(new Set(gateway.listen.map(({ id }) => id)));
  }

  /** What cannot be opened is missing here; the primary has tried it before. */
  async #listenAnew(ids: ReadonlySet<string>): Promise<void> {
    for (const id of this.#sockets.keys()) if (!ids.has(id)) this.#sockets.delete(id);
    try {
      await this.#gateway.listen(this.#sockets);
    } catch (error) {
      this.#log.error({ error: messageOf(error) }, 'listener not opened');
    }
  }

  #apply(update: Start['table']): void {
    this.#gateway.apply(update);
    send({ kind: 'ack', generation: update.generation, busy: this.#reporter.busy() });
  }

  async #listen(): Promise<void> {
    try {
      await this.#gateway.listen(this.#sockets);
      this.#isListening = true;
      send({ kind: 'listening' });
    } catch (error) {
      const code = isSluiceError(error) ? error.code : 'internal';
      send({ kind: 'failed', code, message: messageOf(error) });
    }
  }

  #openGap(gap: GapWatch): void {
    this.#gaps.set(gap.id, gap);
    this.#upstreams.get(gap.upstream)?.openGap(gap.id, performance.now());
  }

  #closeGap(id: string): void {
    const gap = this.#gaps.get(id);
    this.#gaps.delete(id);
    if (gap !== undefined) this.#upstreams.get(gap.upstream)?.closeGap(id);
  }

  #reportLater(): void {
    const leftMs = REPORT_INTERVAL_MS - (Date.now() % REPORT_INTERVAL_MS);
    const waitMs = leftMs < REPORT_LEAST_MS ? leftMs + REPORT_INTERVAL_MS : leftMs;
    this.#clock = setTimeout(() => {
      this.#report(0);
      this.#reportLater();
    }, waitMs);
  }

  #report(request: number): void {
    const batch = this.#gateway.takeStories();
    if (batch.stories.length > 0 || batch.leftOut > 0) send({ kind: 'stories', batch });
    const nowMs = performance.now();
    const gaps = [...this.#gaps.values()].map(({ id, upstream }) => ({
      id,
      longestMs: this.#upstreams.get(upstream)?.readGap(id, nowMs) ?? 0,
    }));
    const connections = this.#gateway.connections();
    const sockets = this.#gateway.figures();
    // Who asks wants to know all.
    const upstreams = this.#reporter.report(nowMs, request === 0 ? REPORTED_MAX : undefined);
    const oldest = this.#gateway.oldest();
    send({ kind: 'report', request, report: { connections, sockets, upstreams, oldest, gaps } });
  }
}

/** The connection of the primary that has taken over; undefined: it is the one that started us, or none. */
let orders: Socket | undefined;

function send(message: FromWorker): void {
  // If the primary is gone already, nobody needs to know.
  if (orders !== undefined) orders.write(`${JSON.stringify(message)}\n`);
  else if (process.connected) process.send?.(message, undefined, {}, () => {});
}

/** Whoever says something here has the lock of the state_dir: from then on it is the primary. */
function takeOrders(socket: Socket): void {
  readLines(socket, (line) => {
    const message = parseToWorker(JSON.parse(line));
    if (message === undefined) throw new Error('a message of a primary has no known shape');
    if (orders !== socket) {
      orders = socket;
      if (process.connected) process.disconnect();
    }
    worker?.receive(message, undefined);
  });
  socket.once('close', () => {
    if (orders !== socket) return;
    orders = undefined;
    worker?.orphaned();
  });
}

let worker: Worker | undefined;

process.on('message', (value: unknown, handle: unknown) => {
  const message = parseToWorker(value);
  if (message === undefined) throw new Error('a message from the primary has no known shape');
  if (message.kind === 'start') worker = new Worker(message);
  else worker?.receive(message, typeof handle === 'object' && handle !== null ? handle : undefined);
});

process.on('disconnect', () => {
  if (worker === undefined) process.exit(0);
  if (orders === undefined) worker.orphaned();
});

// The primary may have ended while this file was loaded.
if (!process.connected) process.exit(0);

for (const signal of ENDING) {
  process.on(signal, () => {
    if (worker?.isOrphan === true) void worker.close();
    else send({ kind: 'asked-to-end', signal });
  });
}
process.on('SIGUSR1', () => worker?.reopenLogs());
