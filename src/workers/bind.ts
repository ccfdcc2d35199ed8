// The gateway's sockets, bound once in the primary and handed to every worker, which listen and
// accept on them side by side. Because the primary keeps its end, connections that wait in the
// kernel's queue survive the death of the last worker, and a port in use is known before any
// worker is started. node:cluster does the same but closes the socket with the last worker.
//
// Another configuration binds what it has more and lets go of what it has no longer; a socket whose address
// stays is not touched.

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

/** Sockets by the id of their listener. */
export type SocketsById = ReadonlyMap<string, object>;

export type PreparedSockets = {
  /** The configured listeners, with the real port where 0 was asked for. */
  readonly addresses: readonly ListenerConfig[];
  /** Bound for this configuration. */
  readonly added: SocketsById;
  /** They are used from now on, and those that are not among them are closed. */
  commit(): void;
  /** The configuration is not put in force. */
  abandon(): void;
};

/** Workers of a primary that was killed let go of the port soon. We try for this long, ms. */
const RETRY_FOR_MS = 1000;
const RETRY_PAUSE_MS = 20;

export class ListenSockets {
  #bound: ReadonlyMap<string, Bound> = new Map();
  #addresses: readonly ListenerConfig[] = [];
  /** Listening already, of the primary before: used in place of binding where the id is the same. */
  readonly #inherited = new Map<string, TcpHandle>();

  /** As configured, with the real port where 0 was asked for. */
  get addresses(): readonly ListenerConfig[] {
    return this.#addresses;
  }

  get handles(): SocketsById {
    return handlesOf(this.#bound);
  }

  /** Sockets that were handed to us; those that no configuration has until the first `commit` are closed. */
  inherit(sockets: SocketsById): void {
    for (const [id, handle] of sockets) {
      // What was handed over by its kind is one of Node's: see TcpHandle.
      if (!this.#inherited.has(id)) this.#inherited.set(id, handle as TcpHandle);
      else (handle as TcpHandle).close();
    }
  }

  #bind(listener: ListenerConfig): Bound | Promise<Bound> {
    const handle = this.#inherited.get(listener.id);
    const out: { port?: number } = {};
    if (handle === undefined || handle.getsockname(out) !== 0) return bindPatiently(listener);
    this.#inherited.delete(listener.id);
    return { handle, port: out.port ?? listener.port };
  }

  /**
   * Binds what is not bound yet, all of it or nothing. Nobody can connect yet: a worker listens in the turn in which it
   * takes the configuration. @throws address_in_use, address_unavailable
   */
  async prepare(wanted: readonly ListenerConfig[]): Promise<PreparedSockets> {
    const added = new Map<string, Bound>();
    const abandon = (): void => {
      for (const { handle } of added.values()) handle.close();
    };
    try {
      for (const listener of wanted) {
        if (this.#bound.has(listener.id)) continue;
        added.set(listener.id, await this.#bind(listener));
      }
    } catch (error) {
      abandon();
      throw error;
    }
    const all = new Map([...this.#bound, ...added]);
    const addresses = wanted.map((listener) => ({
      ...listener,
      port: all.get(listener.id)?.port ?? listener.port,
    }));
    return {
      ...{ addresses, abandon },
      added: handlesOf(added),
      commit: () => {
        const kept = new Set(wanted.map(({ id }) => id));
        for (const [id, { handle }] of all) {
          if (kept.has(id)) continue;
          all.delete(id);
          handle.close();
        }
        this.#bound = all;
        this.#addresses = addresses;
        for (const handle of this.#inherited.values()) handle.close();
        this.#inherited.clear();
      },
    };
  }

  close(): void {
    for (const { handle } of this.#bound.values()) handle.close();
    this.#bound = new Map();
  }
}

function handlesOf(bound: ReadonlyMap<string, Bound>): SocketsById {
  return new Map([...bound].map(([id, { handle }]) => [id, handle]));
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
