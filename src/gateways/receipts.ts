// Receipts over all gateways. Whoever opens one writes a question; every gateway that serves the upstream
// opens a receipt of its own under the same id and answers with its counts, and again with each question.
// A gateway that has ended keeps its last answer, which says whether it was the last word. The question
// stands in the registry from the opening on, so that a gateway that comes and leaves in between is on it.

import { messageOf, SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { within } from '../base/within.ts';
import type { RecordStore } from '../registry.ts';
import type { AnswerDocument, AskDocument } from './documents.ts';
import type { OtherGateway } from './roster.ts';
import type { Seen, Shared } from './shared-state.ts';

/** A question that is gone may have been lost, and be asked again: the counts go on for so long, ms. */
const LOST_KEEP_MS = 60_000;
/** Whoever asked is gone; another gateway may be asked for the receipt within this time, ms. */
const ORPHAN_KEEP_MS = 600_000;

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
  /**
   * answered: to this question, or with its last word. partial: so, but it began to count later than the
   * receipt. silent, gone, late: counts may be missing.
   */
  readonly state: 'answered' | 'partial' | 'silent' | 'gone' | 'late';
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

/** A receipt that was opened here. */
type Own = {
  /** The gateways that were there then. */
  readonly present: readonly string[];
  /** Those that did not answer then. Undefined: they have not been asked. */
  late: readonly string[] | undefined;
  /** The question as it was asked last. */
  asked: AskDocument | undefined;
  /** The registry had it. */
  isSeen: boolean;
};

export class SharedReceipts {
  readonly #options: ReceiptsOptions;
  /** By receipt: the question that we have answered, or are answering. */
  readonly #answered = new Map<string, number>();
  /** By receipt of others that we count for: since its opening. */
  readonly #whole = new Map<string, boolean>();
  readonly #own = new Map<string, Own>();
  /** By receipt: every other gateway that has served its upstream meanwhile, by id; their names. */
  readonly #met = new Map<string, Map<string, string>>();
  /** By receipt: what is done unless something happens. */
  readonly #lost = new Map<string, NodeJS.Timeout>();
  readonly #orphans = new Map<string, NodeJS.Timeout>();
  /** By receipt: answers are written one after the other. */
  readonly #answers = new Map<string, Promise<void>>();

  constructor(options: ReceiptsOptions) {
    this.#options = options;
  }

  /** Whoever asked last; undefined: nobody has asked for it. */
  find(id: string): AskDocument | undefined {
    return this.#options.shared()?.asks.get(id) ?? this.#own.get(id)?.asked;
  }

  /** A receipt is opened here: who comes later has counted nothing before. */
  open(id: string): void {
    const { id: self, others } = this.#options;
    const present = [self, ...others().map((other) => other.id)];
    this.#own.set(id, { present, late: undefined, asked: undefined, isSeen: false });
  }

  /** Asks all others that serve the upstream, and waits for their answers. @throws registry_… */
  async ask(id: string, upstream: string, timeoutMs: number): Promise<readonly OtherCounts[]> {
    const { id: self } = this.#options;
    const own = this.#own.get(id);
    const known = this.find(id);
    const asked = Math.max(known?.asked ?? 0, this.#answered.get(id) ?? 0) + 1;
    this.#answered.set(id, asked);
    const present = own?.present ?? known?.present ?? [];
    const late = own?.late ?? known?.late ?? [];
    const ask: AskDocument = { upstream, asked, asker: self, present, late };
    if (own !== undefined) own.asked = ask;
    await this.#put(id, ask, timeoutMs);
    const isAnswered = ({ id: other }: OtherGateway): boolean =>
      (this.#answersTo(id)?.get(other)?.asked ?? -1) >= asked;
    await this.#options.until(
      () => this.#serving(upstream).every((other) => other.state !== 'live' || isAnswered(other)),
      timeoutMs,
    );
    if (own !== undefined && own.late === undefined) {
      const missing = this.#serving(upstream).filter((other) => !isAnswered(other));
      own.late = missing.map((other) => other.id).filter((other) => present.includes(other));
    }
    return this.#counts(id, upstream, asked);
  }

  /** The questions of others, and those that nobody asks any more. */
  take(shared: Shared): void {
    const { id: self, serves } = this.#options;
    for (const [id, ask] of shared.asks) {
      clearTimeout(this.#lost.get(id));
      this.#lost.delete(id);
      const own = this.#own.get(id);
      if (own !== undefined) own.isSeen = true;
      this.#meet(id, ask.upstream);
      this.#lookAfter(id, ask.asker !== self && !shared.gateways.has(ask.asker));
      if (ask.asker === self || !serves(ask.upstream)) continue;
      if ((this.#answered.get(id) ?? -1) >= ask.asked) continue;
      this.#answered.set(id, ask.asked);
      void this.#answer(id, ask, false);
    }
    for (const id of this.#met.keys()) {
      if (!shared.asks.has(id)) this.#miss(id);
    }
  }

  /** A receipt that we have opened is closed; others close theirs. */
  async close(id: string): Promise<void> {
    const isAsked = this.find(id) !== undefined;
    this.#own.delete(id);
    if (!isAsked) return;
    const { store, prefix } = this.#options;
    try {
      await store.delete(`${prefix}seen/receipts/${id}/`, { recurse: true });
      await store.delete(`${prefix}shared/receipts/${id}`);
    } catch {
      // Removed by those who are left, or who come: see `#lookAfter`.
    }
  }

  /** The last counts of a gateway that ends. Never throws. */
  async sayLast(): Promise<void> {
    for (const timer of [...this.#lost.values(), ...this.#orphans.values()]) clearTimeout(timer);
    const asks = [...(this.#options.shared()?.asks ?? [])];
    const isAlone = this.#options.others().every(({ state }) => state !== 'live');
    const ours = asks.filter(([id]) => this.#answered.has(id));
    await Promise.all(
      ours.map(([id, ask]) =>
        // Nobody is there who could be asked for it.
        isAlone && this.#own.has(id) ? this.close(id) : this.#answer(id, ask, true),
      ),
    );
  }

  /** @throws registry_unreachable, also when it does not answer in time */
  async #put(id: string, ask: AskDocument, timeoutMs: number): Promise<void> {
    const { store, prefix } = this.#options;
    const written = store.put(`${prefix}shared/receipts/${id}`, JSON.stringify(ask));
    if ((await within(written, timeoutMs, 'late')) !== 'late') return;
    throw new SluiceError('registry_unreachable', 'the registry does not answer');
  }

  #answer(id: string, ask: AskDocument, isFinal: boolean): Promise<void> {
    const last = this.#answers.get(id) ?? Promise.resolve();
    const next = last.then(() => this.#write(id, ask, isFinal));
    this.#answers.set(id, next);
    return next;
  }

  async #write(id: string, { upstream, present, asked: now }: AskDocument, isFinal: boolean) {
    const { store, prefix, id: self, name, local, log } = this.#options;
    const asked = this.#answered.get(id) ?? 0;
    try {
      const isNew = !present.includes(self);
      const isWhole = this.#own.has(id) || (this.#whole.get(id) ?? (isNew || now === 1));
      const receipt = await local.count(id, upstream, isNew);
      this.#whole.set(id, isWhole);
      const answer: AnswerDocument = { asked, name, atMs: Date.now(), isFinal, isWhole, receipt };
      await store.put(`${prefix}seen/receipts/${id}/${self}`, JSON.stringify(answer));
    } catch (error) {
      log.warn({ receipt: id, upstream, reason: messageOf(error) }, 'receipt not answered');
      // It is tried again with the next change, or when it is asked again.
      if (this.#answered.get(id) === asked) this.#answered.set(id, asked - 1);
    }
  }

  #meet(id: string, upstream: string): void {
    const met = this.#met.get(id) ?? new Map<string, string>();
    this.#met.set(id, met);
    for (const other of this.#serving(upstream)) met.set(other.id, other.name);
  }

  /** The registry has it no longer: its asker has closed it, or the record was lost. */
  #miss(id: string): void {
    const own = this.#own.get(id);
    if (own?.asked !== undefined) {
      if (own.isSeen) this.#askAgain(id, own, own.asked);
      return;
    }
    if (this.#lost.has(id)) return;
    const forget = (): void => {
      const { store, prefix, id: self, local } = this.#options;
      this.#lost.delete(id);
      for (const map of [this.#answered, this.#whole, this.#met, this.#answers]) map.delete(id);
      local.forget(id);
      // An answer may have come after its asker had removed them all.
      store.delete(`${prefix}seen/receipts/${id}/${self}`).catch(() => {
        // Whoever restores the registry has it again; it is small.
      });
    };
    this.#lost.set(id, setTimeout(forget, LOST_KEEP_MS).unref());
  }

  /** As a later question: who has given its counts up meanwhile says so. */
  #askAgain(id: string, own: Own, last: AskDocument): void {
    const ask = { ...last, asked: last.asked + 1 };
    own.asked = ask;
    own.isSeen = false;
    this.#put(id, ask, LOST_KEEP_MS).catch(() => {
      // The next question writes it.
    });
  }

  /** A receipt whose asker is gone for good is removed after a while. */
  #lookAfter(id: string, isOrphan: boolean): void {
    const timer = this.#orphans.get(id);
    if (isOrphan === (timer !== undefined)) return;
    clearTimeout(timer);
    this.#orphans.delete(id);
    if (!isOrphan) return;
    const remove = (): void => void this.close(id);
    this.#orphans.set(id, setTimeout(remove, ORPHAN_KEEP_MS).unref());
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
    const gone = new Map(this.#met.get(id));
    const late = this.find(id)?.late ?? [];
    const counts: OtherCounts[] = [];
    const add = (gateway: string, name: string, otherwise: OtherCounts['state']): void => {
      const answer = answers.get(gateway);
      answers.delete(gateway);
      gone.delete(gateway);
      const isAnswered =
        answer !== undefined && (answer.isFinal || (otherwise !== 'gone' && answer.asked >= asked));
      const isWhole = answer?.isWhole === true && !late.includes(gateway);
      const state = !isAnswered ? otherwise : isWhole ? 'answered' : 'partial';
      counts.push({ gateway, name, answer, state });
    };
    answers.delete(self);
    for (const { id: gateway, name, state } of this.#serving(upstream)) {
      add(gateway, name, state === 'live' ? 'late' : 'silent');
    }
    for (const [gateway, { name }] of [...answers]) add(gateway, name, 'gone');
    for (const [gateway, name] of [...gone]) add(gateway, name, 'gone');
    return counts;
  }
}
