// A simulated network behind the Transport face: the same gateway runs on it with a seeded mix of
// splits, delays, resets and half-closes, on virtual time. It models what TCP promises (order, no
// loss without a reset, FIN behind the data, a reset that overtakes) and is as unkind as TCP may be
// about the rest. For tests; nothing in the program uses it.

import { SluiceError } from '../../../src/base/errors.ts';
import {
  type Connection,
  type ConnectionHandler,
  DEAF,
  type Listening,
  type ListenOptions,
  type Transport,
} from '../../../src/gateway/transport.ts';

export type MemoryNetworkOptions = {
  /** 0 ≤ random() < 1; seeded, so that a failing run can be repeated. */
  readonly random: () => number;
  /** Longest virtual delay of a delivery, ms. */
  readonly delayMsMax: number;
  /** Bytes that one direction holds outside of the process, as the kernels do. */
  readonly windowBytes: number;
  /** Nobody ever answers there: no accept, no refusal. */
  readonly silentPort?: number;
};

type Event = { readonly atMs: number; readonly order: number; readonly run: () => void };

export class MemoryNetwork implements Transport {
  nowMs = 0;
  readonly options: MemoryNetworkOptions;
  readonly #listeners = new Map<string, (connection: Connection) => void>();
  #events: Event[] = [];
  #order = 0;
  #port = 40_000;

  constructor(options: MemoryNetworkOptions) {
    this.options = options;
  }

  listen(
    options: ListenOptions,
    onConnection: (connection: Connection) => void,
  ): Promise<Listening> {
    const port = options.port === 0 ? this.#port++ : options.port;
    const key = `${options.host}:${port}`;
    if (this.#listeners.has(key)) {
      return Promise.reject(new SluiceError('address_in_use', `listen ${key}: in use`));
    }
    this.#listeners.set(key, onConnection);
    return Promise.resolve({
      host: options.host,
      port,
      close: () => void this.#listeners.delete(key),
    });
  }

  connect(host: string, port: number, handler: ConnectionHandler): Connection {
    const near = new MemoryConnection(this, handler, host);
    const far = new MemoryConnection(this, DEAF, '127.0.0.1');
    near.peer = far;
    far.peer = near;
    if (port === this.options.silentPort) return near;
    this.later(() => {
      if (near.isClosed) return;
      const accept = this.#listeners.get(`${host}:${port}`);
      if (accept === undefined) return near.fail('ECONNREFUSED');
      near.isOpen = true;
      far.isOpen = true;
      accept(far);
      near.handler.onConnect();
      near.flush();
      far.flush();
    });
    return near;
  }

