// Intent (who took which server out) as all gateways of a registry share it. One record per upstream,
// written by compare-and-set: two people or releases on two gateways cannot pass each other's guard.
// While the registry is away a gateway keeps what it was told, and writes it when the registry is back:
// over what it knew, or, where another gateway has spoken meanwhile, the stricter of the two words.

import { randomBytes } from 'node:crypto';
import { messageOf, SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Admin, READY, stricterAdmin } from '../model.ts';
import type { RecordStore, RecordWrite } from '../registry.ts';
import { type Intent, intentsText, parseIntents } from './documents.ts';
import type { Shared, SharedIntents } from './shared-state.ts';

/** Others write too; after so many lost races something is wrong. */
const TRIES_MAX = 10;
/** A state that was read before our own write may arrive up to this long after it, ms. */
const STALE_MS = 5000;
/** Words about one server that are remembered while the registry is away. */
const EARLIER_MAX = 20;

/** A word that the registry does not have yet. */
export type PendingIntent = {
  readonly upstream: string;
  readonly server: string;
  /** ready: the server is to be given back. */
  readonly admin: Admin;
  /** What the registry said when this was decided. */
  readonly base: Admin;
};

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
};

/** What a change does, decided on the newest intents; it may throw. */
export type Decide = (admins: ReadonlyMap<string, Admin>) => {
  readonly server: string;
  /** ready: the server is given back. Undefined: nothing is to be written. */
  readonly admin: Admin | undefined;
};

/** What is written in the same step as the intents; asked for again after a lost race. */
export type Beside = (admin: Admin) => Promise<readonly RecordWrite[]>;

type Known = {
  readonly intents: SharedIntents;
  /** When we wrote it ourselves. */
  readonly writtenMs: number;
  /** What the watch had seen by the time that we learnt this otherwise: it says nothing newer. */
  readonly passed: Shared | undefined;
};

const NO_INTENTS: SharedIntents = { token: '', servers: new Map(), modifyIndex: 0 };
/** Of an earlier run: older than whatever the registry has. */
const REMEMBERED: Known = {
  intents: { token: 'remembered', servers: new Map(), modifyIndex: -1 },
  writtenMs: Number.NEGATIVE_INFINITY,
  passed: undefined,
};

