// Who listens on a port of this machine, read from Linux's /proc; elsewhere nothing is known of it.

import { readdir, readFile, readlink } from 'node:fs/promises';
import { BlockList, connect, isIP } from 'node:net';
import type { Address } from '../../base/units.ts';
import type { ListeningSockets } from './host.ts';
import { allProcesses } from './process-table.ts';

/** The state LISTEN in /proc/net/tcp. */
const LISTEN_STATE = '0A';
const CONNECT_TIMEOUT_MS = 1000;

/** The sockets that listen on an address, by the kernel's name, with their user's number; may be empty. */
export async function listeningSockets(address: Address): Promise<ListeningSockets> {
  const files = ['/proc/net/tcp', '/proc/net/tcp6'];
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  return socketsIn(texts.join(''), address);
}

/** The same in the text of these files. */
export function socketsIn(text: string, address: Address): ListeningSockets {
  const sockets = new Map<string, number>();
  const hosts = new BlockList();
  const family = isIP(address.host);
  if (family !== 0) hosts.addAddress(address.host, family === 6 ? 'ipv6' : 'ipv4');
  for (const line of text.split('\n')) {
    const columns = line.trim().split(/\s+/);
    const [local = '', port = ''] = columns[1]?.split(':') ?? [];
    if (columns[3] !== LISTEN_STATE || Number.parseInt(port, 16) !== address.port) continue;
    // A host name may be any address of this machine, and a listener on all of them is one, too.
    const isIt = family === 0 || /^0+$/.test(local) || hosts.check(...readAddress(local));
    if (isIt) sockets.set(`socket:[${columns[9]}]`, Number(columns[7]));
  }
  return sockets;
}

/** `0100007F` is 127.0.0.1: groups of four bytes, each in the (little-endian) machine's order. */
function readAddress(text: string): [string, 'ipv4' | 'ipv6'] {
  const bytes = (text.match(/.{8}/g) ?? []).flatMap((group) =>
    (group.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)),
  );
  if (bytes.length === 4) return [bytes.join('.'), 'ipv4'];
  const words = Array.from({ length: 8 }, (_, at) => {
    return (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16);
  });
  return [words.join(':'), 'ipv6'];
}

/** The first of the processes (all when not given) that holds one of the sockets. */
export async function holderOf(
  sockets: ListeningSockets,
  among?: readonly number[],
): Promise<number | undefined> {
  if (sockets.size === 0) return undefined;
  for (const pid of among ?? (await allProcesses())) {
    if (await holdsAny(pid, sockets)) return pid;
  }
  return undefined;
}

/** True when something accepts connections there. */
export function isListening(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address.host, port: address.port });
    socket.setTimeout(CONNECT_TIMEOUT_MS);
    const settle = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.on('connect', () => settle(true));
    socket.on('error', () => settle(false));
    // A full backlog or a filter: something is there, or nobody can tell. Not closed, in any case.
    socket.on('timeout', () => settle(true));
  });
}

async function holdsAny(pid: number, sockets: ListeningSockets): Promise<boolean> {
  // Another user's descriptors cannot be read: then the owner stays unknown.
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const descriptor of descriptors) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
    if (sockets.has(target)) return true;
  }
  return false;
}
