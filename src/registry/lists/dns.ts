// Names in DNS as lists of servers: addresses of a host, or the SRV records of a service.

export { type DnsOptions, dnsSource } from './dns/dns-source.ts';
export type { Family } from './dns/lookup.ts';
