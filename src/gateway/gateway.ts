// The data plane of one worker: listeners, the connections they accept, and what those share. It
// reads the table that the control plane gives it and never waits for anything slower than memory.

import { type Descriptors, processDescriptors } from '../base/descriptors.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { GatewayConfig, ListenAddress } from '../config.ts';
import type {
  OldestRequest,
  Route,
  SocketCounters,
  SpanCounts,
  SpanSink,
  StoryBatch,
  TableUpdate,
  TlsCredentials,
} from '../model.ts';
import type { UpstreamSet } from '../upstream.ts';
import { AccessLog } from './access-log.ts';
import { type ExchangeContext, LongLived } from './exchange.ts';
import {
  ClientConnection,
  ConnectionPool,
  type Http1Context,
  Http1ServerStreams,
  http1Settings,
  IDLE_GRACE_MS,
  isScanning,
  type PoolFigures,
  RequestReaders,
} from './http1.ts';
import { Entrances, Listeners, RAISE, Sockets, socketFields } from './listener.ts';
import { RareLine } from './rare-line.ts';
import { oldestOf, Recorder, RequestIds } from './recorder.ts';
import { OwnAnswers, type ReadPage, RouteTable } from './routing.ts';
import { SecuredUpstreams } from './secured-upstreams.ts';
import { Tracer } from './tracing.ts';
import { chooseTransport, eventNow, type Transport } from './transport.ts';
import { Wheel } from './wheel.ts';

export type OpenSpans = (config: GatewayConfig['tracing'], counts: SpanCounts) => SpanSink;

export type GatewayOptions = {
  readonly config: GatewayConfig;
  readonly upstreams: UpstreamSet;
  readonly log?: Log;
  readonly transport?: Transport;
  /** For listeners with TLS; without them nobody gets in there. */
  readonly credentials?: TlsCredentials;
  /** For routes that answer with a page. */
  readonly readPage?: ReadPage;
  /** Where spans go when they are configured; without it nothing is traced. */
  readonly openSpans?: OpenSpans;
  /** Monotonic milliseconds; a simulation brings its own. */
  readonly now?: () => number;
  /** 0 … 1, 1 excluded; as above. */
  readonly random?: () => number;
  /** Of this process; a test brings its own limit. */
  readonly descriptors?: Descriptors;
};

/** The sockets of one worker: now, and since its start where they are events. */
export type SocketFigures = Readonly<SocketCounters> & {
  /** Of the whole process; 0 = this system does not tell. */
  readonly descriptorsOpen: number;
  readonly descriptorsMax: number;
  readonly clientsMax: number;
  readonly upstreams: readonly PoolFigures[];
};

export class Gateway {
  readonly #wheel: Wheel;
  readonly #sockets: Sockets;
  readonly #listeners: Listeners;
  readonly #entrances: Entrances;
  readonly #http1: Http1Context;
  readonly #exchange: ExchangeContext;
  readonly #openSpans: OpenSpans | undefined;
  readonly #spanCounts: SpanCounts = { spansExported: 0, spansDropped: 0 };
  #spans: SpanSink | undefined;