export class Intents {
  readonly #options: IntentsOptions;
  readonly #known = new Map<string, Known>();
  readonly #pending = new Map<string, Map<string, PendingIntent>>();
  /** What this gateway said of a server before, while its last word waits: it may yet arrive. */
  readonly #earlier = new Map<string, readonly Admin[]>();
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
    return this.#known.get(upstream)?.intents.token ?? '';
  }

  get pending(): readonly PendingIntent[] {
    return [...this.#pending.values()].flatMap((servers) => [...servers.values()]);
  }

  /**
   * Of this upstream as it is in force here. Ready stands for a server that is given back while the
   * registry does not know it yet: what its record repeats of the drain does not count either.
   */
  admins(upstream: string): Map<string, Admin> {
    const servers = this.#known.get(upstream)?.intents.servers ?? new Map<string, Intent>();
    const admins = new Map([...servers].map(([id, { admin }]) => [id, admin]));
    for (const [id, { admin }] of this.#pending.get(upstream) ?? []) admins.set(id, admin);
    return admins;
  }

  /** Kept for the registry, in force here at once. */
  keep(upstream: string, server: string, admin: Admin, base?: Admin): void {
    const pending = this.#pending.get(upstream) ?? new Map<string, PendingIntent>();
    this.#pending.set(upstream, pending);
    const known = this.#known.get(upstream)?.intents.servers.get(server)?.admin ?? READY;
    const last = pending.get(server);
    const key = `${upstream} ${server}`;
    if (last !== undefined) {
      this.#earlier.set(key, [...(this.#earlier.get(key) ?? []), last.admin].slice(-EARLIER_MAX));
    }
    pending.set(server, { upstream, server, admin, base: last?.base ?? base ?? known });
    this.#inForce(upstream);
    this.#options.onWaiting();
  }

  /** Written, and in force here, when it resolves. @throws what `decide` throws, conflict, registry_… */
  change(upstream: string, decide: Decide, beside: Beside): Promise<void> {
    const last = this.#queues.get(upstream) ?? Promise.resolve();
    const next = last.catch(() => {}).then(() => this.#change(upstream, decide, beside));
    this.#queues.set(upstream, next);
    return next;
  }

  /** The registry does not know yet what was decided here. */
  isPending(upstream: string): boolean {
    return (this.#pending.get(upstream)?.size ?? 0) > 0;
  }

  /** What the registry has now. */
  take(shared: Shared): void {
    this.#latest = shared;
    for (const upstream of new Set([...shared.intents.keys(), ...this.#known.keys()])) {
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
    this.#known.set(upstream, { ...REMEMBERED, intents: { ...REMEMBERED.intents, servers } });
  }

  /** Writes what waits. The stricter word holds where somebody else has changed the same server. */
  async reconcile(besideOf: (upstream: string, server: string) => Beside): Promise<void> {
    for (const { upstream, server, admin, base } of this.pending) {
      const decide: Decide = () => {
        // A newer word has been written, or waits for its own turn.
        if (this.#pending.get(upstream)?.get(server)?.admin !== admin) {
          return { server, admin: undefined };
        }
        // Not as it is in force here, where our own word lies over it.
        const shared = this.#known.get(upstream)?.intents.servers.get(server)?.admin ?? READY;
        const ours = [base, admin, ...(this.#earlier.get(`${upstream} ${server}`) ?? [])];
        const isUntouched = ours.some((word) => isSameAdmin(shared, word));
        const wins = isUntouched ? admin : stricterAdmin(shared, admin);
        if (!isUntouched) {
          const fields = {
            upstream,
            server,
            here: admin.state,
            there: shared.state,
            kept: wins.state,
          };
          this.#options.log.warn(
            fields,
            'two gateways disagreed about a server: the stricter word holds',
          );
        }
        return { server, admin: isSameAdmin(shared, wins) ? undefined : wins };
      };
      try {
        await this.change(upstream, decide, besideOf(upstream, server));
      } catch (error) {
        const fields = { upstream, server, reason: messageOf(error) };
        const text = 'intent is not in the registry yet, only this gateway knows it';
        if (!this.#isFailing) this.#options.log.warn(fields, text);
        this.#isFailing = true;
        return;
      }
      this.#settle(upstream, server, admin);
    }
    this.#isFailing = false;
  }

  #settle(upstream: string, server: string, admin: Admin): void {
    const pending = this.#pending.get(upstream);
    // A newer word of the meantime waits for its own turn.
    if (pending?.get(server)?.admin !== admin) return;
    pending.delete(server);
    this.#earlier.delete(`${upstream} ${server}`);
    this.#inForce(upstream);
  }

  async #change(upstream: string, decide: Decide, beside: Beside): Promise<void> {
    const { store, prefix, name } = this.#options;
    const key = `${prefix}shared/intents/${upstream}`;
    this.#writing.add(upstream);
    try {
      const known = this.#known.get(upstream);
      if (known === undefined || known.intents.modifyIndex < 0) await this.#read(upstream, key);
      for (let tries = 0; tries < TRIES_MAX; tries += 1) {
        const { intents } = this.#known.get(upstream) ?? { intents: NO_INTENTS };
        const { server, admin } = decide(this.admins(upstream));
        const waiting = this.#pending.get(upstream)?.get(server)?.admin;
        if (admin === undefined) return;
        const servers = new Map(intents.servers);
        if (admin.state === 'ready') servers.delete(server);
        else servers.set(server, { admin, by: name });
        const token = randomBytes(8).toString('hex');
        const writes = await beside(admin);
        const value = intentsText({ token, servers });
        const write = { key, value, cas: intents.modifyIndex };
        if (await store.commit([write, ...writes])) {
          // Its index is learnt with the next look; until then every older one is known to be old.
          const written = { token, servers, modifyIndex: intents.modifyIndex + 1 };
          const passed = this.#latest;
          this.#known.set(upstream, { intents: written, writtenMs: performance.now(), passed });
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

  /** What the watch has seen, unless it was read before a write of our own. */
  #takeLatest(upstream: string): void {
    const next = this.#latest?.intents.get(upstream);
    if (this.#latest === undefined || this.#writing.has(upstream)) return;
    const known = this.#known.get(upstream);
    if (known !== undefined && (next?.modifyIndex ?? 0) < known.intents.modifyIndex) {
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
    const known = this.#known.get(upstream)?.intents;
    if (next !== undefined) {
      const isOlder = known !== undefined && next.modifyIndex < known.modifyIndex;
      this.#set(upstream, next);
      if (isOlder && known.token !== next.token) this.#wentBack(upstream, known, next);
      if (known?.token !== next.token) this.#inForce(upstream);
    } else if (known !== undefined && known.token !== '') this.#vanished(upstream, known);
  }

  /** The record is gone, not emptied: nobody gave a server back. What was in force stays so. */
  #vanished(upstream: string, intents: SharedIntents): void {
    this.#set(upstream, NO_INTENTS);
    for (const [server, { admin }] of intents.servers) this.keep(upstream, server, admin, READY);
    if (intents.servers.size === 0) this.#inForce(upstream);
    else
      this.#options.log.warn(
        { upstream },
        'intents vanished from the registry, writing them again',
      );
  }

  /** The registry is older than what we know, as after a restore: the newer words are written again. */
  #wentBack(upstream: string, newer: SharedIntents, older: SharedIntents): void {
    const { log } = this.#options;
    for (const server of new Set([...newer.servers.keys(), ...older.servers.keys()])) {
      const admin = newer.servers.get(server)?.admin ?? READY;
      const base = older.servers.get(server)?.admin ?? READY;
      if (!isSameAdmin(admin, base)) this.keep(upstream, server, admin, base);
    }
    log.warn({ upstream }, 'intents in the registry are older than known, writing them again');
  }

  #set(upstream: string, intents: SharedIntents): void {
    const writtenMs = this.#known.get(upstream)?.writtenMs ?? Number.NEGATIVE_INFINITY;
    this.#known.set(upstream, { intents, writtenMs, passed: this.#latest });
  }

  #inForce(upstream: string): void {
    this.#options.onIntents(upstream, this.token(upstream), this.admins(upstream));
  }
}

function isSameAdmin(a: Admin, b: Admin): boolean {
  return (
    a.state === b.state && a.owner === b.owner && a.reason === b.reason && a.sinceMs === b.sinceMs
  );
}
