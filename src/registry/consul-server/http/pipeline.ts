// Requests that a client sends on one connection without waiting for their answers. node:http parses
// them ahead and announces each at once; here they wait, so that one begins only after the answer
// before it is out: a DELETE right behind a PUT must find what the PUT wrote. A blocking query holds
// those behind it, as with Consul. It knows connections and their order, not what a request asks for.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** With more than these waiting, nothing further is read from the connection until all have begun. */
const WAITING_READ_MAX = 100;
/**
 * With more than these waiting, the connection is cut. One read of 64 KiB holds fewer than 3,000 of
 * the shortest requests, so only a client that gets round the pause comes here.
 */
const WAITING_MAX = 8_000;

type Pipelined = {
  readonly begin: () => void;
  /** False while a part of its request is still to come. */
  readonly isComplete: () => boolean;
  readonly isAnswering: () => boolean;
};

type Queue = {
  /** Undefined between two requests. */
  current: Pipelined | undefined;
  readonly waiting: Pipelined[];
  /** Whom to tell when the client leaves before the answer under way. */
  gone: (() => void) | undefined;
};

export class Pipeline {
  /** Of each connection that had a request. */
  readonly #queues = new WeakMap<Duplex, Queue>();

  /** Calls `begin` as soon as all requests before this one are answered; never when the client left. */
  enter(request: IncomingMessage, response: ServerResponse, begin: () => void): void {
    const { socket } = request;
    const queue = this.#queueOf(socket);
    const own: Pipelined = {
      begin: () => {
        response.on('close', () => this.#next(socket, queue));
        begin();
      },
      isComplete: () => request.complete,
      isAnswering: () => response.headersSent,
    };
    if (queue.current === undefined) {
      queue.current = own;
      own.begin();
      return;
    }
    queue.waiting.push(own);
    if (queue.waiting.length > WAITING_MAX) socket.destroy();
    // Not at once: when a message ends, node:http resumes its socket. After this read, it stays.
    else if (queue.waiting.length > WAITING_READ_MAX) process.nextTick(() => this.#hold(socket));
  }

  /**
   * Calls `end`, which ends the connection, in the place of the message that came last and is broken:
   * at once when that is the one under way, after the answers before it otherwise.
   */
  end(socket: Duplex, end: () => void): void {
    const queue = this.#queues.get(socket);
    const last = queue?.waiting.at(-1) ?? queue?.current;
    if (
      queue === undefined ||
      last === undefined ||
      (last === queue.current && !last.isComplete())
    ) {
      // An answer that has begun cannot become another one.
      if (queue?.current?.isAnswering() === true) socket.destroy();
      else end();
      return;
    }
    // Broken in its body: it was announced, and is not begun.
    if (last !== queue.current && !last.isComplete()) queue.waiting.pop();
    queue.waiting.push({ begin: end, isComplete: () => true, isAnswering: () => false });
  }

  /**
   * Calls back when the client leaves, or ends its side, before the answer under way is out; returns
   * the way to stop listening. One at a time: two listeners of each parked query would be thousands.
   */
  onGone(socket: Duplex, callback: () => void): () => void {
    const queue = this.#queueOf(socket);
    queue.gone = callback;
    // 'end' came already, while an earlier request of the same connection was answered. The client
    // may still read.
    if (socket.readableEnded) queueMicrotask(() => tellGone(queue, callback));
    return () => {
      if (queue.gone === callback) queue.gone = undefined;
    };
  }

  #queueOf(socket: Duplex): Queue {
    const known = this.#queues.get(socket);
    if (known !== undefined) return known;
    const queue: Queue = { current: undefined, waiting: [], gone: undefined };
    this.#queues.set(socket, queue);
    socket.once('end', () => tellGone(queue));
    return queue;
  }

  #next(socket: Duplex, queue: Queue): void {
    tellGone(queue);
    // An ended socket takes no further answer, so what waits is not carried out either.
    const gone = socket.destroyed || socket.writableEnded;
    const next = gone ? undefined : queue.waiting.shift();
    queue.current = next;
    next?.begin();
    if (gone || queue.waiting.length > 0) return;
    // The client ended its side and has all its answers: nothing more can come.
    if (next === undefined && socket.readableEnded) socket.end();
    else if (socket.isPaused()) socket.resume();
  }

  #hold(socket: Duplex): void {
    if ((this.#queues.get(socket)?.waiting.length ?? 0) > 0) socket.pause();
  }
}

/** Once; `only`: if it is still that one who waits to be told. */
function tellGone(queue: Queue, only = queue.gone): void {
  if (only === undefined || queue.gone !== only) return;
  queue.gone = undefined;
  only();
}