  constructor(options: GatewayOptions) {
    const { config, upstreams, readPage } = options;
    const { limits } = config;
    const log = options.log ?? silentLog;
    const now = options.now ?? eventNow;
    const transport = options.transport ?? chosenTransport(log);
    const wheel = new Wheel(now);
    const sockets = new Sockets(options.descriptors ?? processDescriptors, limits.connectionsMax);
    const secured = new SecuredUpstreams();
    secured.configure(config.upstreamTls);
    if (options.credentials !== undefined) secured.useCredentials(options.credentials.upstreams);
    const keepalive = limits.upstreamKeepalive;
    const pool = new ConnectionPool({ keepalive, sockets, wheel, secured });
    this.#wheel = wheel;
    this.#sockets = sockets;
    this.#http1 = {
      ...{ log, transport, wheel, pool, secured, now },
      ...http1Settings(config),
      readers: new RequestReaders(),
      noSocket: new RareLine(wheel, (count) =>
        log.warn({ requests: count, ...socketFields(sockets) }, NO_SOCKET_TEXT),
      ),
      isClosing: false,
    };
    this.#exchange = {
      ...{ config, upstreams, readPage, now },
      streams: new Http1ServerStreams(this.#http1),
      longLived: new LongLived(wheel, options.random),
      accessLog: accessLogOf(config, log),
      tracer: undefined,
      ownAnswers: new OwnAnswers({ log, wheel, isReasonShown: config.isReasonShown, now }),
      routes: new RouteTable([]),
      ...{ ids: new RequestIds(), recorder: new Recorder() },
    };
    this.#exchange.longLived.policies = config.longLived;
    this.#exchange.ids.mode = config.requestId;
    this.#openSpans = options.openSpans;
    this.#trace(config.tracing);
    const clientSide = { http1: this.#http1, exchange: this.#exchange };
    const entrances = new Entrances({ log, wheel });
    this.#entrances = entrances;
    entrances.configure(config.listen);
    if (options.credentials !== undefined) entrances.useCredentials(options.credentials);
    this.#listeners = new Listeners({
      ...{ transport, wheel, log, sockets },
      gate: (id) => entrances.gate(id),
      makeRoom: () => pool.makeRoom(),
      // What the client speaks decides: HTTP/1 is all there is.
      serve: (connection, listener, onClosed) =>
        new ClientConnection(
          clientSide,
          { connection, entrance: entrances.of(listener) },
          onClosed,
        ),
    });
  }

  /**
   * Opens the listeners of the configuration that are not open yet, and closes those that it has no longer. The first
   * time it is all or none. `sockets`: by the listeners' ids, those that another process bound for us.
   * @throws address_in_use, address_unavailable
   */
  async listen(
    sockets: ReadonlyMap<string, object> = new Map(),
  ): Promise<readonly ListenAddress[]> {
    // A configuration may come while the last clients are finishing.
    if (this.#http1.isClosing) return [];
    const isFirst = this.#listeners.isClosed;
    this.#wheel.start();
    const { listen } = this.#exchange.config;
    this.#listeners.keep(new Set(listen.map(({ id }) => id)));
    try {
      // All in this turn: when a configuration is said to be in force, clients can connect.
      const opened = listen.map((one) => this.#listeners.open(one, sockets.get(one.id)));
      return (await Promise.all(opened)).map(({ host, port }) => ({ host, port }));
    } catch (error) {
      if (isFirst) this.destroy();
      throw error;
    }
  }

  /**
   * Other settings from now on; other listeners with the next `listen`. What a connection or a request has under way
   * ends by the ones that it began with where it keeps them: whom to trust, buffers, running deadlines.
   */
  configure(config: GatewayConfig): void {
    const last = this.#exchange.config;
    Object.assign(this.#http1, http1Settings(config));
    this.#exchange.config = config;
    this.#entrances.configure(config.listen);
    this.#http1.secured.configure(config.upstreamTls);
    this.#http1.pool.secureAnew();
    this.#exchange.longLived.policies = config.longLived;
    this.#exchange.ids.mode = config.requestId;
    this.#sockets.limit(config.limits.connectionsMax);
    this.#http1.pool.keep(config.limits.upstreamKeepalive);
    this.#exchange.ownAnswers.showReason(config.isReasonShown);
    if (!isSameTracing(config.tracing, last.tracing)) this.#trace(config.tracing);
    const { accessLog, accessLogFormat } = last;
    if (config.accessLog === accessLog && config.accessLogFormat === accessLogFormat) return;
    void this.#exchange.accessLog?.close();
    this.#exchange.accessLog = accessLogOf(config, this.#http1.log);
  }

  /** For clients that come from now on, and for requests to servers. */
  useCredentials(credentials: TlsCredentials): void {
    this.#entrances.useCredentials(credentials);
    this.#http1.secured.useCredentials(credentials.upstreams);
    this.#http1.pool.secureAnew();
  }

  #trace(config: GatewayConfig['tracing']): void {
    void this.#spans?.close(SPANS_CLOSE_MS);
    this.#spans = config.endpoint === '' ? undefined : this.#openSpans?.(config, this.#spanCounts);
    this.#exchange.tracer = this.#spans && new Tracer(config.sampleShare, this.#spans);
  }

  setRoutes(routes: readonly Route[]): void {
    this.#exchange.routes = new RouteTable(routes);
  }

  /** Swaps in what changed. From this moment no new request goes to a server that was taken out. */
  apply(update: TableUpdate): void {
    const { longLived, now, upstreams } = this.#exchange;
    const updated = upstreams.apply(update, now());
    longLived.sweep(upstreams.stopping(), now());
    this.#http1.pool.sweep(updated);
  }

  /** What is logged from now on goes into a new file, where the old one was renamed. */
  reopenLogs(): void {
    this.#exchange.accessLog?.reopen();
  }

  /** Client connections open now. */
  connections(): number {
    return this.#listeners.size;
  }

  /** Measures what is open, too: call it now and then. */
  figures(): SocketFigures {
    const { pool, noSocket } = this.#http1;
    const sockets = this.#sockets;
    sockets.measure();
    this.#exchange.longLived.age(this.#exchange.now());
    return {
      descriptorsOpen: sockets.open,
      descriptorsMax: sockets.max,
      clientsMax: sockets.clientsMax,
      turnedAway: this.#listeners.turnedAway,
      acceptFailures: this.#listeners.acceptFailures,
      tlsFailures: this.#entrances.failures,
      evicted: pool.evicted,
      noSocket: noSocket.total,
      ...this.#spanCounts,
      upstreams: [...pool.figures()],
    };
  }

  /**
   * Of servers that take no new requests: what has been under way for the longest. All clients are looked at,
   * so this is only for where there is such a server.
   */
  oldest(): OldestRequest[] {
    const { upstreams, now } = this.#exchange;
    const stopping = [...upstreams.stopping()].filter(({ inFlight }) => inFlight > 0);
    return stopping.length === 0 ? [] : oldestOf(stopping, this.#listeners.underWay(), now());
  }

  /** Of requests that ended since the last call: call it now and then. */
  takeStories(): StoryBatch {
    return this.#exchange.recorder.take(this.#exchange.now());
  }

  /** Turns the timer wheel by hand; for a simulation with a clock of its own. */
  tick(): void {
    this.#wheel.tick();
  }

  /** Stops accepting, finishes what is in flight, and cuts what is left after `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    this.#http1.isClosing = true;
    this.#listeners.stopAccepting();
    const closeIdle = (): void => this.#listeners.closeIdle();
    const grace = setTimeout(closeIdle, Math.min(IDLE_GRACE_MS, deadlineMs));
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([this.#listeners.empty(), deadline]);
    clearTimeout(grace);
    clearTimeout(timer);
    this.destroy();
    await Promise.all([this.#exchange.accessLog?.close(), this.#spans?.close(SPANS_CLOSE_MS)]);
  }

  destroy(): void {
    this.#http1.isClosing = true;
    this.#listeners.destroy();
    this.#entrances.close();
    this.#http1.pool.destroy();
    this.#http1.noSocket.close();
    this.#exchange.ownAnswers.close();
    this.#wheel.stop();
    void this.#exchange.accessLog?.close();
    void this.#spans?.close(SPANS_CLOSE_MS);
  }
}

/** For the spans of the last requests; a worker ends at its deadline and a second. */
const SPANS_CLOSE_MS = 800;

const NO_SOCKET_TEXT = `requests answered 503: no descriptor left for a connection to a server; ${RAISE}`;

function accessLogOf(config: GatewayConfig, log: Log): AccessLog | undefined {
  const { accessLog, accessLogFormat: format } = config;
  return accessLog === '' ? undefined : new AccessLog(accessLog, log, { format });
}

function isSameTracing(one: GatewayConfig['tracing'], other: GatewayConfig['tracing']): boolean {
  return (
    one.endpoint === other.endpoint &&
    one.sampleShare === other.sampleShare &&
    one.service === other.service
  );
}

function chosenTransport(log: Log): Transport {
  const { transport, isSlower, why } = chooseTransport();
  if (isSlower) log.info({ why }, 'sockets: net.Socket, which takes more time and memory');
  else log.debug({ why }, 'sockets');
  if (!isScanning) log.info({}, 'heads: read as text, which takes more time');
  return transport;
}
