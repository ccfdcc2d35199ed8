// The data plane of one worker: listeners, the connections they accept, and what those share. It
// reads the table that the control plane gives it and never waits for anything slower than memory.

import { readFileSync } from 'node:fs';
import { type Log, silentLog } from '../base/log.ts';
import type { GatewayConfig, ListenAddress } from '../config.ts';
import type { Route, TableUpdate, UpstreamSet } from '../upstream.ts';
import { AccessLog } from './access-log.ts';
import { addressSet } from './addresses.ts';
import { ClientConnection } from './client-connection.ts';
import { ConnectionPool } from './connection-pool.ts';
import { type GatewayContext, IDLE_GRACE_MS } from './context.ts';
import { RESPONSE_FIELDS_MAX } from './http1.ts';
import { nodeTransport } from './node-transport.ts';
import { OwnAnswers } from './own-answers.ts';
import { RouteTable } from './route.ts';
import type { Connection, Listening, Transport } from './transport.ts';
import { Wheel } from './wheel.ts';

export type GatewayOptions = {
  readonly config: GatewayConfig;
  readonly upstreams: UpstreamSet;
  readonly log?: Log;
  readonly transport?: Transport;
  /** Monotonic milliseconds; a simulation brings its own. */
  readonly now?: () => number;
};

/** Clients beyond the limit that get a 503 and a lingering close at one time. */
const TURNED_AWAY_AT_ONCE = 64;
/** Clients turned away are logged at most that often, ms. */
const FULL_SAID_EVERY_MS = 10_000;

export class Gateway {
  readonly #context: GatewayContext;
  readonly #clients = new Set<ClientConnection>();
  readonly #connectionsMax: number;
  #listening: Listening[] = [];
  #turnedAway = 0;
  #saidFullMs = -FULL_SAID_EVERY_MS;
  #onEmpty: (() => void) | undefined;

  constructor(options: GatewayOptions) {
    const { config } = options;
    const log = options.log ?? silentLog;
    const now = options.now ?? (() => performance.now());
    this.#connectionsMax = config.limits.connectionsMax || connectionsByDescriptors();
    this.#context = {
      config,
      headLimits: {
        uriBytesMax: config.limits.uriBytesMax,
        headBytesMax: config.limits.headBytesMax,
        fieldsMax: config.limits.fieldsMax,
        underscoresInHeaders: config.underscoresInHeaders,
        allowTrace: config.allowTrace,
      },
      responseBodyLimits: {
        chunkExtensionBytesMax: config.limits.chunkExtensionBytesMax,
        trailerBytesMax: config.limits.trailerBytesMax,
        bodyBytesMax: 0,
        fieldsMax: RESPONSE_FIELDS_MAX,
      },
      log,
      transport: options.transport ?? nodeTransport,
      wheel: new Wheel(now),
      pool: new ConnectionPool(config.limits.upstreamKeepalive),
      upstreams: options.upstreams,
      accessLog: config.accessLog === '' ? undefined : new AccessLog(config.accessLog, log),
      ownAnswers: new OwnAnswers({ log, isReasonShown: config.isReasonShown, now }),
      trusted: addressSet(config.trustedProxies),
      now,
      routes: new RouteTable([]),
      isClosing: false,
    };
  }

  /**
   * Opens every listener, or none. `handles`: sockets that another process bound for us, in the
   * order of the config's `listen`.
   * @throws address_in_use, address_unavailable
   */
  async listen(handles: readonly object[] = []): Promise<readonly ListenAddress[]> {
    this.#context.wheel.start();
    try {
      for (const [index, { host, port }] of this.#context.config.listen.entries()) {
        const handle = handles[index];
        const options = handle === undefined ? { host, port } : { host, port, handle };
        this.#listening.push(
          await this.#context.transport.listen(options, (connection) => this.#accept(connection)),
        );
      }
    } catch (error) {
      this.destroy();
      throw error;
    }
    return this.#listening.map(({ host, port }) => ({ host, port }));
  }

  setRoutes(routes: readonly Route[]): void {
    this.#context.routes = new RouteTable(routes);
  }

  /** Swaps in what changed. From this moment no new request goes to a server that was taken out. */
  apply(update: TableUpdate): void {
    this.#context.upstreams.apply(update, this.#context.now());
    this.#context.pool.sweep();
  }

  /** What is logged from now on goes into a new file, where the old one was renamed. */
  reopenLogs(): void {
    this.#context.accessLog?.reopen();
  }

  /** Client connections open now. */
  connections(): number {
    return this.#clients.size;
  }

  /** Turns the timer wheel by hand; for a simulation with a clock of its own. */
  turn(): void {
    this.#context.wheel.turn();
  }

  /** Stops accepting, finishes what is in flight, and cuts what is left after `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    this.#context.isClosing = true;
    for (const listening of this.#listening.splice(0)) listening.close();
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      if (this.#clients.size === 0) resolve();
    });
    const closeIdle = (): void => {
      for (const client of this.#clients) client.closeIfIdle();
    };
    const grace = setTimeout(closeIdle, Math.min(IDLE_GRACE_MS, deadlineMs));
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([empty, deadline]);
    clearTimeout(grace);
    clearTimeout(timer);
    this.destroy();
    await this.#context.accessLog?.close();
  }

  destroy(): void {
    this.#context.isClosing = true;
    for (const listening of this.#listening.splice(0)) listening.close();
    for (const client of [...this.#clients]) client.destroy();
    this.#context.pool.destroy();
    this.#context.wheel.stop();
    void this.#context.accessLog?.close();
  }

  #accept(connection: Connection): void {
    const isFull = this.#clients.size >= this.#connectionsMax;
    if (isFull) {
      this.#turnedAway += 1;
      this.#sayFull();
      // In a flood there is no time for a polite end.
      if (this.#clients.size >= this.#connectionsMax + TURNED_AWAY_AT_ONCE) {
        connection.destroy();
        return;
      }
    }
    const client = new ClientConnection(this.#context, connection, this.#onClosed);
    this.#clients.add(client);
    if (isFull) client.refuse(503, 'too many connections');
  }

  /** Nothing else shows it: a connection that is turned away has sent no request yet. */
  #sayFull(): void {
    const nowMs = this.#context.now();
    if (nowMs - this.#saidFullMs < FULL_SAID_EVERY_MS) return;
    this.#saidFullMs = nowMs;
    const fields = { max: this.#connectionsMax, turnedAway: this.#turnedAway };
    this.#context.log.warn(
      fields,
      'too many client connections; raise ulimit -n or max_connections',
    );
    this.#turnedAway = 0;
  }

  readonly #onClosed = (client: ClientConnection): void => {
    this.#clients.delete(client);
    if (this.#clients.size === 0) this.#onEmpty?.();
  };
}

/** Two fifths of the descriptors for clients, as many for servers, the rest for everything else. */
function connectionsByDescriptors(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return Math.max(64, Math.floor(Number(soft ?? '1024') * 0.4));
  } catch {
    // No /proc on this system: the usual soft limit.
    return 400;
  }
}
