// What is wrong with the name under which an upstream is looked up in a registry, by kinds of registry; ''
// for a good one, undefined: the upstream's own.

import { isIP } from 'node:net';
import { parseAddress } from '../../../base/units.ts';

/** For kinds whose lists people write by the names of the upstreams. */
export function ownName(service: string | undefined): string {
  return service === undefined
    ? ''
    : "has each upstream under the upstream's own name; write the name of the registry alone";
}

/** What Consul takes as the name of a service; others it knows, but cannot be reached by DNS. */
export function serviceName(service: string | undefined): string {
  return service === undefined || /^[\w.-]{1,128}$/.test(service)
    ? ''
    : 'has no service of that name; write letters, digits, _ . or -';
}

/** A host with a port, or the name of SRV records. */
export function dnsName(service: string | undefined): string {
  const example = 'app.internal:8080 (addresses) or _http._tcp.app.internal (SRV)';
  if (service === undefined) return `knows no upstreams, only names; write one, like ${example}`;
  const plain = service.replace(/\.(?=$|:)/, '');
  const address = parseAddress(plain.includes(':') ? plain : `${plain}:1`);
  return address === undefined || isIP(address.host) !== 0
    ? `cannot look that up; write a name like ${example}`
    : '';
}
