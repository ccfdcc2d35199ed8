// Consistent hashing by a key of the request: the same key goes to the same server as long as that one
// may take it, else to the next on the circle (ketama.ts). With a bound on the load no server gets more
// than `loadMax` hundredths of the mean per weight: a hot key spills over to the next server.
//
//   cap(server) = ceil(loadMax / 100 × (in flight of the tier + 1) × weight / weight of the tier)
//
// | loadMax 125, in flight a 4, b 1, c 0 | cap = ceil(1.25 × 6 / 3) = 3: a key of a goes on to the next |
//
// Source: nginx ngx_http_upstream_hash_module.c; Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing
// with Bounded Loads" (2016); HAProxy's hash-balance-factor.

import type { BalanceKey } from '../../../model.ts';
import type { Server } from '../../server.ts';
import type { Balanced, Balancer, BalancerOptions } from '../balancer.ts';
import { isOpen, mayTake, placeOf } from '../open-servers.ts';
import { crc32, Ring, type RingMember } from './ketama.ts';
import { RoundRobin } from './round-robin.ts';

export class Hash implements Balancer {
  readonly goesByList = true;
  readonly #servers: readonly Server[];
  readonly #key: BalanceKey;
  readonly #loadMax: number;
  /** For requests without the key: they must not all go to one server. */
  readonly #keyless: RoundRobin;
  readonly #members: RingMember[];
  /** Of the servers that the table lets take requests. */
  readonly #tally = { inFlight: 0 };
  #weight = 0;
  /** It is made with the first pick, and handed on while no server joins, leaves or changes its weight. */
  #ring: Ring | undefined;

  constructor(options: BalancerOptions) {
    this.#servers = options.servers;
    this.#members = options.servers.map(ringMember);
    this.#key = options.key;
    this.#loadMax = options.loadMax;
    this.#keyless = new RoundRobin(options);
    for (const server of options.servers) if (isOpen(server)) this.#count(server);
    if (options.before instanceof Hash) this.#ring = options.before.#ringFor(this.#members);
  }

  pick(request: Balanced, nowMs: number): Server | undefined {
    const key = request.keyOf(this.#key);
    if (key === '') return this.#keyless.pick(request, nowMs);
    this.#ring ??= new Ring(this.#members);
    const ring = this.#ring;
    const start = ring.find(crc32(key));
    // What a server may have in flight per weight.
    const most =
      this.#loadMax > 0
        ? ((this.#loadMax / 100) * (this.#tally.inFlight + 1)) / this.#weight
        : Number.POSITIVE_INFINITY;
    let overloaded: Server | undefined;
    for (let point = start; point < start + ring.size; point += 1) {
      const server = this.#servers[ring.ownerAt(point)];
      if (server === undefined || !mayTake(server, request.tried, nowMs)) continue;
      if (server.inFlight < Math.ceil(most * server.state.weight)) return server;
      // This happens only when fewer servers are eligible than the bound was made for.
      overloaded ??= server;
    }
    return overloaded;
  }

  add(server: Server): void {
    this.#keyless.add(server);
    this.#count(server);
    const at = placeOf(this.#servers, server);
    if (this.#members[at]?.weight === server.state.weight) return;
    this.#members[at] = ringMember(server);
    this.#ring = undefined;
  }

  remove(server: Server): void {
    // Its points stay on the circle and are passed over.
    this.#keyless.remove(server);
    this.#weight -= server.state.weight;
    this.#tally.inFlight -= server.inFlight;
    server.tally = undefined;
  }

  close(): void {
    this.#keyless.close();
    for (const server of this.#servers) server.tally = undefined;
  }

  #count(server: Server): void {
    this.#weight += server.state.weight;
    this.#tally.inFlight += server.inFlight;
    server.tally = this.#tally;
  }

  #ringFor(members: readonly RingMember[]): Ring | undefined {
    const isSame =
      members.length === this.#members.length &&
      members.every((member, at) => isSameMember(member, this.#members[at]));
    return isSame ? this.#ring : undefined;
  }
}

function ringMember({ host, port, state }: Server): RingMember {
  return { host, port, weight: state.weight };
}

function isSameMember(a: RingMember, b: RingMember | undefined): boolean {
  return a.host === b?.host && a.port === b.port && a.weight === b.weight;
}
