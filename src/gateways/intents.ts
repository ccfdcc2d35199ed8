// Intent (who took which server out) as all gateways of a registry share it. One record per upstream,
// written by compare-and-set: two people or releases on two gateways cannot pass each other's guard.
// While the registry is away a gateway keeps what it was told, and writes it when the registry is back:
// over what it knew, or, where another gateway has spoken meanwhile, the stricter of the two words.

import { randomBytes } from 'node:crypto';
import { messageOf, SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Admin, READY, stricterAdmin } from '../model.ts';
import type { RecordStore, RecordWrite } from '../registry.ts';
import { intentsText, parseIntents } from './documents.ts';
import { whatHolds } from './intents-order.ts';
import { KnownIntents } from './known-intents.ts';
import { isSameAdmin, type PendingIntent, PendingWords } from './pending-words.ts';
import type { Shared, SharedIntents } from './shared-state.ts';

/** Others write too; after so many lost races something is wrong. */
const TRIES_MAX = 10;
/** A state that was read before our own write may arrive up to this long after it, ms. */
const STALE_MS = 5000;
/** Records of servers that are written with intents that were lost; Consul takes 64 writes at once. */
const BESIDE_MAX = 50;

export type IntentsOptions = {
  readonly store: RecordStore;
  readonly prefix: string;
  /** This gateway, for people. */
  readonly name: string;
  readonly log: Log;
  /** In force here from now on; also by the time that `change` resolves. */
  readonly onIntents: (upstream: string, token: string, admins: ReadonlyMap<string, Admin>) => void;
  /** A word is to be written: `reconcile` does it. */
  readonly onWaiting: () => void;
  /** What is written in the same step as an intent: the server's record. */
  readonly beside: (
    upstream: string,
    server: string,
    admin: Admin,
  ) => Promise<readonly RecordWrite[]>;
};

/** What a change does, decided on the newest intents; it may throw. */
export type Decide = (admins: ReadonlyMap<string, Admin>) => {
  readonly server: string;
  /**
   * ready: the server is given back; where it is not out, only what lies beside is mended. Undefined: nothing
   * is to be written.
   */
  readonly admin: Admin | undefined;
};

/** What is written in the same step as the intents; asked for again after a lost race. */
export type Beside = (admin: Admin) => Promise<readonly RecordWrite[]>;

export class Intents {
  readonly #options: IntentsOptions;
  readonly #known = new KnownIntents();
  readonly #pending = new PendingWords();
  /** Writes of this gateway, one after the other for each upstream. */
  readonly #queues = new Map<string, Promise<unknown>>();
  /** A write is on its way: what the watch says of these may be older. */
  readonly #writing = new Set<string>();
  #latest: Shared | undefined;
  readonly #looks = new Map<string, NodeJS.Timeout>();
  /** It has been said that a word could not be written. */
  #isFailing = false;

  constructor(options: IntentsOptions) {
    this.#options = options;
  }

  token(upstream: string): string {
    return this.#known.of(upstream).intents.token;
  }

  get pending(): readonly PendingIntent[] {
    return this.#pending.all;
  }

