// Sizes and addresses as people write them, and back; durations are in duration.ts. The only place that
// knows the suffixes; config, CLI and the KV records all come here.

import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

export { formatDuration, parseDuration } from './duration.ts';

const SIZE_BYTES: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Bytes of `512`, `8k`, `32k`, `1m` (k = 1024, nginx's letters); undefined when it is not a size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+)([kmg]?)$/i.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * (SIZE_BYTES[(match[2] ?? '').toLowerCase()] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

export type Address = { readonly host: string; readonly port: number };

/**
 * Host and port of `127.0.0.1:80`, `[::1]:80`, `app.local:80`; undefined when it is neither.
 * The host of an IPv6 address is without brackets. Host names are ASCII labels (RFC 1123).
 */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  if (port < 1 || port > 65_535) return undefined;
  if (match[1] !== undefined) {
    return isIPv6(match[1]) ? { host: match[1].toLowerCase(), port } : undefined;
  }
  const host = match[2] ?? '';
  if (/^[\d.]+$/.test(host)) return isIPv4(host) ? { host, port } : undefined;
  const isName = host.length <= 253 && host.split('.').every((label) => LABEL.test(label));
  return isName ? { host: host.toLowerCase(), port } : undefined;
}

const LABEL = /^[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?$/;

/** `host:port`, with brackets around an IPv6 host: the id of a server everywhere. */
export function formatAddress(address: Address): string {
  return address.host.includes(':')
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}

/** True when only this machine can reach what listens there. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || isIPv4(host)) return host === 'localhost' || host.startsWith('127.');
  // In all its spellings, and the IPv4 addresses inside of IPv6.
  return isIPv6(host) && LOOPBACK.check(host, 'ipv6');
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** `10.0.0.1`, `10.0.0.0/8`, `::1`, `fd00::/8`. A zone is part of no packet: none is taken. */
export function isCidr(block: string): boolean {
  const [ip = '', bits, ...rest] = block.split('/');
  const family = ip.includes('%') ? 0 : isIP(ip);
  if (family === 0 || rest.length > 0) return false;
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
  );
}
