// The addresses that a gateway listens on, and the clients that came in by them: who is let in, who is
// turned away with a 503, and who is waited for at the end. What a client speaks is not known here.

import type { Log } from '../../base/log.ts';
import type { ListenAddress, ListenerConfig } from '../../config.ts';
import type { UnderWay } from '../message.ts';
import { RareLine } from '../rare-line.ts';
import type { Connection, Listening, ListenOptions, TlsGate, Transport } from '../transport.ts';
import type { Wheel } from '../wheel.ts';
import type { Sockets } from './sockets.ts';

/** A client's connection, whatever it speaks. */
export interface Client {
  readonly exchange: UnderWay | undefined;
  /** An answer to whatever it may ask, then a lingering close. */
  refuse(status: number, reason: string): void;
  closeIfIdle(): void;
  destroy(): void;
}

/** Makes a client of a connection; `onClosed` is called once, never within. */
export type Serve = (
  connection: Connection,
  listener: ListenerConfig,
  onClosed: (client: Client) => void,
) => Client;

export type ListenersOptions = {
  readonly transport: Transport;
  readonly wheel: Wheel;
  readonly log: Log;
  readonly sockets: Sockets;
  /** Room for one more socket, if need be at the cost of idle server connections. */
  readonly makeRoom: () => boolean;
  readonly serve: Serve;
  /** Asked for each client: as in ListenOptions. */
  readonly gate: (id: string) => TlsGate | 'plain' | undefined;
};

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #clients = new Set<Client>();
  /** Turned away: they have their 503 and linger, the oldest first. */
  readonly #away = new Set<Client>();
  readonly #turnedAway: RareLine;
  /** The last one: because of max_connections, not for want of descriptors. */
  #isAwayByConfig = false;
  readonly #acceptFailures: RareLine;
  #acceptError = '';
  /** By id; undefined while it is being opened. */
  readonly #listening = new Map<string, Listening | undefined>();
  #onEmpty: (() => void) | undefined;

  constructor(options: ListenersOptions) {
    this.#options = options;
    const { wheel, log } = options;
    this.#turnedAway = new RareLine(wheel, (count) => this.#sayTurnedAway(count));
    this.#acceptFailures = new RareLine(wheel, (clients) =>
      log.warn({ clients, code: this.#acceptError }, 'clients lost before they were accepted'),
    );
  }

  /** Clients connected now. */
  get size(): number {
    return this.#clients.size;
  }

  /** Clients since the start that got a 503 because there were too many. */
  get turnedAway(): number {
    return this.#turnedAway.total;
  }

  /** Clients since the start that were lost before they were accepted. */
  get acceptFailures(): number {
    return this.#acceptFailures.total;
  }

  /** It listens nowhere. */
  get isClosed(): boolean {
    return this.#listening.size === 0;
  }

  /**
   * Nothing where it is open. `handle`: a socket that another process bound for us.
   * @throws address_in_use, address_unavailable
   */
  async open(listener: ListenerConfig, handle?: object): Promise<ListenAddress> {
    const { id, host, port } = listener;
    if (this.#listening.has(id)) return this.#listening.get(id) ?? listener;
    const options: ListenOptions = {
      ...{ host, port, tls: () => this.#options.gate(id) },
      ...(handle === undefined ? {} : { handle }),
    };
    this.#listening.set(id, undefined);
    try {
      const listening = await this.#options.transport.listen(
        options,
        (connection) => this.#accept(connection, listener),
        (code) => {
          this.#acceptError = code;
          this.#acceptFailures.note();
        },
      );
      // Meanwhile it may have been closed, or opened again.
      if (this.#listening.has(id) && this.#listening.get(id) === undefined) {
        this.#listening.set(id, listening);
      } else listening.close();
      return listening;
    } catch (error) {
      if (this.#listening.get(id) === undefined) this.#listening.delete(id);
      throw error;
    }
  }

  /** Those that are not among these accept no more clients; those that are here live on. */
  keep(ids: ReadonlySet<string>): void {
    for (const [id, listening] of this.#listening) {
      if (ids.has(id)) continue;
      this.#listening.delete(id);
      listening?.close();
    }
  }

  /** No new clients; those that are here live on. */
  stopAccepting(): void {
    this.keep(new Set());
  }

  *underWay(): Generator<UnderWay> {
    for (const { exchange } of this.#clients) if (exchange !== undefined) yield exchange;
  }

  closeIdle(): void {
    for (const client of this.#clients) client.closeIfIdle();
  }

  /** When the last client has left. */
  empty(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
      if (this.#clients.size === 0) resolve();
    });
  }

  destroy(): void {
    this.stopAccepting();
    for (const client of [...this.#clients, ...this.#away]) client.destroy();
    this.#turnedAway.close();
    this.#acceptFailures.close();
  }

  #accept(connection: Connection, listener: ListenerConfig): void {
    const { sockets, makeRoom, serve } = this.#options;
    const isBound = sockets.clients >= sockets.clientsMax;
    if (isBound || !makeRoom()) {
      this.#isAwayByConfig = isBound && !sockets.isShort;
      return this.#turnAway(connection, listener);
    }
    sockets.clients += 1;
    this.#clients.add(serve(connection, listener, this.#onClosed));
  }

  /** A 503 and a lingering close. In a flood those that linger longest are closed to make room. */
  #turnAway(connection: Connection, listener: ListenerConfig): void {
    const { sockets, serve } = this.#options;
    this.#turnedAway.note();
    for (const longest of this.#away) {
      if (sockets.away < sockets.awayMax) break;
      longest.destroy();
    }
    const client = serve(connection, listener, this.#onAwayClosed);
    sockets.away += 1;
    this.#away.add(client);
    client.refuse(503, 'too many connections');
  }

  /** Nothing else shows it: a connection that is turned away has sent no request yet. */
  #sayTurnedAway(count: number): void {
    const { sockets, log } = this.#options;
    log.warn(
      { turnedAway: count, turnedAwayTotal: this.#turnedAway.total, ...socketFields(sockets) },
      this.#isAwayByConfig ? TURNED_AWAY_TEXT : TURNED_AWAY_BY_SYSTEM_TEXT,
    );
  }

  readonly #onClosed = (client: Client): void => {
    this.#clients.delete(client);
    this.#options.sockets.clients -= 1;
    if (this.#clients.size === 0) this.#onEmpty?.();
  };

  readonly #onAwayClosed = (client: Client): void => {
    this.#away.delete(client);
    this.#options.sockets.away -= 1;
  };
}

/** What to do when descriptors are short. */
export const RAISE = 'raise the limit of open files (ulimit -n; systemd: LimitNOFILE=)';
const TURNED_AWAY_TEXT =
  'clients turned away with 503: as many are connected as max_connections allows; raise it';
const TURNED_AWAY_BY_SYSTEM_TEXT = `clients turned away with 503: no descriptors left for them; ${RAISE}`;

/** For a log line. */
export function socketFields({ clients, clientsMax, servers, open, max }: Sockets): object {
  return {
    ...{ clients, clientsMax, serverConnections: servers },
    ...{ descriptorsOpen: open, descriptorsMax: max },
  };
}
