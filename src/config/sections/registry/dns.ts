// The kind of registry that is DNS.

import { list, section } from '../shapes.ts';
import { address, choice, duration } from '../values.ts';
import { kindOf } from './kind.ts';
import { dnsName } from './names.ts';

export const dns = kindOf({
  kind: 'dns',
  keys: section(
    'Names in DNS: an upstream follows one by `registry: { default: app.internal:8080 }` (all its addresses) or `{ default: _http._tcp.app.internal }` (SRV records).',
    {
      resolvers: list(
        'DNS servers, asked in this order. Left out: those of this machine.',
        address('A DNS server.'),
      ).prefault([]),
      family: choice({
        about: 'Addresses that count.',
        initial: 'both',
        words: ['both', 'ipv4', 'ipv6'],
      }),
      ttl_min: duration({
        about: 'A shorter TTL is taken as this.',
        initial: '1s',
        least: '10ms',
      }),
      ttl_max: duration({
        about: 'A longer TTL is taken as this.',
        initial: '5m',
        least: '10ms',
      }),
      timeout: duration({
        about: 'Of one question to one server; each is asked twice.',
        initial: '2s',
        least: '10ms',
      }),
    },
  ),
  called: /dns/i,
  example: (_, resolver) => (resolver === '' ? '{}' : `{ resolvers: ${resolver} }`),
  settings: ({ resolvers, family, ttl_min, ttl_max, timeout }) => ({
    ...{ kind: 'dns' as const, resolvers, family },
    ...{ ttlMinMs: ttl_min, ttlMaxMs: Math.max(ttl_min, ttl_max), timeoutMs: timeout },
  }),
  listen: () => undefined,
  serversIn: () => 'DNS',
  serviceProblem: dnsName,
});
