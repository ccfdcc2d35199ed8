// IP addresses as peers and proxies write them, and sets of them. An address has one spelling here
// (IPv4 in IPv6 is IPv4, IPv6 is compressed and lower case), so that two spellings of one client
// are one client in a log, a list and a server.

import { BlockList, isIPv4, isIPv6, SocketAddress } from 'node:net';

const V4 = /^(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5}))?$/;
const V6 = /^(?:\[([0-9a-fA-F:.]+)\](?::(\d{1,5}))?|([0-9a-fA-F:.]+))$/;

/**
 * The address of `1.2.3.4`, `1.2.3.4:5555`, `::1`, `[::1]`, `[::1]:80`; '' of all else: names,
 * `unknown`, quotes, zones, leading zeros.
 */
export function ipOf(text: string): string {
  const four = V4.exec(text);
  if (four !== null) {
    const [, address = '', port] = four;
    return isIPv4(address) && isPort(port) ? address : '';
  }
  const six = V6.exec(text);
  if (six === null) return '';
  const address = six[1] ?? six[3] ?? '';
  return isIPv6(address) && isPort(six[2]) ? canonical(address) : '';
}

/** The address of a connection's other end: without the zone that a link-local one may have. */
export function peerAddress(remoteAddress: string): string {
  const zone = remoteAddress.indexOf('%');
  return ipOf(zone === -1 ? remoteAddress : remoteAddress.slice(0, zone)) || remoteAddress;
}

/** `blocks`: addresses and CIDR blocks that were checked. */
export function addressSet(blocks: readonly string[]): BlockList {
  const set = new BlockList();
  for (const block of blocks) {
    const [text = '', bits] = block.split('/');
    const address = ipOf(text);
    const family = familyOf(address);
    if (bits === undefined) set.addAddress(address, family);
    // IPv4 in IPv6 stands behind 96 bits.
    else set.addSubnet(address, Math.max(0, Number(bits) - mappedBits(text, address)), family);
  }
  return set;
}

function mappedBits(text: string, address: string): number {
  return text.includes(':') && !address.includes(':') ? 96 : 0;
}

/** `address` as ipOf writes it. */
export function isIn(set: BlockList, address: string): boolean {
  return set.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

function isPort(digits: string | undefined): boolean {
  return digits === undefined || Number(digits) <= 65_535;
}

function canonical(address: string): string {
  const text = new SocketAddress({ address, family: 'ipv6' }).address;
  const inner = text.startsWith('::ffff:') ? text.slice(7) : '';
  return isIPv4(inner) ? inner : text;
}
