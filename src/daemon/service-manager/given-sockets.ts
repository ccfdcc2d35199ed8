// Listening sockets that the service manager has opened for us (systemd's socket activation): they are used in place
// of binding by the listeners that have their address. The manager keeps its end, so that clients wait in the
// kernel's queue while this program is restarted, and ports below 1024 need no privileges.
//
// **Source:** sd_listen_fds(3).

import { lookup } from 'node:dns/promises';
import net from 'node:net';
import type { Log } from '../../base/log.ts';
import { formatAddress } from '../../base/units.ts';
import type { ListenerConfig } from '../../config.ts';
import type { SocketsById } from '../../workers.ts';

const FIRST_DESCRIPTOR = 3;
/** Of a number that somebody has mistyped. */
const SOCKETS_MAX = 1024;
const WILDCARDS = ['0.0.0.0', '::', '*'];

/** What Node calls a TCP wrap. */
type TcpHandle = {
  getsockname(out: { address?: string; port?: number }): number;
  close(): void;
};

export type GivenSocket = {
  readonly handle: TcpHandle;
  readonly address: string;
  readonly port: number;
};

/** Those of the descriptors from 3 on that are TCP sockets; the others are named and left alone. */
export function openGiven(count: number, log: Log): GivenSocket[] {
  const sockets: GivenSocket[] = [];
  for (let index = 0; index < Math.min(count, SOCKETS_MAX); index += 1) {
    const descriptor = FIRST_DESCRIPTOR + index;
    const socket = open(descriptor);
    if (socket !== undefined) sockets.push(socket);
    else log.warn({ descriptor }, 'what the service manager gave is no listening TCP socket');
  }
  return sockets;
}

/** By the id of their listener. Those that no listener wants are named and closed. */
export async function matchGiven(
  sockets: readonly GivenSocket[],
  listeners: readonly ListenerConfig[],
  log: Log,
): Promise<SocketsById> {
  const matched = new Map<string, object>();
  const left = new Set(sockets);
  for (const { id, host, port } of listeners) {
    const hosts = WILDCARDS.includes(host) ? WILDCARDS : [host, await addressOf(host)];
    const socket = [...left].find((one) => one.port === port && hosts.includes(one.address));
    if (socket === undefined) continue;
    left.delete(socket);
    matched.set(id, socket.handle);
    log.info({ listener: id }, 'listening by the socket of the service manager');
  }
  for (const { handle, address, port } of left) {
    const given = formatAddress({ host: address, port });
    log.warn({ address: given }, 'no listener has the address of a socket that was given to us');
    handle.close();
  }
  return matched;
}

function open(descriptor: number): GivenSocket | undefined {
  // This is not documented; `listen({ fd })` does the same and listens at once, which is the workers' part.
  const create: unknown = Reflect.get(net, '_createServerHandle');
  if (typeof create !== 'function') return undefined;
  const handle: unknown = create(null, 0, 0, descriptor);
  // An error number, or a socket of another kind.
  if (!isTcpHandle(handle)) return undefined;
  const out: { address?: string; port?: number } = {};
  if (handle.getsockname(out) !== 0) return undefined;
  return { handle, address: out.address ?? '', port: out.port ?? 0 };
}

function isTcpHandle(value: unknown): value is TcpHandle {
  return typeof value === 'object' && value !== null && 'getsockname' in value;
}

async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch {
    // Binding says what is wrong with it.
    return host;
  }
}
