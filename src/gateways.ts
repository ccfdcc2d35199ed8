// The gateways that share a registry: who they are, what people and releases want of the servers, and
// what each gateway sees. All of it goes through the registry, so that gateways need nothing of each
// other: no port, no token, no common clock. docs/design/gateways.md has the records and the reasons.

import type { Log } from './base/log.ts';
import { within } from './base/within.ts';
import {
  type AppliedDocument,
  type GatewayDocument,
  type ViewDocument,
  viewText,
} from './gateways/documents.ts';
import { Intents } from './gateways/intents.ts';
import { LeasedRecords } from './gateways/leased-records.ts';
import type { PendingIntent } from './gateways/pending-words.ts';
import { Questions } from './gateways/questions.ts';
import { type LocalReceipts, SharedReceipts } from './gateways/receipts.ts';
import { type OtherGateway, Roster } from './gateways/roster.ts';
import { SharedFigures } from './gateways/shared-figures.ts';
import { type Shared, SharedState } from './gateways/shared-state.ts';
import type { Admin } from './model.ts';
import type { RecordStore, RecordWrite } from './registry.ts';

export type {
  AppliedDocument,
  GatewayDocument,
  ServerView,
  ViewDocument,
} from './gateways/documents.ts';
export type { Beside, Decide, Intents } from './gateways/intents.ts';
export type { PendingIntent } from './gateways/pending-words.ts';
export type { Answer, Questions } from './gateways/questions.ts';
export type { LocalReceipts, OtherCounts } from './gateways/receipts.ts';
export type { OtherGateway } from './gateways/roster.ts';
export type { SharedFigures } from './gateways/shared-figures.ts';

const APPLIED_REST_MS = 500;
const RECONCILE_AGAIN_MS = 2000;
/** Leaving waits no longer for the last counts to be written. */
const LAST_WORD_MS = 5000;

/** What another gateway that serves an upstream sees of it. */
export type Elsewhere = {
  readonly gateway: OtherGateway;
  /** It has the same intents in force as we have, and all of ours are known. Of a silent one nothing is known. */
  readonly isCurrent: boolean;
  readonly view: ViewDocument | undefined;
};

export type KeptIntent = Omit<PendingIntent, 'base'> & { readonly base?: Admin };

export type GatewaysOptions = {
  readonly store: RecordStore;
  /** Of the gateways' own records; ends with a slash. */
  readonly prefix: string;
  readonly id: string;
  readonly leaseMs: number;
  readonly forgetMs: number;
  readonly log: Log;
  readonly describe: () => GatewayDocument;
  readonly view: (upstream: string) => ViewDocument;
  readonly applied: () => AppliedDocument;
  readonly receipts: LocalReceipts;
  /** These intents are in force here from now on. */
  readonly onIntents: (upstream: string, token: string, admins: ReadonlyMap<string, Admin>) => void;
  /** What else is written when a server's intent is: its record's `down`. */
  readonly beside: (
    upstream: string,
    server: string,
    admin: Admin,
  ) => Promise<readonly RecordWrite[]>;
  /** Intents wait for the registry, or do no longer. */
  readonly onPending: () => void;
};

export class Gateways {
  readonly intents: Intents;
  readonly receipts: SharedReceipts;
  readonly figures: SharedFigures;
  readonly questions: Questions;
  readonly #options: GatewaysOptions;
  readonly #roster: Roster;
  readonly #state: SharedState;
  readonly #views: LeasedRecords;
  readonly #applied: LeasedRecords;
  readonly #watchers = new Set<() => void>();
  #retry: NodeJS.Timeout | undefined;
  #isReconciling = false;
  /** Others may have read what is out here. */
  #hasSpoken = false;
  /** And what was out when an earlier run ended. */
  #hadEarlierRun = false;
  #isReachable = true;
  /** The registry has answered. */
  #isMet = false;
  #isClosed = false;

