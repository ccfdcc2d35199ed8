// Server streams over HTTP/1: each has a connection of its own for the time of an attempt, the newest of
// those that idle in the pool or another one.

import type { Server } from '../../../upstream.ts';
import type { ServerStream, ServerStreamHandler, ServerStreams } from '../../exchange.ts';
import type { Http1Context } from '../context.ts';
import { ServerConnection } from './server-connection.ts';

export class Http1ServerStreams implements ServerStreams {
  readonly #gateway: Http1Context;

  constructor(gateway: Http1Context) {
    this.#gateway = gateway;
  }

  open(server: Server, handler: ServerStreamHandler, nowMs: number): ServerStream {
    const idle = handler.isFreshOnly ? undefined : this.#gateway.pool.take(server);
    if (idle === undefined) return new ServerConnection(this.#gateway, server, handler);
    if (handler.isIdempotent || idle.isFresh(nowMs)) idle.adopt(handler);
    else idle.reserve(handler);
    return idle;
  }

  distrust(server: Server): void {
    this.#gateway.pool.clear(server);
  }
}
