// Records of a name, from any of several DNS servers: the next one is asked when one gives no answer. That
// a name does not exist, or has no such records, is an answer; that a server fails is none.

import type { Address } from '../../../base/units.ts';
import { formatAddress } from '../../../base/units.ts';
import { askServer } from './exchange.ts';
import { type DnsRecord, isSameName, type QuestionType } from './message.ts';

/** Each server is asked so often. */
const ROUNDS = 2;
/** Names that are only other words for a name, one behind the other. */
const ALIASES_MAX = 8;
const NAME_UNKNOWN = 3;
const CODES: Readonly<Record<number, string>> = {
  1: 'FORMERR',
  2: 'SERVFAIL',
  4: 'NOTIMP',
  5: 'REFUSED',
};

type RecordOf<Type extends QuestionType> = DnsRecord & { readonly type: Type };

export type Resolved<Type extends QuestionType> = {
  /** Empty: there are none. */
  readonly records: readonly RecordOf<Type>[];
  /** Others that came with them. */
  readonly additional: readonly DnsRecord[];
  /** How long this holds, s; undefined when nobody said. */
  readonly ttl: number | undefined;
};

export type ResolverOptions = {
  /** At least one, in the order in which they are asked. */
  readonly servers: readonly Address[];
  readonly timeoutMs: number;
};

/** Why there is no answer. */
export type Unresolved = { readonly reason: string };

export class Resolver {
  readonly #options: ResolverOptions;
  #current = 0;

  constructor(options: ResolverOptions) {
    this.#options = options;
  }

  async resolve<Type extends QuestionType>(
    name: string,
    type: Type,
    signal: AbortSignal,
  ): Promise<Resolved<Type> | Unresolved> {
    let ttl: number | undefined;
    let asked = name;
    for (let aliases = 0; aliases <= ALIASES_MAX; aliases += 1) {
      const found = await this.#ask(asked, type, signal);
      if ('reason' in found) return found;
      const { answers, additional, authority } = found;
      const { owner, ttl: aliasTtl } = followAliases(answers, asked);
      ttl = least(ttl, aliasTtl);
      const records = answers.filter(
        (record): record is RecordOf<Type> =>
          record.type === type && isSameName(record.name, owner),
      );
      if (records.length > 0) {
        return { records, additional, ttl: records.reduce((all, one) => least(all, one.ttl), ttl) };
      }
      if (isSameName(owner, asked)) {
        const soa = authority.find((record) => record.type === 'SOA');
        const negative = soa?.type === 'SOA' ? Math.min(soa.ttl, soa.negativeTtl) : undefined;
        return { records: [], additional: [], ttl: least(ttl, negative) };
      }
      // A server that does not follow the alias itself.
      asked = owner;
    }
    return { reason: `${name}: an alias of an alias of …, ${ALIASES_MAX} times` };
  }

  async #ask(name: string, type: QuestionType, signal: AbortSignal) {
    const { servers, timeoutMs } = this.#options;
    const troubles = new Map<string, string>();
    for (let tries = 0; tries < ROUNDS * servers.length; tries += 1) {
      const server = servers[this.#current % servers.length];
      if (server === undefined || signal.aborted) break;
      const answer = await askServer({ server, name, type, timeoutMs, signal });
      const isAnswer =
        typeof answer !== 'string' && (answer.code === 0 || answer.code === NAME_UNKNOWN);
      if (isAnswer) return answer;
      const why =
        typeof answer === 'string' ? answer : (CODES[answer.code] ?? `code ${answer.code}`);
      troubles.set(formatAddress(server), why);
      if (servers[this.#current % servers.length] === server) this.#current += 1;
    }
    const said = [...troubles].map(([server, why]) => `${server} ${why}`).join(', ');
    return { reason: `${name} ${type}: ${said === '' ? 'given up' : said}` };
  }
}

/** The name that the answers speak of, and how long that holds. */
function followAliases(
  answers: readonly DnsRecord[],
  name: string,
): { readonly owner: string; readonly ttl: number | undefined } {
  let owner = name;
  let ttl: number | undefined;
  for (let aliases = 0; aliases < ALIASES_MAX; aliases += 1) {
    const alias = answers.find((one) => one.type === 'CNAME' && isSameName(one.name, owner));
    if (alias?.type !== 'CNAME') break;
    owner = alias.target;
    ttl = least(ttl, alias.ttl);
  }
  return { owner, ttl };
}

export function least(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}