  constructor(options: GatewaysOptions) {
    this.#options = options;
    const { store, prefix, id, log, describe } = options;
    const { name } = describe();
    this.intents = new Intents({
      ...{ store, prefix, name, log },
      onIntents: (...intents) => {
        options.onIntents(...intents);
        this.note();
      },
      beside: options.beside,
      onWaiting: () => this.#reconcile(),
    });
    const records = {
      log,
      lease: () => this.#roster.lease,
      isRead: () => this.others.some(({ state }) => state === 'live'),
    };
    const viewPrefix = `${prefix}seen/views/${id}/`;
    this.#views = new LeasedRecords({
      ...records,
      keys: () => describe().upstreams.map((upstream) => `${viewPrefix}${upstream}`),
      text: (key) => this.#viewText(key.slice(viewPrefix.length)),
      read: () => textsBelow(store, viewPrefix),
      restMs: 0,
    });
    this.#applied = new LeasedRecords({
      ...records,
      keys: () => [`${prefix}seen/applied/${id}`],
      text: () => JSON.stringify(options.applied()),
      read: () => textsBelow(store, `${prefix}seen/applied/${id}`),
      restMs: APPLIED_REST_MS,
    });
    this.#roster = new Roster({
      ...{ store, prefix, id, log, describe },
      leaseMs: options.leaseMs,
      forgetMs: options.forgetMs,
      onLease: () => {
        this.#views.again();
        this.#applied.again();
        this.figures.again();
      },
    });
    const toOthers = { store, prefix, id, log, lease: () => this.#roster.lease };
    this.figures = new SharedFigures(toOthers);
    this.questions = new Questions(toOthers);
    this.receipts = new SharedReceipts({
      ...{ store, prefix, id, name, log, local: options.receipts },
      serves: (upstream) => describe().upstreams.includes(upstream),
      others: () => this.others,
      shared: () => this.#state.shared,
      seen: () => this.#state.seen,
      until: (isDone, timeoutMs) => this.until(isDone, timeoutMs),
    });
    this.#state = new SharedState({
      ...{ store, prefix, log },
      isAwaited: () => this.#watchers.size > 0,
      onShared: (shared) => this.#take(shared),
      onSeen: () => this.#changed(),
      onHealth: ({ reachable }) => {
        if (reachable && !this.#isReachable) this.intents.doubt();
        this.#isReachable = reachable;
        if (reachable) this.#reconcile();
        this.#changed();
      },
    });
  }

  /** All but this one. */
  get others(): readonly OtherGateway[] {
    return this.#roster.others;
  }

  /** False: there was no look at the registry yet, or the last one failed: what others do is not seen. */
  get isReachable(): boolean {
    return this.#isReachable && this.#state.shared !== undefined;
  }

  /** Resolves with the registry's first answer, or when the time is over. */
  first(timeoutMs: number): Promise<void> {
    return this.until(() => this.#state.shared !== undefined, timeoutMs);
  }

  /**
   * From now on the others see this one. Resolves when the registry has shown it to us: then every intent
   * that was written before we could be seen is in force, and whoever writes later waits for us.
   */
  async join(timeoutMs: number): Promise<void> {
    this.#roster.start();
    const { id } = this.#options;
    const isSeen = (): boolean =>
      this.#state.shared?.gateways.has(id) === true && this.#state.shared.alive.has(id);
    if (this.isReachable) await this.until(isSeen, timeoutMs);
  }

  /** What is seen here, or what `describe` says, may have changed. */
  note(): void {
    this.#views.note();
    this.#applied.note();
  }

  describeAgain(): void {
    void this.#roster.update();
    this.note();
  }

  /** What the others see is followed from now on, for a while; resolves when it is here, or late. */
  async look(timeoutMs: number): Promise<void> {
    this.#state.look();
    const isAlone = this.others.every(({ state }) => state !== 'live');
    if (!isAlone && this.isReachable) await this.until(() => this.#state.isSeen, timeoutMs);
  }

  /** How far another gateway follows the registry; undefined: it has not said. */
  appliedBy(gateway: string): AppliedDocument | undefined {
    return this.#state.seen.applied.get(gateway);
  }

  /** The other gateways that serve the upstream. */
  elsewhere(upstream: string): readonly Elsewhere[] {
    const token = this.intents.token(upstream);
    const isPending = this.intents.isPending(upstream);
    return this.others
      .filter(({ upstreams }) => upstreams.includes(upstream))
      .map((gateway) => {
        const view = this.#state.seen.views.get(gateway.id)?.get(upstream);
        return { gateway, view, isCurrent: !isPending && view?.token === token };
      });
  }

  /** Called after each change of what others say, which is followed until the unsubscription that it returns. */
  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange);
    return () => this.#watchers.delete(onChange);
  }

  until(isDone: () => boolean, timeoutMs: number): Promise<void> {
    if (isDone() || timeoutMs <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        unwatch();
        resolve();
      };
      const timer = setTimeout(finish, timeoutMs);
      const unwatch = this.watch(() => {
        if (isDone()) finish();
      });
    });
  }

  /** What an earlier run knew, until the registry says otherwise. */
  remember(upstream: string, admins: ReadonlyMap<string, Admin>): void {
    this.#hadEarlierRun = true;
    this.intents.remember(upstream, admins);
  }

  /**
   * A word that the registry could not be told: written when it is back, and in force here. A server that is
   * given back stays out until no other gateway goes by what we said of it. `base`: of an earlier run.
   */
  keep({ upstream, server, admin, base }: KeptIntent): void {
    this.intents.keep(upstream, server, admin, base);
    this.#options.onPending();
    this.note();
    if (!this.intents.isHeld(upstream, server)) return;
    this.#options.log.info(
      { upstream, server },
      'given back while the registry is away: in force when it is back, or our lease has surely ended',
    );
    if (base !== undefined) this.#hadEarlierRun = true;
    const isHeardOf = this.#hasSpoken || this.#hadEarlierRun;
    const isSilent = isHeardOf ? this.#roster.fallSilent(this.#hadEarlierRun) : Promise.resolve();
    // What is given back later waits for a later lease.
    const { held } = this.intents;
    void isSilent.then(() => {
      if (!this.#isClosed) this.intents.release(held);
    });
  }

  /** Leaves; never throws. `isFollowed`: our workers serve on for another gateway, so that those who wait for us go on. */
  async close(isFollowed = false): Promise<void> {
    const isWaitedFor = isFollowed && this.others.length > 0;
    if (!isWaitedFor) await within(this.receipts.sayLast(), LAST_WORD_MS, undefined);
    this.#isClosed = true;
    this.#views.close();
    this.#applied.close();
    this.figures.close();
    this.questions.close();
    this.intents.close();
    clearTimeout(this.#retry);
    await this.#roster.close(!isWaitedFor);
    this.#state.close();
    this.#changed();
  }

  /** While a word of ours waits, what is out here is not what the registry's intents say. */
  #viewText(upstream: string): string {
    this.#hasSpoken = true;
    const view = this.#options.view(upstream);
    return viewText(this.intents.isPending(upstream) ? { ...view, token: '' } : view);
  }

  #take(shared: Shared): void {
    const isFirst = !this.#isMet;
    this.#isMet = true;
    const isNew = this.#roster.take(shared, Date.now());
    this.intents.take(shared);
    if (isFirst) this.intents.doubt();
    this.receipts.take(shared);
    if (isNew) this.note();
    this.#reconcile();
    this.#changed();
  }

  #changed(): void {
    for (const onChange of [...this.#watchers]) onChange();
  }

  #reconcile(): void {
    // Before the first answer of the registry nobody knows what to write.
    if (this.#isReconciling || this.#state?.shared === undefined) return;
    if (!this.intents.isWaiting || this.#isClosed) return;
    this.#isReconciling = true;
    void this.intents.reconcile().finally(() => {
      this.#isReconciling = false;
      this.#options.onPending();
      this.note();
      if (!this.intents.isWaiting) return;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#reconcile(), RECONCILE_AGAIN_MS).unref();
    });
  }
}

async function textsBelow(store: RecordStore, prefix: string): Promise<Map<string, string>> {
  const { entries } = await store.list(prefix);
  return new Map(entries.map(({ key, value }) => [key, Buffer.from(value).toString()]));
}
