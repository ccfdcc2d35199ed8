// Sticky clients: a cookie names the server that answered first, and the next requests of that client
// go there as long as it is eligible; else the method picks another one, and the cookie follows. The
// name is a digest, so that clients learn no address; a made-up one names no server.
//
// Source: nginx's `sticky cookie`, HAProxy's `cookie … insert`.

import { hash } from 'node:crypto';
import type { Sticky } from '../../model.ts';
import type { Server } from '../server.ts';
import type { Balanced } from './balancer.ts';
import { mayTake } from './open-servers.ts';

export class StickyServers {
  readonly #sticky: Sticky;
  readonly #servers = new Map<string, Server>();
  readonly #tokens = new Map<Server, string>();

  constructor(sticky: Sticky, servers: readonly Server[]) {
    this.#sticky = sticky;
    for (const server of servers) {
      const token = tokenOf(server);
      this.#servers.set(token, server);
      this.#tokens.set(server, token);
    }
  }

  pick(request: Balanced, nowMs: number): Server | undefined {
    const token = request.keyOf({ kind: 'cookie', name: this.#sticky.cookie });
    const server = this.#servers.get(token);
    return server !== undefined && mayTake(server, request.tried, nowMs) ? server : undefined;
  }

  /** The field for a response from this server, with CRLF; '' when the client has the cookie already. */
  setCookie(request: Balanced, server: Server): string {
    const { cookie, attributes } = this.#sticky;
    const token = this.#tokens.get(server);
    if (token === undefined) return '';
    if (request.keyOf({ kind: 'cookie', name: cookie }) === token) return '';
    return `Set-Cookie: ${cookie}=${token}${attributes}\r\n`;
  }
}

/** Every gateway that knows the server by this id makes the same. */
function tokenOf(server: Server): string {
  return hash('sha256', `${server.upstream}\n${server.id}`, 'hex').slice(0, 32);
}
