// Receipts over all gateways. Whoever opens one writes a question; every gateway that serves the upstream
// opens a receipt of its own under the same id and answers with its counts, and again with each question.
// A gateway that has ended keeps its last answer, which says whether it was the last word.

import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { RecordStore } from '../registry.ts';
import type { AnswerDocument, AskDocument } from './documents.ts';
import type { OtherGateway } from './roster.ts';
import type { Seen, Shared } from './shared-state.ts';

/** The counts of this gateway. */
export interface LocalReceipts {
  /** Opened under this id if it is not open yet; `isNew`: it counts from our start. */
  count(id: string, upstream: string, isNew: boolean): Promise<unknown>;
  /** Nobody asks any more. */
  forget(id: string): void;
}

/** What another gateway has counted; its answer may be older than the question. */
export type OtherCounts = {
  readonly gateway: string;
  readonly name: string;
  /** Undefined: it never answered. */
  readonly answer: AnswerDocument | undefined;
  /** answered: to this question, or with its last word. silent, gone, late: counts may be missing. */
  readonly state: 'answered' | 'silent' | 'gone' | 'late';
};

export type ReceiptsOptions = {
  readonly store: RecordStore;
  readonly prefix: string;
  readonly id: string;
  readonly name: string;
  readonly log: Log;
  readonly local: LocalReceipts;
  readonly serves: (upstream: string) => boolean;
  readonly others: () => readonly OtherGateway[];
  readonly shared: () => Shared | undefined;
  readonly seen: () => Seen;
  /** Resolves when `isDone`, or when the time is over. */
  readonly until: (isDone: () => boolean, timeoutMs: number) => Promise<void>;
};

export class SharedReceipts {
  readonly #options: ReceiptsOptions;
  /** By receipt: the question that we have answered, or are answering. */
  readonly #answered = new Map<string, number>();
  /** Receipts that the registry has. */
  readonly #seen = new Set<string>();
  /** By receipt of ours: the gateways that were there when it was opened. */
  readonly #present = new Map<string, readonly string[]>();

  constructor(options: ReceiptsOptions) {
    this.#options = options;
  }

  /** Whoever asked last; undefined: the registry has no such receipt. */
  find(id: string): AskDocument | undefined {
    return this.#options.shared()?.asks.get(id);
  }

  /** A receipt is opened here: who comes later has counted nothing before. */
  open(id: string): void {
    const { id: self, others } = this.#options;
    this.#present.set(id, [self, ...others().map((other) => other.id)]);
  }

  /** Asks all others that serve the upstream, and waits for their answers. @throws registry_… */
  async ask(id: string, upstream: string, timeoutMs: number): Promise<readonly OtherCounts[]> {
    const { store, prefix, id: self } = this.#options;
    const live = this.#serving(upstream).filter(({ state }) => state === 'live');
    const known = this.find(id);
    if (live.length === 0 && known === undefined) return this.#counts(id, upstream, 0);
    const asked = Math.max(known?.asked ?? 0, this.#answered.get(id) ?? 0) + 1;
    this.#answered.set(id, asked);
    const present = this.#present.get(id) ?? known?.present ?? [];
    const ask = JSON.stringify({ upstream, asked, asker: self, present } satisfies AskDocument);
    await store.put(`${prefix}shared/receipts/${id}`, ask);
    await this.#options.until(() => {
      const answers = this.#answersTo(id);
      return this.#serving(upstream).every(
        (other) => other.state !== 'live' || (answers?.get(other.id)?.asked ?? -1) >= asked,
      );
    }, timeoutMs);
    return this.#counts(id, upstream, asked);
  }

  /** The questions of others, and those that nobody asks any more. */
  take(shared: Shared): void {
    const { id: self, serves } = this.#options;
    for (const [id, ask] of shared.asks) {
      this.#seen.add(id);
      if (ask.asker === self || !serves(ask.upstream)) continue;
      if ((this.#answered.get(id) ?? -1) >= ask.asked) continue;
      this.#answered.set(id, ask.asked);
      void this.#answer(id, ask, false);
    }
    for (const id of this.#seen) {
      if (shared.asks.has(id)) continue;
      this.#seen.delete(id);
      this.#answered.delete(id);
      this.#options.local.forget(id);
    }
  }

  /** A receipt that we have opened is closed; others close theirs. */
  async close(id: string): Promise<void> {
    this.#present.delete(id);
    if (this.find(id) === undefined) return;
    const { store, prefix } = this.#options;
    try {
      await store.delete(`${prefix}seen/receipts/${id}/`, { recurse: true });
      await store.delete(`${prefix}shared/receipts/${id}`);
    } catch {
      // Removed with the gateways that are gone: see `sweep`.
    }
  }

  /** Questions whose asker is gone for good. */
  async sweep(shared: Shared): Promise<void> {
    const { id: self } = this.#options;
    for (const [id, ask] of shared.asks) {
      if (ask.asker !== self && !shared.gateways.has(ask.asker)) await this.close(id);
    }
  }

  /** The last counts of a gateway that ends. Never throws. */
  async sayLast(): Promise<void> {
    const asks = [...(this.#options.shared()?.asks ?? [])];
    const ours = asks.filter(([id]) => this.#answered.has(id));
    await Promise.all(ours.map(([id, ask]) => this.#answer(id, ask, true)));
  }

  async #answer(id: string, { upstream, present }: AskDocument, isFinal: boolean): Promise<void> {
    const { store, prefix, id: self, name, local, log } = this.#options;
    const asked = this.#answered.get(id) ?? 0;
    try {
      const receipt = await local.count(id, upstream, !present.includes(self));
      const answer: AnswerDocument = { asked, name, atMs: Date.now(), isFinal, receipt };
      await store.put(`${prefix}seen/receipts/${id}/${self}`, JSON.stringify(answer));
    } catch (error) {
      log.warn({ receipt: id, upstream, reason: messageOf(error) }, 'receipt not answered');
      // Asked again, it is tried again.
      if (this.#answered.get(id) === asked) this.#answered.set(id, asked - 1);
    }
  }

  #answersTo(id: string): ReadonlyMap<string, AnswerDocument> | undefined {
    return this.#options.seen().answers.get(id);
  }

  #serving(upstream: string): readonly OtherGateway[] {
    return this.#options.others().filter(({ upstreams }) => upstreams.includes(upstream));
  }

  #counts(id: string, upstream: string, asked: number): readonly OtherCounts[] {
    const { id: self } = this.#options;
    const answers = new Map(this.#answersTo(id));
    answers.delete(self);
    const counts = this.#serving(upstream).map((other): OtherCounts => {
      const answer = answers.get(other.id);
      answers.delete(other.id);
      const isAnswered = answer !== undefined && (answer.asked >= asked || answer.isFinal);
      const state = isAnswered ? 'answered' : other.state === 'live' ? 'late' : 'silent';
      return { gateway: other.id, name: other.name, answer, state };
    });
    for (const [gateway, answer] of answers) {
      const state = answer.isFinal ? 'answered' : 'gone';
      counts.push({ gateway, name: answer.name, answer, state });
    }
    return counts;
  }
}
