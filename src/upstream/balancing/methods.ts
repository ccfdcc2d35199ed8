// The table of methods. The compiler asks for a line here when a word is added to `BALANCES`.

import type { Balance } from '../../model.ts';
import type { Balancer, BalancerOptions } from './balancer.ts';
import { Hash } from './methods/hash.ts';
import { IpHash } from './methods/ip-hash.ts';
import { LeastConn } from './methods/least-conn.ts';
import { LeastTime } from './methods/least-time.ts';
import { RandomTwo } from './methods/random-two.ts';
import { RoundRobin } from './methods/round-robin.ts';

const METHODS: Readonly<Record<Balance, (options: BalancerOptions) => Balancer>> = {
  round_robin: (options) => new RoundRobin(options),
  least_conn: (options) => new LeastConn(options),
  least_time: (options) => new LeastTime(options),
  random_two: (options) => new RandomTwo(options),
  hash: (options) => new Hash(options),
  ip_hash: (options) => new IpHash(options),
};

export function createBalancer(balance: Balance, options: BalancerOptions): Balancer {
  return METHODS[balance](options);
}

/** For a tier that has no servers yet. */
export function createEmptyBalancer(): Balancer {
  return new RoundRobin({ servers: [] });
}
