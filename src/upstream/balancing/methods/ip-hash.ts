// By the client's address, as nginx's ip_hash: the first three numbers of an IPv4 address, so that a
// client keeps its server while its provider moves it within a network, and all of an IPv6 address.
// A server that may not take requests keeps its place: only its own clients are hashed once more.
//
//   hash = 89; for each byte: hash = (hash × 113 + byte) mod 6271
//   w = hash mod (sum of the weights); the first server whose weights, summed up to it, are above w
//
// 192.0.2.x: 89 → 3978 → 4273 → 6255; with weights 2, 1: w = 6255 mod 3 = 0, the first.
//
// Source: nginx src/http/modules/ngx_http_upstream_ip_hash_module.c.

import { isIPv4, isIPv6 } from 'node:net';
import type { BalanceKey } from '../../../model.ts';
import type { Server } from '../../server.ts';
import type { Balanced, Balancer, BalancerOptions } from '../balancer.ts';
import { mayTake, placeOf } from '../open-servers.ts';
import { WeightTree } from '../weight-tree.ts';
import { RoundRobin } from './round-robin.ts';

const CLIENT: BalanceKey = { kind: 'client', name: '' };
const SEED = 89;
/** After this many tries it goes round robin, as nginx does. */
const TRIES_MAX = 20;

export class IpHash implements Balancer {
  readonly goesByList = true;
  readonly #servers: readonly Server[];
  /** Also of those that may not take requests. */
  readonly #weights: WeightTree;
  readonly #other: RoundRobin;

  constructor(options: BalancerOptions) {
    this.#servers = options.servers;
    this.#weights = new WeightTree(options.servers.map(({ state }) => state.weight));
    this.#other = new RoundRobin(options);
  }

  pick(request: Balanced, nowMs: number): Server | undefined {
    if (this.#servers.length > 1) {
      const client = request.keyOf(CLIENT);
      let hash = SEED;
      for (let tries = 0; tries <= TRIES_MAX; tries += 1) {
        hash = hashAddress(hash, client);
        const server = this.#servers[this.#weights.find(hash % this.#weights.total)];
        if (server !== undefined && mayTake(server, request.tried, nowMs)) return server;
      }
    }
    return this.#other.pick(request, nowMs);
  }

  add(server: Server): void {
    this.#other.add(server);
    this.#weights.set(placeOf(this.#servers, server), server.state.weight);
  }

  remove(server: Server): void {
    this.#other.remove(server);
  }

  close(): void {
    this.#other.close();
  }
}

/** One round over the address's bytes. Text that is no address counts byte by byte. */
export function hashAddress(seed: number, address: string): number {
  let hash = seed;
  const add = (byte: number): void => {
    hash = (hash * 113 + byte) % 6271;
  };
  if (isIPv4(address)) {
    const [first = '', second = '', third = ''] = address.split('.');
    add(Number(first));
    add(Number(second));
    add(Number(third));
  } else if (isIPv6(address)) for (const byte of ipv6Bytes(address)) add(byte);
  else for (const byte of Buffer.from(address, 'latin1')) add(byte);
  return hash;
}

/** The 16 bytes of a valid IPv6 address. */
function ipv6Bytes(address: string): Uint8Array {
  const bytes = new Uint8Array(16);
  // A dotted tail is two groups.
  const plain = address
    .replace(/%.*$/, '')
    .replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a: string, b: string, c: string, d: string) => {
      const high = Number(a) * 256 + Number(b);
      const low = Number(c) * 256 + Number(d);
      return `${high.toString(16)}:${low.toString(16)}`;
    });
  const [left = '', right] = plain.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const front = groups(left);
  const back = right === undefined ? [] : groups(right);
  for (const [index, group] of front.entries()) setGroup(bytes, index, group);
  for (const [index, group] of back.entries()) setGroup(bytes, 8 - back.length + index, group);
  return bytes;
}

function setGroup(bytes: Uint8Array, index: number, group: number): void {
  bytes[2 * index] = group >>> 8;
  bytes[2 * index + 1] = group & 0xff;
}
