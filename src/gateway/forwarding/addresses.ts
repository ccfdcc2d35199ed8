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

/**
 * Addresses and CIDR blocks. IPv4 is compared here, as numbers: Node's BlockList makes an object for
 * every look, which costs a request more than all its other fields.
 */
export class AddressSet {
  readonly #fours: { readonly mask: number; readonly network: number }[] = [];
  readonly #sixes = new BlockList();

  /** `blocks` were checked. */
  constructor(blocks: readonly string[]) {
    for (const block of blocks) {
      const [text = '', bits] = block.split('/');
      const address = ipOf(text);
      if (address.includes(':')) {
        this.#sixes.addSubnet(address, Number(bits ?? 128), 'ipv6');
        continue;
      }
      // IPv4 in IPv6 stands behind 96 bits.
      const length = Math.max(0, Number(bits ?? 128) - (text.includes(':') ? 96 : 0));
      // A shift by 32 would be one by 0.
      const mask = length === 0 ? 0 : -1 << (32 - Math.min(32, length));
      this.#fours.push({ mask, network: numberOf(address) & mask });
    }
  }

  /** `address` as ipOf writes it; anything else is in no set. */
  has(address: string): boolean {
    if (address.includes(':')) return this.#sixes.check(address, 'ipv6');
    if (this.#fours.length === 0 || !isIPv4(address)) return false;
    const number = numberOf(address);
    for (const { mask, network } of this.#fours) if ((number & mask) === network) return true;
    return false;
  }
}

/** 1.2.3.4 → 0x01020304. */
function numberOf(address: string): number {
  let number = 0;
  let part = 0;
  for (let index = 0; index < address.length; index += 1) {
    const code = address.charCodeAt(index);
    if (code === 0x2e) {
      number = (number << 8) | part;
      part = 0;
    } else part = part * 10 + code - 0x30;
  }
  return (number << 8) | part;
}

function isPort(digits: string | undefined): boolean {
  return digits === undefined || Number(digits) <= 65_535;
}

function canonical(address: string): string {
  const text = new SocketAddress({ address, family: 'ipv6' }).address;
  const inner = text.startsWith('::ffff:') ? text.slice(7) : '';
  return isIPv4(inner) ? inner : text;
}
