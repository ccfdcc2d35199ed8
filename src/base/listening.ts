// A listening socket that goes from one process to another: the one stops listening on it, the other begins, and
// clients that come between wait in the kernel's queue. Node hands such sockets over between parent and child.

import type { Server } from 'node:net';
import type { Address } from './units.ts';

export type ListeningSocket = {
  /** As it was configured, with the real port. */
  readonly address: Address;
  readonly handle: object;
};

/** What the server listens on; undefined where this Node does not show it. */
export function listeningSocket(server: Server, address: Address): ListeningSocket | undefined {
  // It is not public, but the documentation of `listen` names it.
  const handle: unknown = Reflect.get(server, '_handle');
  return typeof handle === 'object' && handle !== null ? { address, handle } : undefined;
}

/** The socket, when it is for this address; any of the host's where the port is 0. */
export function socketFor(
  { host, port }: Address,
  socket: ListeningSocket | undefined,
): object | undefined {
  const isSame = socket?.address.host === host && (port === 0 || socket.address.port === port);
  return isSame ? socket.handle : undefined;
}

/** Those that nobody uses are closed: who connects there is refused, and does not wait for nobody. */
export function closeUnused(
  inherited: Iterable<ListeningSocket>,
  used: readonly (ListeningSocket | undefined)[],
): void {
  for (const { handle } of inherited) {
    if (used.some((socket) => socket?.handle === handle)) continue;
    const close: unknown = Reflect.get(handle, 'close');
    if (typeof close === 'function') close.call(handle);
  }
}
