// The live stream: topics that are computed once for all who listen, and not at all while nobody does. A listener
// gets a snapshot of each of its topics and then patches; one that comes back says what it saw last, and gets what
// it missed from a ring of bounded size, or a new snapshot where that has not all of it.

import { randomBytes } from 'node:crypto';
import { type OpenStream, patchBetween, type StreamSink } from '../../admin.ts';
import { messageOf, SluiceError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';

const ROUND_MS = 1000;
/** State changes within this time are told together, ms. */
const TOGETHER_MS = 20;
const PING_MS = 15_000;
/** An event and no comment: a page sees it, and knows that the stream is alive. */
const PING = 'event: ping\ndata: {}\n\n';
const RING_BYTES_MAX = 4 * 2 ** 20;
/** A client that has not taken so many bytes is dropped. */
export const QUEUED_MAX = 4 * 2 ** 20;
const LISTENERS_MAX = 500;
/** Topics whose last state is kept for those who come back. */
const RESTING_MAX = 64;

export type HubOptions = {
  /** What each of these topics is now, without a null in it. Called by one round at a time. */
  readonly compute: (topics: readonly string[]) => Promise<ReadonlyMap<string, object>>;
  /** Somebody listens from now on, or nobody does. */
  readonly onWatched?: (isWatched: boolean) => void;
  readonly log: Log;
};

type Listener = {
  readonly sink: StreamSink;
  readonly topics: readonly string[];
  /** It has its snapshots. */
  isBegun: boolean;
  readonly after: string;
};

type Kept = { readonly seq: number; readonly topic: string; readonly text: string };

export class Hub {
  readonly #options: HubOptions;
  readonly #epoch = randomBytes(4).toString('hex');
  readonly #listeners = new Set<Listener>();
  /** The state of each topic, as the newest message about it left it. */
  readonly #states = new Map<string, { state: object; readonly sinceSeq: number }>();
  #ring: Kept[] = [];
  #ringBytes = 0;
  #seq = 0;
  #round: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #ping: NodeJS.Timeout | undefined;
  #isComputing = false;
  #isAgain = false;
  #isClosed = false;

  constructor(options: HubOptions) {
    this.#options = options;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** @throws unreachable */
  open(topics: readonly string[], after: string): OpenStream {
    if (this.#isClosed || this.#listeners.size >= LISTENERS_MAX) {
      throw new SluiceError('unreachable', `stream: ${LISTENERS_MAX} are open; close one`);
    }
    return (sink) => {
      const listener = { sink, topics, after, isBegun: false };
      this.#listeners.add(listener);
      if (this.#listeners.size === 1) this.#start();
      sink.write(`retry: 2000\n\n`);
      void this.#compute();
      return () => this.#leave(listener);
    };
  }

  /** Something changed that is told at once. */
  poke(): void {
    if (this.#listeners.size === 0) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.#compute();
    }, TOGETHER_MS);
  }

  /** All are told that it ends. */
  close(): void {
    this.#isClosed = true;
    for (const listener of [...this.#listeners]) {
      listener.sink.write('event: end\ndata: {"reason":"shutting down"}\n\n');
      listener.sink.end();
      this.#leave(listener);
    }
  }

  #start(): void {
    this.#round = setInterval(() => void this.#compute(), ROUND_MS);
    this.#ping = setInterval(() => {
      for (const listener of [...this.#listeners]) this.#write(listener, PING);
    }, PING_MS);
    this.#options.onWatched?.(true);
  }

  #leave(listener: Listener): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
    clearInterval(this.#round);
    clearInterval(this.#ping);
    clearTimeout(this.#soon);
    this.#soon = undefined;
    this.#options.onWatched?.(false);
  }

  async #compute(): Promise<void> {
    this.#isAgain = true;
    if (this.#isComputing) return;
    this.#isComputing = true;
    try {
      while (this.#isAgain && this.#listeners.size > 0) {
        this.#isAgain = false;
        const topics = new Set([...this.#listeners].flatMap((listener) => listener.topics));
        this.#publish(await this.#options.compute([...topics]));
      }
    } catch (error) {
      this.#options.log.warn({ error: messageOf(error) }, 'stream: not computed, tried again');
    } finally {
      this.#isComputing = false;
    }
  }

  #publish(states: ReadonlyMap<string, object>): void {
    const messages: Kept[] = [];
    for (const [topic, state] of states) {
      const known = this.#states.get(topic);
      if (known === undefined) {
        this.#states.set(topic, { state, sinceSeq: this.#seq });
        this.#forgetResting();
        continue;
      }
      const patch = patchBetween(known.state, state);
      if (patch === undefined) continue;
      known.state = state;
      messages.push(this.#keep(topic, JSON.stringify({ topic, patch })));
    }
    // Bytes are made once for all who listen to the same.
    const made = new Map<string, Buffer>();
    for (const listener of [...this.#listeners]) {
      if (!listener.isBegun) this.#begin(listener);
      else {
        const key = listener.topics.join();
        const bytes = made.get(key) ?? bytesOf(messages, listener.topics);
        made.set(key, bytes);
        if (bytes.length > 0) this.#write(listener, bytes);
      }
    }
  }

  #keep(topic: string, data: string): Kept {
    this.#seq += 1;
    const text = `id: ${this.#epoch}-${this.#seq}\ndata: ${data}\n\n`;
    const kept = { seq: this.#seq, topic, text };
    this.#ring.push(kept);
    this.#ringBytes += text.length;
    let dropped = 0;
    while (this.#ringBytes > RING_BYTES_MAX && dropped < this.#ring.length) {
      this.#ringBytes -= this.#ring[dropped]?.text.length ?? 0;
      dropped += 1;
    }
    if (dropped > 0) this.#ring = this.#ring.slice(dropped);
    return kept;
  }

  /** What it missed, else a snapshot of each topic. Its id stands on the last one: before, it has not all. */
  #begin(listener: Listener): void {
    const { topics, after } = listener;
    const states = topics.flatMap((topic) => {
      const known = this.#states.get(topic);
      return known === undefined ? [] : [{ topic, ...known }];
    });
    // Came while others were computed: the next round has its topics.
    if (states.length < topics.length) {
      this.#isAgain = true;
      return;
    }
    listener.isBegun = true;
    const seen = this.#seenBy(after);
    const oldest = this.#ring[0]?.seq ?? this.#seq + 1;
    const isKept = seen !== undefined && seen + 1 >= oldest && seen <= this.#seq;
    if (isKept && states.every(({ sinceSeq }) => sinceSeq <= seen)) {
      const missed = bytesOf(
        this.#ring.filter(({ seq }) => seq > seen),
        topics,
      );
      return this.#write(listener, missed.length > 0 ? missed : ': nothing was missed\n\n');
    }
    const texts = states.map(
      ({ topic, state }) => `data: ${JSON.stringify({ topic, snapshot: state })}\n\n`,
    );
    const last = `id: ${this.#epoch}-${this.#seq}\n${texts.pop() ?? ''}`;
    this.#write(listener, [...texts, last].join(''));
  }

  #seenBy(after: string): number | undefined {
    const [epoch, seq] = after.split('-');
    return epoch === this.#epoch && /^\d{1,15}$/.test(seq ?? '') ? Number(seq) : undefined;
  }

  #write(listener: Listener, text: string | Buffer): void {
    if (listener.sink.queued() > QUEUED_MAX) {
      this.#options.log.info({ queued: listener.sink.queued() }, 'stream: slow client dropped');
      listener.sink.destroy();
      this.#leave(listener);
      return;
    }
    listener.sink.write(text);
  }

  #forgetResting(): void {
    const used = new Set([...this.#listeners].flatMap(({ topics }) => topics));
    for (const topic of this.#states.keys()) {
      if (this.#states.size <= RESTING_MAX + used.size) return;
      if (!used.has(topic)) this.#states.delete(topic);
    }
  }
}

function bytesOf(messages: readonly Kept[], topics: readonly string[]): Buffer {
  return Buffer.from(
    messages.flatMap(({ topic, text }) => (topics.includes(topic) ? [text] : [])).join(''),
  );
}
