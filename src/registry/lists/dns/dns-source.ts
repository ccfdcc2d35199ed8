// Servers by DNS: each upstream is a name that is asked for again when its answer has run out. An answer
// that fails leaves the list as it was; a name that is gone, or has no addresses any more, is an emptied
// list, and held like one.

import { getServers } from 'node:dns';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { type Address, formatAddress, parseAddress } from '../../../base/units.ts';
import type { MembershipSource } from '../../membership-source.ts';
import { type LookupEvents, listSource } from '../list-source.ts';
import { type Family, NameLookup } from './lookup.ts';
import { Resolver } from './resolver.ts';

export type DnsOptions = {
  /** Those of the system when there are none here. */
  readonly resolvers: readonly Address[];
  readonly family: Family;
  /** A shorter TTL is this long, a longer one as long as that. */
  readonly ttlMinMs: number;
  readonly ttlMaxMs: number;
  /** Of one question to one resolver. */
  readonly timeoutMs: number;
  readonly log: Log;
};

/** What nobody said how long it holds, and that there is nothing, is asked again after at most that. */
const UNSAID_MS = 2_000;
/** After a failure, doubled with each further one. */
const FAILED_FIRST_MS = 1_000;
const FAILED_MAX_MS = 15_000;

export function dnsSource(options: DnsOptions): MembershipSource {
  const { log, family, timeoutMs } = options;
  return listSource({
    log,
    open() {
      const servers = options.resolvers.length > 0 ? options.resolvers : systemResolvers();
      const resolver = new Resolver({ servers, timeoutMs });
      return {
        address: () => servers.map(formatAddress).join(', '),
        look(upstream, service, events) {
          const closing = new AbortController();
          const lookup = new NameLookup({ upstream, service, family, resolver });
          follow(lookup, options, events, closing.signal).catch((error: unknown) => {
            log.error({ upstream, service, reason: messageOf(error) }, 'lookups of a name ended');
          });
          return { close: () => closing.abort() };
        },
        close() {},
      };
    },
  });
}

async function follow(
  lookup: NameLookup,
  options: DnsOptions,
  events: LookupEvents,
  signal: AbortSignal,
): Promise<void> {
  let index = 0;
  let failures = 0;
  let last = '';
  while (!signal.aborted) {
    const found = await lookup.look(signal);
    if (signal.aborted) return;
    let pauseMs: number;
    if ('reason' in found) {
      pauseMs = Math.min(FAILED_MAX_MS, FAILED_FIRST_MS * 2 ** Math.min(failures, 10));
      pauseMs = Math.min(pauseMs, Math.max(FAILED_FIRST_MS, options.ttlMaxMs));
      failures += 1;
      events.onTrouble(found.reason);
    } else {
      failures = 0;
      const { entries, problems, ttl } = found;
      const text = [
        ...entries.map(({ key, value }) => `${key} ${value}`),
        ...problems.map(({ message }) => message),
      ].join('\n');
      if (text !== last) index += 1;
      last = text;
      events.onList({ index, entries, problems });
      const isEmpty = entries.length === 0;
      const saidMs =
        ttl === undefined || isEmpty ? Math.min(UNSAID_MS, (ttl ?? 60) * 1000) : ttl * 1000;
      pauseMs = Math.min(options.ttlMaxMs, Math.max(options.ttlMinMs, saidMs));
    }
    await delay(pauseMs, undefined, { signal, ref: false }).catch(() => {});
  }
}

/** As the system has them now; loopback when it has none. */
function systemResolvers(): readonly Address[] {
  const found = getServers().flatMap((text) => {
    const bare = text.includes(':') && !text.startsWith('[') ? `[${text}]` : text;
    return parseAddress(bare) ?? parseAddress(`${bare}:53`) ?? [];
  });
  return found.length > 0 ? found : [{ host: '127.0.0.1', port: 53 }];
}