  /** Runs something after a random delay. */
  later(run: () => void, atLeastMs = 0): void {
    const delay = atLeastMs + this.options.random() * this.options.delayMsMax;
    const event = { atMs: this.nowMs + delay, order: this.#order++, run };
    // A binary heap would be quicker; the queues here are short.
    let at = this.#events.length;
    while (at > 0 && isAfter(this.#events[at - 1], event)) at -= 1;
    this.#events.splice(at, 0, event);
  }

  /**
   * Works off events until none is left or virtual time is up. The real event loop turns once per
   * event, since the gateway uses setImmediate; `onStep` turns the gateway's wheel.
   */
  async run(untilMs: number, onStep: () => void): Promise<void> {
    for (;;) {
      const event = this.#events.shift();
      if (event === undefined || event.atMs > untilMs) {
        if (event !== undefined) this.#events.unshift(event);
        this.nowMs = untilMs;
        onStep();
        await new Promise((resolve) => setImmediate(resolve));
        if (this.#events.length === 0 || (this.#events[0]?.atMs ?? 0) > untilMs) return;
        continue;
      }
      this.nowMs = event.atMs;
      event.run();
      onStep();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function isAfter(left: Event | undefined, right: Event): boolean {
  return left !== undefined && left.atMs > right.atMs;
}

class MemoryConnection implements Connection {
  handler: ConnectionHandler;
  readonly remoteAddress: string;
  readonly scheme = 'http';
  readonly protocol = '';
  readonly serverName = '';
  peer: MemoryConnection | undefined;
  isOpen = false;
  isClosed = false;
  readonly #network: MemoryNetwork;
  /** Bytes on their way to the peer, then perhaps our FIN. */
  #outgoing: Buffer[] = [];
  #outgoingBytes = 0;
  #isFinQueued = false;
  #isFinDelivered = false;
  #isPaused = false;
  #isDrainDue = false;
  #isDeliveryDue = false;

  constructor(network: MemoryNetwork, handler: ConnectionHandler, remoteAddress: string) {
    this.#network = network;
    this.handler = handler;
    this.remoteAddress = remoteAddress;
  }

  get pendingBytes(): number {
    return Math.max(0, this.#outgoingBytes - this.#network.options.windowBytes);
  }

  write(before: string, buffer: Buffer, start: number, end: number, after: string): boolean {
    const bytes = Buffer.concat([
      Buffer.from(before, 'latin1'),
      buffer.subarray(start, end),
      Buffer.from(after, 'latin1'),
    ]);
    if (this.isClosed || this.#isFinQueued || bytes.length === 0) return true;
    this.#outgoing.push(bytes);
    this.#outgoingBytes += bytes.length;
    // As with a socket, a little may wait in the process before the writer is told to stop.
    if (this.pendingBytes > this.#network.options.windowBytes / 4) this.#isDrainDue = true;
    this.flush();
    return !this.#isDrainDue;
  }

  writeText(text: string): boolean {
    return this.write(text, Buffer.alloc(0), 0, 0, '');
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.peer?.flush();
  }

  end(): void {
    if (this.isClosed) return;
    this.#isFinQueued = true;
    this.flush();
  }

  /** As close(2): what the kernel has may still arrive, then the peer sees a FIN. The rest is lost. */
  destroy(): void {
    if (this.isClosed) return;
    this.#dropPending();
    this.#isFinQueued = true;
    this.#close('');
    this.flush();
  }

  #dropPending(): void {
    let room = this.#network.options.windowBytes;
    this.#outgoing = this.#outgoing.flatMap((piece) => {
      const kept = piece.subarray(0, room);
      room -= kept.length;
      return kept.length > 0 ? [kept] : [];
    });
    this.#outgoingBytes = this.#network.options.windowBytes - room;
  }

  reset(): void {
    if (this.isClosed) return;
    // The FIN behind the dropped bytes is dropped with them.
    this.#outgoing = [];
    this.#isFinQueued = false;
    const { peer } = this;
    this.#close('');
    this.#network.later(() => peer?.fail('ECONNRESET'));
  }

  /** The connection breaks under us. */
  fail(code: string): void {
    if (this.isClosed) return;
    this.#outgoing = [];
    this.#close(code);
  }

  /** Sees to it that what is queued gets delivered. */
  flush(): void {
    if (this.#isDeliveryDue || !this.isOpen) return;
    if (this.#outgoing.length === 0 && (!this.#isFinQueued || this.#isFinDelivered)) return;
    this.#isDeliveryDue = true;
    this.#network.later(() => {
      this.#isDeliveryDue = false;
      this.#deliver();
    });
  }

  /** One read of the peer: a random part of what is queued, or our FIN. */
  #deliver(): void {
    const { peer } = this;
    if (peer === undefined) return;
    if (peer.isClosed) {
      // Bytes for a socket that is closed come back as a reset.
      if (this.#outgoing.length > 0) this.#network.later(() => this.fail('ECONNRESET'));
      return;
    }
    if (peer.#isPaused) return;
    const first = this.#outgoing.shift();
    if (first === undefined) {
      if (this.#isFinQueued && !this.#isFinDelivered) {
        this.#isFinDelivered = true;
        peer.handler.onEnd();
        this.#closeIfBothEnded();
      }
      return;
    }
    const { random } = this.#network.options;
    const isWhole = random() < 0.5;
    const size = isWhole ? first.length : 1 + Math.floor(random() * first.length);
    if (size < first.length) this.#outgoing.unshift(first.subarray(size));
    this.#outgoingBytes -= size;
    // A copy with noise around it: whoever reads past its range, or keeps the buffer, is found out.
    const read = Buffer.alloc(size + 16, 0x21);
    first.copy(read, 8, 0, size);
    peer.handler.onData(read, 8, 8 + size);
    read.fill(0x21);
    if (this.#isDrainDue && this.pendingBytes === 0 && !this.isClosed) {
      this.#isDrainDue = false;
      this.handler.onDrain();
    }
    this.flush();
  }

  #closeIfBothEnded(): void {
    const { peer } = this;
    if (peer === undefined || !peer.#isFinDelivered) return;
    this.#close('');
    peer.#close('');
  }

  #close(code: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const last = this.handler;
    this.handler = DEAF;
    // As with a socket, the close is told in a later turn.
    this.#network.later(() => last.onClose(code));
  }
}
