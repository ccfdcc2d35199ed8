// Opens one connection to a server: makes room for its socket, and tries the server's addresses one after
// the other when it has several. Where the system has no descriptor after all, the connection takes the
// place of an idle one, once.

import { isOutOfDescriptors, NO_CREDENTIALS } from '../../exchange.ts';
import { type Connection, DEAF, NO_CONNECTION, type TlsTarget } from '../../transport.ts';
import type { Http1Context } from '../context.ts';
import type { ServerConnection } from './server-connection.ts';

export class Dial {
  readonly #gateway: Http1Context;
  readonly #caller: ServerConnection;
  /** The server's when the dial began; a table that comes meanwhile does not change them. */
  readonly #addresses: readonly string[];
  /** As above. */
  readonly #target: TlsTarget | 'plain' | undefined;
  #tried = 0;
  #isEvictedFor = false;

  constructor(gateway: Http1Context, caller: ServerConnection) {
    this.#gateway = gateway;
    this.#caller = caller;
    this.#addresses = caller.server.state.addresses;
    this.#target = gateway.secured.targetOf(caller.server);
  }

  /** NO_CONNECTION when there is no room; the caller hears of it as of the system's own word. */
  first(): Connection {
    const { server, place } = this.#caller;
    place.target = this.#target;
    if (this.#target === undefined) {
      setImmediate(() => this.#caller.onClose(NO_CREDENTIALS));
      return NO_CONNECTION;
    }
    if (!this.#gateway.pool.open(place.pool)) {
      setImmediate(() => this.#caller.onClose('EMFILE'));
      return NO_CONNECTION;
    }
    // The one that accepted last, if the server still has it.
    const isKnown = this.#addresses.includes(server.reachable);
    return this.#connect((isKnown ? server.reachable : this.#addresses[0]) ?? server.host);
  }

  /** After a connection failed with `error`. True: the caller has another one in its place. */
  again(error: string): boolean {
    const caller = this.#caller;
    // It must be secured, and cannot be: never in the open instead.
    if (this.#target === undefined) return false;
    const address = isOutOfDescriptors(error) ? this.#afterEviction() : this.#nextAddress();
    if (address === undefined) return false;
    caller.connection.handler = DEAF;
    caller.connection.destroy();
    caller.connection = this.#connect(address);
    return true;
  }

  succeeded(): void {
    const { server, place } = this.#caller;
    server.reachable = place.address;
  }

  /** The same address, when an idle connection gave way: the system's limit was nearer than ours. */
  #afterEviction(): string | undefined {
    const { pool, noSocket } = this.#gateway;
    const isOurs = this.#caller.connection === NO_CONNECTION;
    if (isOurs || this.#isEvictedFor || !pool.evict()) {
      noSocket.note();
      return undefined;
    }
    this.#isEvictedFor = true;
    this.#tried -= 1;
    return this.#caller.place.address;
  }

  #nextAddress(): string | undefined {
    if (this.#tried >= this.#addresses.length) return undefined;
    const at = this.#addresses.indexOf(this.#caller.place.address);
    return this.#addresses[(at + 1) % this.#addresses.length];
  }

  /** All addresses together have the time for one connect. */
  #connect(address: string): Connection {
    const { wheel, config, transport } = this.#gateway;
    const caller = this.#caller;
    this.#tried += 1;
    caller.place.address = address;
    wheel.set(caller, config.timeouts.connectMs / Math.max(1, this.#addresses.length));
    const tls = this.#target === 'plain' ? undefined : this.#target;
    return transport.connect(address, caller.server.port, caller, tls);
  }
}
