// The primary's end of one worker: its process, the tables sent to it and acknowledged, which of its
// servers are still busy, and its last reported figures. One table is under way at a time; what
// changes meanwhile goes into the next, so that a slow worker costs memory for one table, not many.

import { type ErrorCode, messageOf, SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ReadPage } from '../gateway.ts';
import type { StoryBatch, TableUpdate, TextAnswer, TlsCredentials } from '../model.ts';
import type { SocketsById } from './bind.ts';
import { type Channel, forkWorker, socketChannel } from './channel.ts';
import { WorkerFigures } from './figures.ts';
import type { Guest } from './handover/guests.ts';
import {
  type FromWorker,
  type GapWatch,
  parseFromWorker,
  type Report,
  type ToWorker,
  type WorkerConfig,
} from './protocol.ts';
import { ChangedServers, type TableChanges } from './table-changes.ts';

const UNANSWERED_MAX = 100;

export type WorkerStart = Omit<Extract<ToWorker, { kind: 'start' }>, 'kind' | 'worker' | 'table'>;

export type LinkOptions = {
  /** 1, 2, …: a replacement takes the id of the worker that died. */
  readonly id: number;
  readonly start: WorkerStart;
  /** It is there already, from another primary; else it is started. */
  readonly guest?: Guest;
  readonly log: Log;
  /** The present state of what has changed, or of everything. */
  readonly table: (changes?: TableChanges) => TableUpdate;
  /** Renders a page for a route of the gateway. */
  readonly readPage: ReadPage;
  /** Called after an ack and when a server is idle, for those who wait for a drain. */
  readonly onProgress: () => void;
  readonly onFigures: (report: Report) => void;
  readonly onStories: (batch: StoryBatch) => void;
  /** Somebody sent the process a signal that asks for an end; it goes on until `close`. */
  readonly onAskedToEnd: (link: WorkerLink, signal: string) => void;
  readonly onExit: (link: WorkerLink, how: string) => void;
};

type Waiter = { readonly resolve: () => void; readonly reject: (error: Error) => void };

export class WorkerLink {
  readonly id: number;
  readonly startedMs = performance.now();
  readonly figures = new WorkerFigures();
  /** Resolves when the worker accepts connections. */
  readonly listening: Promise<void>;
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>;

  readonly #options: LinkOptions;
  readonly #channel: Channel;
  readonly #busy = new Map<string, number>();
  readonly #reports = new Map<number, Waiter>();
  readonly #changed = new ChangedServers();
  /** What the next table must contain. */
  #config: WorkerConfig | undefined;
  #listeningWaiter: Waiter | undefined;
  #acknowledged = 0;
  #isListening = false;
  #wasToldToListen = false;
  #sent: number;
  #requests = 0;
  /** Reports asked for since the last answer. There is a limit, so that they do not pile up in a stopped worker. */
  #unanswered = 0;
  #heardMs = performance.now();

  constructor(options: LinkOptions) {
    this.#options = options;
    this.id = options.id;
    this.listening = new Promise((resolve, reject) => {
      this.#listeningWaiter = { resolve, reject };
    });
    // Not every caller waits for `listening`. Its failure also shows as an exit.
    this.listening.catch(() => {});
    const gone = Promise.withResolvers<void>();
    this.exited = gone.promise;
    const events = {
      onMessage: (value: unknown) => this.#receive(value),
      onError: (error: string) =>
        options.log.error({ worker: options.id, error }, 'worker process'),
      onEnd: (how: string) => {
        this.#ended(how);
        gone.resolve();
      },
    };
    const { guest } = options;
    this.#channel =
      guest === undefined ? forkWorker(events) : socketChannel(guest.socket, guest.pid, events);
    const table = options.table();
    this.#sent = table.generation;
    if (guest === undefined) {
      this.#send({ kind: 'start', worker: options.id, table, ...options.start });
    } else if (guest.isOurs) {
      const { config, tls, gaps } = options.start;
      this.#send({ kind: 'adopt', config, table, tls, gaps });
    }
  }

  get pid(): number {
    return this.#channel.pid;
  }

  /** The generation that is in force in the worker; 0 before the first. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** It accepts clients. */
  get isListening(): boolean {
    return this.#isListening;
  }

  /** It has its first table. */
  get hasStarted(): boolean {
    return this.#acknowledged > 0;
  }

  /** False: another version, which tells us nothing. */
  get isOurs(): boolean {
    return this.#options.guest?.isOurs !== false;
  }

  /** When its last message came. It sends its figures twice a second, unless it hangs. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** How long ago that was. */
  get silentMs(): number {
    return performance.now() - this.#heardMs;
  }

  /** Hands the sockets over; see `listening`. */
  listen(sockets: SocketsById): void {
    this.#wasToldToListen = true;
    this.addSockets(sockets);
    this.#send({ kind: 'listen' });
  }

