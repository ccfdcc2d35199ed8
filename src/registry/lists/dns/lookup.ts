// The servers that a name means, from its records. Two forms of a name:
//
//   app.internal:8080          its A and AAAA records, each address with that port
//   _http._tcp.app.internal    its SRV records: port and weight of each target, and all its addresses; the
//                              lowest priority takes the requests, the others are backups
//
// A target that cannot be looked up keeps the addresses that it had; one that does not exist has none.

import { isIP } from 'node:net';
import { formatAddress } from '../../../base/units.ts';
import type { RecordProblem, RecordText } from '../../records.ts';
import { type DnsRecord, isSameName } from './message.ts';
import { least, type Resolver, type Unresolved } from './resolver.ts';

export type Family = 'both' | 'ipv4' | 'ipv6';

export type Found = {
  readonly entries: readonly RecordText[];
  readonly problems: readonly RecordProblem[];
  /** s; undefined when nobody said. */
  readonly ttl: number | undefined;
};

type ServerFound = { readonly weight: number; readonly backup: boolean };

export class NameLookup {
  readonly #upstream: string;
  readonly #service: string;
  readonly #family: Family;
  readonly #resolver: Resolver;
  /** The last addresses of each SRV target. */
  #targets = new Map<string, readonly string[]>();

  constructor(options: {
    readonly upstream: string;
    readonly service: string;
    readonly family: Family;
    readonly resolver: Resolver;
  }) {
    this.#upstream = options.upstream;
    this.#service = options.service;
    this.#family = options.family;
    this.#resolver = options.resolver;
  }

  async look(signal: AbortSignal): Promise<Found | Unresolved> {
    const [, host = '', port] = /^(.*?)\.?(?::(\d+))?$/.exec(this.#service) ?? [];
    if (port === undefined) return this.#bySrv(host, signal);
    const found = await this.#addresses(host, signal);
    if ('reason' in found) return found;
    const servers = new Map(
      found.addresses.map((address) => [
        formatAddress({ host: address, port: Number(port) }),
        { weight: 1, backup: false },
      ]),
    );
    return { entries: this.#entries(servers), problems: [], ttl: found.ttl };
  }

  async #bySrv(name: string, signal: AbortSignal): Promise<Found | Unresolved> {
    const answer = await this.#resolver.resolve(name, 'SRV', signal);
    if ('reason' in answer) return answer;
    // A target that is the root says that there is no such service: RFC 2782.
    const records = answer.records.filter(({ target }) => target !== '');
    const names = [...new Set(records.map(({ target }) => target.toLowerCase()))];
    const looked = await Promise.all(
      names.map((target) => this.#target(target, answer.additional, signal)),
    );
    this.#targets = new Map(looked.map(({ target, addresses }) => [target, addresses]));
    const first = Math.min(...records.map(({ priority }) => priority));
    const servers = new Map<string, ServerFound>();
    const sorted = records.toSorted((a, b) => a.priority - b.priority || b.weight - a.weight);
    for (const { target, port, weight, priority } of sorted) {
      for (const host of this.#targets.get(target.toLowerCase()) ?? []) {
        const server = formatAddress({ host, port });
        // 0 means a very small share; ours begin at 1, as in nginx.
        const found = { weight: Math.max(1, weight), backup: priority > first };
        if (!servers.has(server)) servers.set(server, found);
      }
    }
    const problems = looked.flatMap(({ target, trouble }) =>
      trouble === '' ? [] : [this.#problem(target, trouble)],
    );
    const ttl = looked.reduce((all, one) => least(all, one.ttl), answer.ttl);
    return { entries: this.#entries(servers), problems, ttl };
  }

  async #target(target: string, additional: readonly DnsRecord[], signal: AbortSignal) {
    const given = additional.filter((record) => isSameName(record.name, target));
    const addresses = given.flatMap((record) =>
      record.type === 'A' || record.type === 'AAAA' ? [record.address] : [],
    );
    const isWanted = (address: string): boolean =>
      this.#family === 'both' || isIP(address) === (this.#family === 'ipv4' ? 4 : 6);
    const wanted = addresses.filter(isWanted);
    if (wanted.length > 0) {
      const ttl = given.reduce<number | undefined>((all, one) => least(all, one.ttl), undefined);
      return { target, addresses: wanted, trouble: '', ttl };
    }
    const found = await this.#addresses(target, signal);
    if (!('reason' in found)) {
      const trouble = found.addresses.length === 0 ? 'has no address; not added' : '';
      return { target, ...found, trouble };
    }
    const known = this.#targets.get(target) ?? [];
    const effect = known.length === 0 ? 'not added' : 'its last addresses stay';
    return { target, addresses: known, trouble: `${found.reason} (${effect})`, ttl: undefined };
  }

  async #addresses(
    name: string,
    signal: AbortSignal,
  ): Promise<
    { readonly addresses: readonly string[]; readonly ttl: number | undefined } | Unresolved
  > {
    const family = this.#family;
    const types =
      family === 'both' ? (['A', 'AAAA'] as const) : ([family === 'ipv4' ? 'A' : 'AAAA'] as const);
    const answers = await Promise.all(
      types.map((type) => this.#resolver.resolve(name, type, signal)),
    );
    const addresses: string[] = [];
    let [ttl, negative]: (number | undefined)[] = [];
    for (const answer of answers) {
      // Half an answer would take the other half of the servers away.
      if ('reason' in answer) return answer;
      for (const { address } of answer.records) addresses.push(address);
      // That there are no addresses of the other family is no news; that there are none at all is.
      if (answer.records.length > 0) ttl = least(ttl, answer.ttl);
      else negative = least(negative, answer.ttl);
    }
    return { addresses: [...new Set(addresses)], ttl: ttl ?? negative };
  }

  /** In an order of their own: DNS turns its answers round. */
  #entries(servers: ReadonlyMap<string, ServerFound>): readonly RecordText[] {
    return [...servers]
      .toSorted(([a, one], [b, other]) => Number(one.backup) - Number(other.backup) || order(a, b))
      .map(([server, { weight, backup }]) => ({
        key: `${this.#upstream}/${server}`,
        value: Buffer.from(JSON.stringify(backup ? { weight, backup: 1 } : { weight })),
      }));
  }

  #problem(target: string, message: string): RecordProblem {
    return { service: this.#upstream, server: '', key: target, message };
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