  /**
   * Of this upstream as it is in force here. Ready stands for a server that is given back while the
   * registry does not know it yet: what its record repeats of the drain does not count either.
   */
  admins(upstream: string): Map<string, Admin> {
    const { servers } = this.#known.of(upstream).intents;
    const admins = new Map([...servers].map(([id, { admin }]) => [id, admin]));
    for (const { server, admin } of this.#pending.inForce(upstream)) admins.set(server, admin);
    return admins;
  }

  /** Kept for the registry, in force here at once, or, where it is held back, after `release`. */
  keep(upstream: string, server: string, admin: Admin, base?: Admin): void {
    const known = this.#known.of(upstream).intents.servers.get(server)?.admin ?? READY;
    this.#pending.keep({ upstream, server, admin, base: base ?? known });
    this.#inForce(upstream);
    this.#options.onWaiting();
  }

  /** The server was given back, and is still out here. */
  isHeld(upstream: string, server: string): boolean {
    return this.#pending.isHeld(upstream, server);
  }

  /** All that were given back and are still out here. */
  get held(): readonly PendingIntent[] {
    return this.#pending.held;
  }

  /** Nobody goes any more by what was said of these before they were given back. */
  release(words: readonly PendingIntent[]): void {
    for (const upstream of this.#pending.release(words)) this.#inForce(upstream);
  }

  /** What others have confirmed may be over: it is asked for anew. */
  doubt(): void {
    this.#known.doubt();
  }

  /** Written, and in force here, when it resolves. @throws what `decide` throws, conflict, registry_… */
  change(upstream: string, decide: Decide, beside: Beside): Promise<void> {
    const last = this.#queues.get(upstream) ?? Promise.resolve();
    const next = last.catch(() => {}).then(() => this.#change(upstream, decide, beside));
    this.#queues.set(upstream, next);
    return next;
  }

  /** The registry does not know yet what is in force here. */
  isPending(upstream: string): boolean {
    return this.#known.unwritten.includes(upstream) || this.#pending.has(upstream);
  }

  /** `reconcile` has something to do. */
  get isWaiting(): boolean {
    return this.pending.length > 0 || this.#known.unwritten.length > 0;
  }

  /** What the registry has now. */
  take(shared: Shared): void {
    this.#latest = shared;
    for (const upstream of new Set([...shared.intents.keys(), ...this.#known.upstreams])) {
      this.#takeLatest(upstream);
    }
  }

  close(): void {
    for (const timer of this.#looks.values()) clearTimeout(timer);
  }

  /** What an earlier run knew, until the registry says otherwise. */
  remember(upstream: string, admins: ReadonlyMap<string, Admin>): void {
    const { name } = this.#options;
    const servers = new Map([...admins].map(([id, admin]) => [id, { admin, by: name }]));
    this.#known.remember(upstream, servers);
  }

  /**
   * A record says that an intent took the server out, and no intent is known: it is mended, unless the
   * newest intents know better. False: there was nothing to mend. @throws as `change`
   */
  async takeBack(upstream: string, server: string): Promise<boolean> {
    let isMended = false;
    if (this.isPending(upstream)) return isMended;
    await this.#read(upstream, this.#key(upstream));
    // Where there are no intents at all they may be lost.
    if (this.token(upstream) === '') return isMended;
    const decide: Decide = (admins) => {
      isMended = false;
      return { server, admin: admins.has(server) ? undefined : READY };
    };
    await this.change(upstream, decide, async (admin) => {
      const writes = await this.#options.beside(upstream, server, admin);
      isMended = writes.length > 0;
      return writes;
    });
    return isMended;
  }

  /** Writes what waits. The stricter word holds where somebody else has changed the same server. */
  async reconcile(): Promise<void> {
    for (const upstream of this.#known.unwritten) {
      const nothing = { server: '', admin: undefined };
      const write = this.change(
        upstream,
        () => nothing,
        async () => [],
      );
      if (!(await this.#isWritten({ upstream }, write))) return;
    }
    for (const intent of this.pending) {
      const { upstream, server, admin } = intent;
      const beside = this.#besideOf(upstream, server);
      const write = this.change(upstream, () => this.#decideLate(intent), beside);
      if (!(await this.#isWritten({ upstream, server }, write))) return;
      this.#settle(upstream, server, admin);
    }
    this.#isFailing = false;
  }

  /** Says once that it was not. */
  async #isWritten(fields: object, write: Promise<void>): Promise<boolean> {
    try {
      await write;
      return true;
    } catch (error) {
      const text = 'intent is not in the registry yet, only this gateway knows it';
      if (!this.#isFailing) this.#options.log.warn({ ...fields, reason: messageOf(error) }, text);
      this.#isFailing = true;
      return false;
    }
  }

  /** What becomes of a word that waited. */
  #decideLate(intent: PendingIntent): ReturnType<Decide> {
    const { upstream, server, admin } = intent;
    // A newer word has been written, or waits for its own turn.
    if (this.#pending.get(upstream, server)?.admin !== admin) {
      return { server, admin: undefined };
    }
    // Not as it is in force here, where our own word lies over it.
    const shared = this.#known.of(upstream).intents.servers.get(server)?.admin ?? READY;
    const isUntouched = this.#pending.isOurs(intent, shared);
    const wins = isUntouched ? admin : stricterAdmin(shared, admin);
    if (!isUntouched) {
      const fields = { here: admin.state, there: shared.state, kept: wins.state };
      this.#options.log.warn(
        { upstream, server, ...fields },
        'two gateways disagreed about a server: the stricter word holds',
      );
    }
    // Of a server that is back already, what lies beside is mended.
    return { server, admin: wins !== READY && isSameAdmin(shared, wins) ? undefined : wins };
  }

  #key(upstream: string): string {
    return `${this.#options.prefix}shared/intents/${upstream}`;
  }

  #besideOf(upstream: string, server: string): Beside {
    return (admin) => this.#options.beside(upstream, server, admin);
  }

  #settle(upstream: string, server: string, admin: Admin): void {
    if (this.#pending.settle(upstream, server, admin)) this.#inForce(upstream);
  }

  async #change(upstream: string, decide: Decide, beside: Beside): Promise<void> {
    const { store, name } = this.#options;
    const key = this.#key(upstream);
    this.#writing.add(upstream);
    try {
      const isSeen = this.#known.has(upstream) && this.#known.of(upstream).intents.modifyIndex >= 0;
      if (!isSeen) await this.#read(upstream, key);
      for (let tries = 0; tries < TRIES_MAX; tries += 1) {
        const { intents, mustWrite, isDoubted } = this.#known.of(upstream);
        const { server, admin } = decide(this.admins(upstream));
        const waiting = this.#pending.get(upstream, server)?.admin;
        if (admin === undefined && !mustWrite && !isDoubted) return;
        const servers = new Map(intents.servers);
        if (admin?.state === 'ready') servers.delete(server);
        else if (admin !== undefined) servers.set(server, { admin, by: name });
        const isWord =
          admin !== undefined && (admin.state !== 'ready' || intents.servers.has(server));
        const writes = [
          ...(admin === undefined ? [] : await beside(admin)),
          ...(mustWrite ? await this.#besideLost(upstream, intents, server) : []),
        ];
        // A word that waits may yet arrive: it is written over, though it changes nothing.
        const isNeeded = isWord || mustWrite || isDoubted || writes.length > 0;
        if (!isNeeded && waiting === undefined) return;
        const token = randomBytes(8).toString('hex');
        const line = intents.line === '' ? token : intents.line;
        const count = Math.max(1, intents.count + (isWord ? 1 : 0));
        const document = { token, line, count, servers };
        const write = { key, value: intentsText(document), cas: intents.modifyIndex };
        if (await store.commit([write, ...writes])) {
          // Its index is learnt with the next look; until then every older one is known to be old.
          const written = { ...document, modifyIndex: intents.modifyIndex + 1 };
          this.#known.written(upstream, written, this.#latest);
          // It was decided on top of the word that waited; one that came meanwhile goes on waiting.
          if (waiting !== undefined) this.#settle(upstream, server, waiting);
          this.#inForce(upstream);
          return;
        }
        await this.#read(upstream, key);
      }
    } finally {
      this.#writing.delete(upstream);
      this.#takeLatest(upstream);
    }
    throw new SluiceError(
      'conflict',
      `upstream "${upstream}": others kept changing the intents or the record of the server, ${TRIES_MAX} tries; try again`,
    );
  }

  /** Records of servers may have been lost with the intents. */
  async #besideLost(
    upstream: string,
    { servers }: SharedIntents,
    but: string,
  ): Promise<readonly RecordWrite[]> {
    const others = [...servers].filter(([id]) => id !== but).slice(0, BESIDE_MAX);
    const writes = others.map(([id, { admin }]) => this.#options.beside(upstream, id, admin));
    return (await Promise.all(writes)).flat();
  }

  /** What the watch has seen, unless it was read before a write of our own. */
  #takeLatest(upstream: string): void {
    const next = this.#latest?.intents.get(upstream);
    if (this.#latest === undefined || this.#writing.has(upstream)) return;
    const known = this.#known.of(upstream);
    if ((next?.modifyIndex ?? 0) < known.intents.modifyIndex) {
      if (known.passed === this.#latest) return;
      const staleMs = known.writtenMs + STALE_MS - performance.now();
      if (staleMs > 0) {
        this.#lookAgain(upstream, staleMs);
        return;
      }
    }
    this.#takeOne(upstream, next);
  }

  /** Nothing may change until then, and what was too early to be believed is true. */
  #lookAgain(upstream: string, afterMs: number): void {
    if (this.#looks.has(upstream)) return;
    const look = (): void => {
      this.#looks.delete(upstream);
      this.#takeLatest(upstream);
    };
    this.#looks.set(upstream, setTimeout(look, Math.ceil(afterMs)).unref());
  }

  async #read(upstream: string, key: string): Promise<void> {
    const entry = await this.#options.store.get(key);
    if (entry === undefined) {
      this.#takeOne(upstream, undefined);
      return;
    }
    const document = parseIntents(Buffer.from(entry.value).toString());
    if (document === undefined) {
      throw new SluiceError(
        'conflict',
        `record ${key}: is not what sluice writes there, so nobody knows who took which server out; correct it or delete it`,
      );
    }
    this.#takeOne(upstream, { ...document, modifyIndex: entry.modifyIndex });
  }

  #takeOne(upstream: string, next: SharedIntents | undefined): void {
    const known = this.#known.has(upstream) ? this.#known.of(upstream).intents : undefined;
    if (next === undefined) {
      if (known !== undefined && known.token !== '') this.#vanished(upstream, known);
      return;
    }
    const { mustWrite, ...holding } = whatHolds(known, next);
    const { token, modifyIndex } = next;
    this.#set(upstream, { ...holding, token, modifyIndex }, mustWrite);
    if (mustWrite && known?.token !== token) {
      this.#options.log.warn(
        { upstream },
        'intents in the registry are older than known, writing them again',
      );
    }
    if (known?.token !== token) this.#inForce(upstream);
    if (mustWrite) this.#options.onWaiting();
  }

  /** The record is gone, not emptied: nobody gave a server back. What was in force stays so. */
  #vanished(upstream: string, intents: SharedIntents): void {
    const isSomebodyOut = intents.servers.size > 0;
    this.#set(upstream, { ...intents, token: '', modifyIndex: 0 }, isSomebodyOut);
    this.#inForce(upstream);
    if (!isSomebodyOut) return;
    this.#options.log.warn({ upstream }, 'intents vanished from the registry, writing them again');
    this.#options.onWaiting();
  }

  #set(upstream: string, intents: SharedIntents, mustWrite: boolean): void {
    this.#known.seen(upstream, { intents, passed: this.#latest, mustWrite });
  }

  #inForce(upstream: string): void {
    this.#options.onIntents(upstream, this.token(upstream), this.admins(upstream));
  }
}
