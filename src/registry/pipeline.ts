// Requests that a client sends on one connection without waiting for their answers. node:http parses
// them ahead and announces each at once; here they wait, so that one begins only after the answer
// before it is out: a DELETE right behind a PUT must find what the PUT wrote. A blocking query holds
// those behind it, as with Consul. It knows connections and turns, not what a request asks for.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** With more than these waiting, nothing further is read from the connection until all have begun. */
const WAITING_READ_MAX = 100;
/**
 * With more than these waiting, the connection is cut. One read of 64 KiB holds fewer than 3,000 of
 * the shortest requests, so only who gets round the pause comes here.
 */
const WAITING_MAX = 8_000;

type Turn = { readonly response: ServerResponse; readonly begin: () => void };

export class Pipeline {
  /** Per connection with a request under way: those that wait behind it. */
  readonly #waiting = new WeakMap<Socket, Turn[]>();

  /** Calls `begin` as soon as all requests before this one are answered; never when the client left. */
  enter(request: IncomingMessage, response: ServerResponse, begin: () => void): void {
    const { socket } = request;
    const waiting = this.#waiting.get(socket);
    if (waiting === undefined) {
      this.#waiting.set(socket, []);
      this.#begin(socket, { response, begin });
      return;
    }
    waiting.push({ response, begin });
    if (waiting.length > WAITING_MAX) socket.destroy();
    // Not at once: when a message ends, node:http resumes its socket. After this read, it stays.
    else if (waiting.length > WAITING_READ_MAX) process.nextTick(() => this.#hold(socket));
  }

  #begin(socket: Socket, { response, begin }: Turn): void {
    response.once('close', () => this.#next(socket));
    begin();
  }

  #next(socket: Socket): void {
    const waiting = this.#waiting.get(socket);
    // An ended socket takes no further answer, so what waits is not carried out either.
    const gone = socket.destroyed || socket.writableEnded;
    const turn = gone ? undefined : waiting?.shift();
    if (turn !== undefined) this.#begin(socket, turn);
    else this.#waiting.delete(socket);
    if (gone || (waiting?.length ?? 0) > 0) return;
    // The client ended its side and has all its answers: nothing more can come.
    if (turn === undefined && socket.readableEnded) socket.end();
    else if (socket.isPaused()) socket.resume();
  }

  #hold(socket: Socket): void {
    if ((this.#waiting.get(socket)?.length ?? 0) > 0) socket.pause();
  }
}