  /** More of them, for the next configuration. */
  addSockets(sockets: SocketsById): void {
    if (!this.#wasToldToListen) return;
    for (const [id, handle] of sockets) this.#send({ kind: 'listener', id }, handle);
  }

  update(changes: TableChanges): void {
    this.#changed.addAll(changes);
    this.#sendTable();
  }

  /** Like `update`, together with a new configuration. */
  configure(config: WorkerConfig, changes: TableChanges): void {
    this.#config = config;
    this.update(changes);
  }

  /** Requests in flight on a server that takes no new ones, as of the last ack; 0 when idle. */
  busy(upstream: string, server: string): number {
    return this.#busy.get(busyKey(upstream, server)) ?? 0;
  }

  /** Brings `figures` up to date. @throws timeout */
  refresh(deadlineMs: number): Promise<void> {
    this.#requests += 1;
    const request = this.#requests;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#reports.delete(request);
        reject(
          new SluiceError(
            'timeout',
            `worker ${this.id} (process ${this.pid}): no answer within ${deadlineMs} ms`,
          ),
        );
      }, deadlineMs);
      const settle = (): void => {
        clearTimeout(timer);
        this.#reports.delete(request);
      };
      this.#reports.set(request, {
        resolve: () => {
          settle();
          resolve();
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      this.#unanswered += 1;
      if (this.#unanswered <= UNANSWERED_MAX) this.#send({ kind: 'report', request });
    });
  }

  useCertificates(tls: TlsCredentials): void {
    this.#send({ kind: 'tls', tls });
  }

  openGap(gap: GapWatch): void {
    this.#send({ kind: 'open-gap', gap });
  }

  closeGap(gap: GapWatch): void {
    this.#send({ kind: 'close-gap', gap });
  }

  reopenLogs(): void {
    this.#send({ kind: 'reopen-logs' });
  }

  /** The worker finishes what it has. `exited` resolves when it is gone. */
  close(deadlineMs: number): void {
    this.#isListening = false;
    this.#send({ kind: 'close', deadlineMs });
  }

  /** It is the next primary's. */
  leave(): void {
    this.#send({ kind: 'followed' });
    this.#channel.leave();
  }

  kill(): void {
    this.#channel.kill();
  }

  #sendTable(): void {
    if (this.#acknowledged < this.#sent) return;
    const config = this.#config;
    if (config === undefined && this.#changed.isEmpty) return;
    const update = this.#options.table(this.#changed.take());
    this.#sent = update.generation;
    this.#config = undefined;
    this.#send(
      config === undefined ? { kind: 'table', update } : { kind: 'config', config, update },
    );
  }

  #send(message: ToWorker, handle?: object): void {
    // Another version understands this one alone.
    const { guest } = this.#options;
    if (guest !== undefined && !guest.isOurs && message.kind !== 'close') return;
    this.#channel.send(message, handle);
  }

  #receive(value: unknown): void {
    this.#heardMs = performance.now();
    const message = parseFromWorker(value);
    if (message === undefined) {
      this.#options.log.error({ worker: this.id }, 'worker message of unknown shape');
      return;
    }
    switch (message.kind) {
      case 'ack':
        this.#acknowledge(message);
        break;
      case 'idle':
        this.#busy.delete(busyKey(message.upstream, message.server));
        this.#options.onProgress();
        break;
      case 'listening':
        this.#isListening = true;
        this.#listeningWaiter?.resolve();
        break;
      case 'failed':
        // The worker sends a code of our own table.
        this.#listeningWaiter?.reject(new SluiceError(message.code as ErrorCode, message.message));
        this.kill();
        break;
      case 'page':
        void this.#answerPage(message);
        break;
      case 'stories':
        this.#options.onStories(message.batch);
        break;
      case 'asked-to-end':
        this.#options.onAskedToEnd(this, message.signal);
        break;
      case 'report':
        this.#unanswered = 0;
        this.figures.take(message.report);
        this.#options.onFigures(message.report);
        this.#reports.get(message.request)?.resolve();
        break;
    }
  }

  #acknowledge(message: Extract<FromWorker, { kind: 'ack' }>): void {
    this.#acknowledged = message.generation;
    this.#busy.clear();
    for (const { upstream, server, inFlight } of message.busy) {
      this.#busy.set(busyKey(upstream, server), inFlight);
    }
    this.#sendTable();
    this.#options.onProgress();
  }

  async #answerPage({
    request,
    name,
    query,
  }: Extract<FromWorker, { kind: 'page' }>): Promise<void> {
    let page: TextAnswer | null = null;
    try {
      page = await this.#options.readPage(name, query);
    } catch (error) {
      this.#options.log.error({ page: name, error: messageOf(error) }, 'page not rendered');
    }
    this.#send({ kind: 'page', request, page });
  }

  #ended(how: string): void {
    const error = new SluiceError('internal', `worker ${this.id} (process ${this.pid}): ${how}`);
    this.#listeningWaiter?.reject(error);
    for (const waiter of [...this.#reports.values()]) waiter.reject(error);
    this.#options.onExit(this, how);
  }
}

function busyKey(upstream: string, server: string): string {
  return `${upstream}\n${server}`;
}
