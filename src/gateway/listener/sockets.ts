// How many sockets a worker may have, and who may have them. Every client and every connection to a
// server takes a descriptor of the one limit of the process; at the limit the system closes new clients
// without a word to anybody, so we stay below it and decide ourselves: idle server connections give way
// first, then a client is turned away or a request refused, each with its answer.
//
//   limit │ everything else, SPARE │ turned away, lingering │ clients, 3/4 at most ┊ server connections
//
// The rest of the process (files, channels, libraries) is measured, not guessed, again and again.

import type { Descriptors } from '../../base/descriptors.ts';

/** What the process has open besides sockets is at least counted as so much. */
const ELSEWHERE_MIN = 40;
/** Descriptors that are never used up: files that are opened for a moment, sockets being closed. */
const SPARE = 16;
/** Clients beyond the limit that have their 503 and are about to leave. */
const AWAY_MAX = 64;
const AWAY_PART = 1 / 8;
/** Idle clients need no server connection, busy ones do: a part of the room is always left for these. */
const CLIENTS_PART = 3 / 4;

/** What fits under a limit of `max` descriptors, `elsewhere` of which are not sockets of ours. */
export function socketRoom(
  max: number,
  elsewhere: number = ELSEWHERE_MIN,
): { readonly sockets: number; readonly clients: number; readonly away: number } {
  const usable = Math.max(8, max - Math.max(elsewhere, ELSEWHERE_MIN) - SPARE);
  const away = Math.min(AWAY_MAX, Math.floor(usable * AWAY_PART));
  const sockets = usable - away;
  return { sockets, away, clients: Math.floor(sockets * CLIENTS_PART) };
}

/** The least limit under which so many clients fit. */
export function descriptorsFor(clients: number): number {
  const sockets = Math.ceil(clients / CLIENTS_PART);
  const away = Math.min(AWAY_MAX, Math.ceil((sockets * AWAY_PART) / (1 - AWAY_PART)));
  return sockets + away + ELSEWHERE_MIN + SPARE;
}

export class Sockets {
  /** Open now; written by their owners. */
  clients = 0;
  away = 0;
  servers = 0;
  /** Clients that the worker serves at most. */
  clientsMax = 0;
  /** Clients that may linger after they were turned away. */
  awayMax = 0;
  /** Descriptors of the whole process, as last measured. */
  open = 0;
  readonly max: number;
  /** True: it is the descriptors that bound the clients, not the configuration. */
  isShort = false;
  readonly #descriptors: Descriptors;
  #wanted: number;
  #socketsMax = 0;

  /** `clientsWanted`: 0 = as many as there is room for. */
  constructor(descriptors: Descriptors, clientsWanted: number) {
    this.#descriptors = descriptors;
    this.#wanted = clientsWanted;
    this.max = descriptors.max();
    this.measure();
  }

  /** Another number of clients is wanted from now on; those beyond it stay. */
  limit(clientsWanted: number): void {
    this.#wanted = clientsWanted;
    this.measure();
  }

  /** Looks at what else is open and divides the rest anew. */
  measure(): void {
    this.open = this.#descriptors.open();
    const room = socketRoom(this.max, this.open - this.clients - this.away - this.servers);
    this.#socketsMax = room.sockets;
    this.awayMax = room.away;
    this.isShort = this.#wanted === 0 || this.#wanted > room.clients;
    this.clientsMax = this.isShort ? room.clients : this.#wanted;
  }

  /** One more client or server connection would be one too many. */
  get isFull(): boolean {
    return this.clients + this.servers >= this.#socketsMax;
  }
}
