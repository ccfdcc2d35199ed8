// What gateways tell each other of their traffic, while somebody looks on: a record under the lease of each,
// written once a second, and only while another gateway has said that it wants them. Best effort throughout: who
// is not heard is not heard, and nothing that decides about servers reads any of it.
//
//   figures/wanted/<gateway>   somebody looks on there
//   figures/of/<gateway>       its last second

import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { KvState, Lease, RecordStore, Watch } from '../registry.ts';

/** Who looked on comes back within this time, more often than not, ms. */
const WANTED_KEEP_MS = 20_000;

export type FiguresOfOther = {
  /** When it was heard last, by our clock. */
  readonly heardMs: number;
  /** As it was written: another version may have written it. */
  readonly text: string;
};

/** What it takes to tell the others something under this gateway's lease. */
export type UnderLeaseOptions = {
  readonly store: Pick<RecordStore, 'watch'>;
  /** Ends with a slash. */
  readonly prefix: string;
  readonly id: string;
  readonly log: Log;
  readonly lease: () => Lease | undefined;
};

export type SharedFiguresOptions = UnderLeaseOptions & { readonly now?: () => number };

export class SharedFigures {
  readonly #options: SharedFiguresOptions;
  readonly #wantedKey: string;
  readonly #ownKey: string;
  readonly #wantedBy = new Set<string>();
  readonly #others = new Map<string, FiguresOfOther & { readonly index: number }>();
  readonly #wantedWatch: Watch;
  #watch: Watch | undefined;
  #forget: NodeJS.Timeout | undefined;
  #isSaid = false;
  #isWriting = false;
  #isClosed = false;

  constructor(options: SharedFiguresOptions) {
    this.#options = options;
    const { store, prefix, id } = options;
    this.#wantedKey = `${prefix}figures/wanted/${id}`;
    this.#ownKey = `${prefix}figures/of/${id}`;
    this.#wantedWatch = store.watch(`${prefix}figures/wanted/`, {
      onState: ({ entries }) => {
        this.#wantedBy.clear();
        for (const { key } of entries) this.#wantedBy.add(key.slice(key.lastIndexOf('/') + 1));
        this.#wantedBy.delete(id);
      },
    });
  }

  /** Another gateway wants to know. */
  get isWanted(): boolean {
    return this.#wantedBy.size > 0;
  }

  /** By gateway; nothing while nobody looks on here. */
  get others(): ReadonlyMap<string, FiguresOfOther> {
    return this.#others;
  }

  /** Somebody looks on here from now on, or nobody does any more. */
  look(isWatched: boolean): void {
    if (this.#isClosed) return;
    clearTimeout(this.#forget);
    if (!isWatched) {
      this.#forget = setTimeout(() => this.#lookAway(), WANTED_KEEP_MS).unref();
      return;
    }
    const { store, prefix } = this.#options;
    this.#watch ??= store.watch(`${prefix}figures/of/`, { onState: (state) => this.#take(state) });
    this.#want();
  }

  /** The lease is another one: what was written is gone. */
  again(): void {
    this.#isSaid = false;
    if (this.#watch !== undefined) this.#want();
  }

  /** What happened here in the last second, where somebody wants it. One write at a time. */
  say(text: () => string): void {
    const lease = this.#options.lease();
    if (!this.isWanted || lease === undefined || this.#isWriting || this.#isClosed) return;
    this.#isWriting = true;
    this.#write(lease.put(this.#ownKey, text()));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#forget);
    this.#wantedWatch.close();
    this.#watch?.close();
  }

  #want(): void {
    const lease = this.#options.lease();
    if (lease === undefined || this.#isSaid) return;
    this.#isSaid = true;
    lease.put(this.#wantedKey, '1').catch((error: unknown) => {
      this.#isSaid = false;
      this.#options.log.debug({ reason: messageOf(error) }, 'figures of others not asked for');
    });
  }

  #lookAway(): void {
    this.#watch?.close();
    this.#watch = undefined;
    this.#others.clear();
    const lease = this.#options.lease();
    if (!this.#isSaid || lease === undefined) return;
    this.#isSaid = false;
    // Else it vanishes with the lease.
    lease.delete(this.#wantedKey).catch(() => {});
  }

  #write(written: Promise<void>): void {
    written
      .catch((error: unknown) => {
        this.#options.log.debug({ reason: messageOf(error) }, 'figures not told');
      })
      .finally(() => {
        this.#isWriting = false;
      });
  }

  #take({ entries }: KvState): void {
    const { id, now = Date.now } = this.#options;
    const seen = new Set<string>();
    for (const { key, value, modifyIndex: index } of entries) {
      const gateway = key.slice(key.lastIndexOf('/') + 1);
      if (gateway === id) continue;
      seen.add(gateway);
      if (this.#others.get(gateway)?.index === index) continue;
      const text = Buffer.from(value).toString();
      this.#others.set(gateway, { heardMs: now(), text, index });
    }
    for (const gateway of this.#others.keys()) {
      if (!seen.has(gateway)) this.#others.delete(gateway);
    }
  }
}
