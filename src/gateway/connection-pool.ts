// Idle connections to servers, per server, newest first: the newest is the least likely to be
// closed by the server just now, and the rest can age out.

import type { Server } from '../upstream.ts';
import type { ServerConnection } from './server-connection.ts';

export class ConnectionPool {
  readonly #idle = new Map<Server, ServerConnection[]>();
  readonly #perServerMax: number;

  constructor(perServerMax: number) {
    this.#perServerMax = perServerMax;
  }

  /** The newest idle connection to the server, taken out of the pool. */
  take(server: Server): ServerConnection | undefined {
    return this.#idle.get(server)?.pop();
  }

  /** Keeps a connection, unless its server is on its way out or has enough of them. */
  release(connection: ServerConnection): void {
    const { server } = connection;
    let idle = this.#idle.get(server);
    if (idle === undefined) {
      idle = [];
      this.#idle.set(server, idle);
    }
    idle.push(connection);
    if (!isKept(server)) connection.discard();
    else if (idle.length > this.#perServerMax) idle[0]?.discard();
  }

  /** Called by a connection that closes while it idles. */
  remove(connection: ServerConnection): void {
    const idle = this.#idle.get(connection.server);
    const at = idle?.indexOf(connection) ?? -1;
    if (at !== -1) idle?.splice(at, 1);
  }

  /** Closes the idle connections of one server: after one of them turned out to be dead. */
  clear(server: Server): void {
    for (const connection of this.#idle.get(server)?.slice() ?? []) connection.discard();
  }

  /** Closes idle connections to servers that are drained, down or gone. After a table update. */
  sweep(): void {
    for (const server of [...this.#idle.keys()]) {
      if (isKept(server)) continue;
      this.clear(server);
      if (server.gone) this.#idle.delete(server);
    }
  }

  destroy(): void {
    for (const server of [...this.#idle.keys()]) this.clear(server);
    this.#idle.clear();
  }
}

function isKept(server: Server): boolean {
  return !server.gone && server.state.admin === 'ready' && server.state.checks !== 'down';
}
