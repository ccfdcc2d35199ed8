// The data plane of one worker: listeners, the connections they accept, and what those share. It
// reads the table that the control plane gives it and never waits for anything slower than memory.

import { type Descriptors, processDescriptors } from '../base/descriptors.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { GatewayConfig, ListenAddress } from '../config.ts';
import type { Route, TableUpdate } from '../model.ts';
import type { UpstreamSet } from '../upstream.ts';
import { AccessLog } from './access-log.ts';
import { type GatewayContext, IDLE_GRACE_MS } from './context.ts';
import { AddressSet } from './forwarding.ts';
import { ClientConnection } from './http1/client-side/client-connection.ts';
import { ConnectionPool, type PoolFigures } from './http1/server-side/connection-pool.ts';
import { RESPONSE_FIELDS_MAX } from './http1/syntax.ts';
import { Sockets } from './listener/sockets.ts';
import { RareLine } from './rare-line.ts';
import { OwnAnswers } from './routing/own-answers.ts';
import type { ReadPage } from './routing/pages.ts';
import { RouteTable } from './routing/route.ts';
import type { Connection, Listening, Transport } from './transport.ts';
import { nodeTransport } from './transport.ts';
import { Wheel } from './wheel.ts';

export type GatewayOptions = {
  readonly config: GatewayConfig;
  readonly upstreams: UpstreamSet;
  readonly log?: Log;
  readonly transport?: Transport;
  /** For routes that answer with a page. */
  readonly readPage?: ReadPage;
  /** Monotonic milliseconds; a simulation brings its own. */
  readonly now?: () => number;
  /** Of this process; a test brings its own limit. */
  readonly descriptors?: Descriptors;
};

/** The sockets of one worker: now, and since its start where they are events. */
export type SocketFigures = {
  /** Of the whole process; 0 = this system does not tell. */
  readonly descriptorsOpen: number;
  readonly descriptorsMax: number;
  readonly clientsMax: number;
  /** Clients that got a 503 because there were too many. */
  readonly turnedAway: number;
  /** Clients that were lost before they were accepted. */
  readonly acceptFailures: number;
  /** Idle server connections that gave way to another socket. */
  readonly evicted: number;
  /** Requests that got a 503 because there was no room for a server connection. */
  readonly noSocket: number;
  readonly upstreams: readonly PoolFigures[];
};

export class Gateway {
  readonly #context: GatewayContext;
  readonly #clients = new Set<ClientConnection>();
  /** Turned away: they have their 503 and linger, the oldest first. */
  readonly #away = new Set<ClientConnection>();
  readonly #turnedAway: RareLine;
  /** The last one: because of max_connections, not for want of descriptors. */
  #isAwayByConfig = false;
  readonly #acceptFailures: RareLine;
  #acceptError = '';
  #listening: Listening[] = [];
  #onEmpty: (() => void) | undefined;

