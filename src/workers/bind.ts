// The gateway's sockets, bound once in the primary and handed to every worker, which listen and
// accept on them side by side. Because the primary keeps its end, connections that wait in the
// kernel's queue survive the death of the last worker, and a port in use is known before any
// worker is started. node:cluster does the same but closes the socket with the last worker.

import { lookup } from 'node:dns/promises';
import net, { isIPv6 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { isSluiceError, messageOf, SluiceError } from '../base/errors.ts';
import { formatAddress } from '../base/units.ts';
import type { ListenAddress, ListenerConfig } from '../config.ts';

/** What Node calls a TCP wrap: a bound socket below net.Server. */
type TcpHandle = {
  getsockname(out: { port?: number }): number;
  close(): void;
};

type Bound = { readonly handle: TcpHandle; readonly port: number };

export type BoundListeners = {
  /** As configured, with the real port where 0 was asked for. */
  readonly addresses: readonly ListenerConfig[];
  readonly handles: readonly object[];
  close(): void;
};

/** Workers of a primary that was killed let go of the port soon. We try for this long, ms. */
const RETRY_FOR_MS = 1000;
const RETRY_PAUSE_MS = 20;

/** Binds all addresses or none. Nobody can connect yet. @throws address_in_use, address_unavailable */
export async function bindListeners(wanted: readonly ListenerConfig[]): Promise<BoundListeners> {
  const handles: TcpHandle[] = [];
  const addresses: ListenerConfig[] = [];
  try {
    for (const address of wanted) {
      const { handle, port } = await bindPatiently(address);
      handles.push(handle);
      addresses.push({ ...address, port });
    }
  } catch (error) {
    for (const handle of handles) handle.close();
    throw error;
  }
  return {
    addresses,
    handles,
    close() {
      for (const handle of handles.splice(0)) handle.close();
    },
  };
}

async function resolve(address: ListenAddress): Promise<string> {
  try {
    return (await lookup(address.host)).address;
  } catch (cause) {
    throw unavailable(address, messageOf(cause), cause);
  }
}

async function bindPatiently(address: ListenAddress): Promise<Bound> {
  const ip = await resolve(address);
  const untilMs = performance.now() + RETRY_FOR_MS;
  for (;;) {
    try {
      return bind(address, ip);
    } catch (error) {
      const isInUse = isSluiceError(error) && error.code === 'address_in_use';
      if (!isInUse || performance.now() > untilMs) throw error;
    }
    await delay(RETRY_PAUSE_MS);
  }
}

function bind(address: ListenAddress, ip: string): Bound {
  // This is not documented, but node:cluster binds without listening in this way. No public API does it.
  const create: unknown = Reflect.get(net, '_createServerHandle');
  if (typeof create !== 'function') {
    throw new SluiceError('internal', `node ${process.version}: cannot bind; use Node 24`);
  }
  const created: unknown = create(ip, address.port, isIPv6(ip) ? 6 : 4);
  if (typeof created === 'number') throw bindError(address, created);
  // Node's net.js shows what it returns: an error number or the handle.
  const handle = created as TcpHandle;
  const out: { port?: number } = {};
  // libuv reports a port in use only here.
  const error = handle.getsockname(out);
  if (error === 0) return { handle, port: out.port ?? address.port };
  handle.close();
  throw bindError(address, error);
}

function bindError(address: ListenAddress, errno: number): SluiceError {
  const name = getSystemErrorName(errno);
  if (name !== 'EADDRINUSE') return unavailable(address, name);
  return new SluiceError(
    'address_in_use',
    `listen ${formatAddress(address)}: the address is in use, perhaps by one that serves; change "listen" here`,
  );
}

function unavailable(address: ListenAddress, why: string, cause?: unknown): SluiceError {
  const hint = why === 'EACCES' ? ' (ports below 1024 need privileges)' : '';
  return new SluiceError(
    'address_unavailable',
    `listen ${formatAddress(address)}: ${why}${hint}; change "listen"`,
    { cause },
  );
}
