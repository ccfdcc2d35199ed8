// Who a request is for: the Host field and the authority of an absolute-form target (RFC 9110 7.2,
// RFC 3986 3.2). Stricter than the RFC where a server may read it in another way: no comma, no
// userinfo, no empty host with a port, no `..`.

import { isIPv6 } from 'node:net';

/** Group 1: a bracketed address; group 2: a name; group 3: the port, may be empty. */
const AUTHORITY =
  /^(?:\[([0-9A-Fa-f:.]{2,45})\]|((?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+))(?::([0-9]{0,5}))?$/;

/** What nearly every client sends: no port, or a port of 1 to 4 digits, nothing to normalise. */
const SIMPLE = /^[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[1-9][0-9]{0,3})?$/;

/** The one that was asked for last: nearly always the next one, too. */
let lastAuthority = '';
let lastHost: string | undefined;

/** The host in lower case, without port and final dot; undefined when the authority is not valid. */
export function hostOf(authority: string): string | undefined {
  if (authority !== lastAuthority) {
    lastHost = readHost(authority);
    lastAuthority = authority;
  }
  return lastHost;
}

function readHost(authority: string): string | undefined {
  if (SIMPLE.test(authority)) {
    const colon = authority.indexOf(':');
    return colon === -1 ? authority : authority.slice(0, colon);
  }
  const match = AUTHORITY.exec(authority);
  if (match === null) return undefined;
  const [, address, name, port] = match;
  if (port !== undefined && Number(port) > 65_535) return undefined;
  if (address !== undefined) return isIPv6(address) ? `[${address.toLowerCase()}]` : undefined;
  if (name === undefined || name === '.' || name.includes('..')) return undefined;
  const host = name.toLowerCase();
  return host.endsWith('.') ? host.slice(0, -1) : host;
}

/** The two name the same host and port; a port that is empty or the scheme's own is none. */
export function isSameAuthority(one: string, other: string, scheme: string): boolean {
  return normalised(one, scheme) === normalised(other, scheme);
}

function normalised(authority: string, scheme: string): string {
  const lower = authority.toLowerCase();
  const usual = scheme === 'https' ? ':443' : ':80';
  if (lower.endsWith(usual)) return lower.slice(0, -usual.length);
  return lower.endsWith(':') ? lower.slice(0, -1) : lower;
}