  constructor(options: GatewayOptions) {
    const { config } = options;
    const log = options.log ?? silentLog;
    const now = options.now ?? (() => performance.now());
    const wheel = new Wheel(now);
    const sockets = new Sockets(
      options.descriptors ?? processDescriptors,
      config.limits.connectionsMax,
    );
    this.#turnedAway = new RareLine(wheel, (count) => this.#sayTurnedAway(count));
    this.#acceptFailures = new RareLine(wheel, (count) =>
      log.warn(
        { clients: count, code: this.#acceptError },
        'clients lost before they were accepted',
      ),
    );
    this.#context = {
      ...settingsOf(config),
      log,
      transport: options.transport ?? nodeTransport,
      wheel,
      sockets,
      pool: new ConnectionPool({ keepalive: config.limits.upstreamKeepalive, sockets, wheel }),
      noSocket: new RareLine(wheel, (count) =>
        log.warn({ requests: count, ...socketFields(sockets) }, NO_SOCKET_TEXT),
      ),
      upstreams: options.upstreams,
      accessLog: accessLogOf(config, log),
      ownAnswers: new OwnAnswers({ log, wheel, isReasonShown: config.isReasonShown, now }),
      readPage: options.readPage,
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
          await this.#context.transport.listen(
            options,
            (connection) => this.#accept(connection),
            (code) => {
              this.#acceptError = code;
              this.#acceptFailures.note();
            },
          ),
        );
      }
    } catch (error) {
      this.destroy();
      throw error;
    }
    return this.#listening.map(({ host, port }) => ({ host, port }));
  }

  /**
   * Other settings from now on; `listen` stays as it is. What a connection or a request has under way
   * ends by the ones that it began with where it keeps them: whom to trust, buffers, running deadlines.
   */
  configure(config: GatewayConfig): void {
    const context = this.#context;
    const last = context.config;
    Object.assign(context, settingsOf(config));
    context.sockets.limit(config.limits.connectionsMax);
    context.pool.keep(config.limits.upstreamKeepalive);
    context.ownAnswers.showReason(config.isReasonShown);
    if (config.accessLog === last.accessLog) return;
    void context.accessLog?.close();
    context.accessLog = accessLogOf(config, context.log);
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

  /** Measures what is open, too: call it now and then. */
  figures(): SocketFigures {
    const { sockets, pool, noSocket } = this.#context;
    sockets.measure();
    return {
      descriptorsOpen: sockets.open,
      descriptorsMax: sockets.max,
      clientsMax: sockets.clientsMax,
      turnedAway: this.#turnedAway.total,
      acceptFailures: this.#acceptFailures.total,
      evicted: pool.evicted,
      noSocket: noSocket.total,
      upstreams: [...pool.figures()],
    };
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
    for (const client of [...this.#clients, ...this.#away]) client.destroy();
    this.#context.pool.destroy();
    for (const line of [this.#turnedAway, this.#acceptFailures, this.#context.noSocket]) {
      line.close();
    }
    this.#context.ownAnswers.close();
    this.#context.wheel.stop();
    void this.#context.accessLog?.close();
  }

  #accept(connection: Connection): void {
    const { sockets, pool } = this.#context;
    const isBound = sockets.clients >= sockets.clientsMax;
    if (isBound || !pool.makeRoom()) {
      this.#isAwayByConfig = isBound && !sockets.isShort;
      this.#turnAway(connection);
      return;
    }
    sockets.clients += 1;
    this.#clients.add(new ClientConnection(this.#context, connection, this.#onClosed));
  }

  /** A 503 and a lingering close. In a flood those that linger longest make room: they have theirs. */
  #turnAway(connection: Connection): void {
    const { sockets } = this.#context;
    this.#turnedAway.note();
    for (const longest of this.#away) {
      if (sockets.away < sockets.awayMax) break;
      longest.destroy();
    }
    const client = new ClientConnection(this.#context, connection, this.#onAwayClosed);
    sockets.away += 1;
    this.#away.add(client);
    client.refuse(503, 'too many connections');
  }

  /** Nothing else shows it: a connection that is turned away has sent no request yet. */
  #sayTurnedAway(count: number): void {
    const { sockets, log } = this.#context;
    const total = this.#turnedAway.total;
    log.warn(
      { turnedAway: count, turnedAwayTotal: total, ...socketFields(sockets) },
      this.#isAwayByConfig ? TURNED_AWAY_TEXT : TURNED_AWAY_BY_SYSTEM_TEXT,
    );
  }

  readonly #onClosed = (client: ClientConnection): void => {
    this.#clients.delete(client);
    this.#context.sockets.clients -= 1;
    if (this.#clients.size === 0) this.#onEmpty?.();
  };

  readonly #onAwayClosed = (client: ClientConnection): void => {
    this.#away.delete(client);
    this.#context.sockets.away -= 1;
  };
}

/** What of the context comes from the configuration alone. */
function settingsOf(config: GatewayConfig) {
  return {
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
    trusted: new AddressSet(config.trustedProxies),
  } satisfies Partial<GatewayContext>;
}

function accessLogOf({ accessLog }: GatewayConfig, log: Log): AccessLog | undefined {
  return accessLog === '' ? undefined : new AccessLog(accessLog, log);
}

const RAISE = 'raise the limit of open files (ulimit -n; systemd: LimitNOFILE=)';
const TURNED_AWAY_TEXT =
  'clients turned away with 503: as many are connected as max_connections allows; raise it';
const TURNED_AWAY_BY_SYSTEM_TEXT = `clients turned away with 503: no descriptors left for them; ${RAISE}`;
const NO_SOCKET_TEXT = `requests answered 503: no descriptor left for a connection to a server; ${RAISE}`;

function socketFields({ clients, clientsMax, servers, open, max }: Sockets): object {
  return {
    ...{ clients, clientsMax, serverConnections: servers },
    ...{ descriptorsOpen: open, descriptorsMax: max },
  };
}
