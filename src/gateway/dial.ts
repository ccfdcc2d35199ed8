// Opens one connection to a server: makes room for its socket, and where the system has no descriptor
// after all, takes the place of an idle connection once. What came of it goes to the connection's handler.

import type { GatewayContext } from './context.ts';
import { isOutOfDescriptors } from './retry.ts';
import type { ServerConnection } from './server-connection.ts';
import { type Connection, NO_CONNECTION } from './transport.ts';

export class Dial {
  readonly #gateway: GatewayContext;
  readonly #caller: ServerConnection;
  #isEvictedFor = false;

  constructor(gateway: GatewayContext, caller: ServerConnection) {
    this.#gateway = gateway;
    this.#caller = caller;
  }

  /** NO_CONNECTION when there is no room; the caller hears of it as of the system's own word. */
  first(): Connection {
    if (this.#gateway.pool.open(this.#caller.place.pool)) return this.#connect();
    setImmediate(() => this.#caller.onClose('EMFILE'));
    return NO_CONNECTION;
  }

  /** True: the caller has another connection in the place of the one that failed so. */
  again(error: string): boolean {
    if (!isOutOfDescriptors(error)) return false;
    const { pool, noSocket } = this.#gateway;
    // The system's limit was nearer than we thought.
    if (this.#caller.connection !== NO_CONNECTION && !this.#isEvictedFor && pool.evict()) {
      this.#isEvictedFor = true;
      this.#caller.connection = this.#connect();
      return true;
    }
    noSocket.note();
    return false;
  }

  #connect(): Connection {
    const { host, port } = this.#caller.server;
    return this.#gateway.transport.connect(host, port, this.#caller);
  }
}
