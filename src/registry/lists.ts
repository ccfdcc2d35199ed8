// Sources that are asked for the list of one upstream at a time: DNS, and Consul's services.

export { type DnsOptions, dnsSource, type Family } from './lists/dns.ts';
export { type ServicesOptions, servicesSource } from './lists/services.ts';
