// The lock of a service, its journals and what runs where, as records of a registry. Every write of a
// runner goes in one commit with a write of the lock, by compare-and-set: who has lost the lock writes
// nothing any more, whatever it believes. The lock's fence rises with each taking; clocks are not compared.

import type {
  AppendRequest,
  CloseRequest,
  CommandDocument,
  CommandRequest,
  LockDocument,
  PutInstanceRequest,
  ReleaseJournal,
  ReleaseRecord,
  ReleaseSummary,
  TakenDocument,
  TakeRequest,
} from '../admin/contract.ts';
import { formatDuration } from '../base/duration.ts';
import { SluiceError } from '../base/errors.ts';
import { mayBeResumed } from '../base/release-outcome.ts';
import type { KvEntry, RecordStore, RecordWrite } from '../registry.ts';
import { commandFor } from './command.ts';
import { FREE, fromJson, readLock, readRecords, readSummaries } from './documents.ts';
import { LedgerKeys } from './keys.ts';
import { standing } from './standing.ts';
import { toldByRecords } from './told-by-records.ts';

/** Releases that are kept of a service. */
const KEPT = 100;
/** Others write the lock too; after so many lost races something is wrong. */
const TRIES_MAX = 20;

export type LedgerOptions = {
  readonly store: RecordStore;
  /** Ends with a slash. */
  readonly prefix: string;
  /** True: nobody has renewed this lock for so long that its holder is dead. */
  readonly isStale: (service: string, lock: LockDocument) => boolean;
  /** Of a service without a lock record. Default: seconds since 1970, so that hosts which remember a
   * fence still take the next one when the registry has lost the record. */
  readonly firstFence?: number;
};

type Read = { readonly lock: LockDocument; readonly index: number };

/** What to write, by the newest lock. Undefined: nothing. */
type Change = { readonly lock: LockDocument; readonly writes?: readonly RecordWrite[] };

export class Ledger {
  readonly keys: LedgerKeys;
  readonly #options: LedgerOptions;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.keys = new LedgerKeys(options.prefix);
  }

  /** @throws locked, not_found, conflict, registry_… */
  async take(service: string, request: TakeRequest): Promise<TakenDocument> {
    const { upstream, version, user, runner, ticket, resume, deadFence, kind, of, why } = request;
    let taken: LockDocument = FREE;
    const { firstFence = Math.floor(Date.now() / 1000) } = this.#options;
    await this.#change(service, async ({ lock, index }) => {
      const { holder } = lock;
      if (holder !== null && ticket !== '' && holder.ticket === ticket) {
        taken = lock;
        return undefined;
      }
      const isDead = lock.fence === deadFence || this.#options.isStale(service, lock);
      if (holder !== null && !isDead) throw heldBy(service, lock);
      const left = holder === null ? [] : await this.#stepOf(service, holder);
      const number = resume === '' ? Math.max(lock.number + 1, request.atLeast) : lock.number;
      const release = `r${number}`;
      const now = Date.now();
      const begun: ReleaseSummary = {
        ...{ release, number, kind, version, upstream, user, runner, of, why },
        ...{ beganAtMs: now, endedAtMs: 0, outcome: '', exit: 0, reason: '' },
        ...{ lastStep: '', complete: false, from: undefined, counted: undefined },
      };
      const begins = resume === '' ? begun : await this.#unfinished(service, resume, release);
      const next = {
        ...{ release, upstream, version, user, runner, ticket, sinceMs: now, step: '' },
        waits: undefined,
      };
      taken = {
        ...{
          number,
          fence: index === 0 ? firstFence : lock.fence + 1,
          beat: lock.beat + 1,
          holder: next,
        },
        ...{ orphan: '', asked: null },
      };
      // What a resumed one was at, the new runner says itself.
      const others = resume === '' ? left : [];
      return { lock: taken, writes: [...others, this.#summaryWrite(service, begins)] };
    });
    const { number, fence } = taken;
    const release = `r${number}`;
    if (resume === '') await this.#prune(service, number);
    const { entries } = await this.#options.store.list(this.keys.journal(service, release));
    const seqs = readRecords(entries).map(({ seq }) => seq);
    const nextSeq = Math.max(-1, ...seqs) + 1;
    return { shared: true, release, number, fence, nextSeq };
  }

  /** A sign of life. Resolves with the newest command. @throws locked, conflict, registry_… */
  async renew(service: string, fence: number): Promise<CommandDocument | null> {
    let asked: CommandDocument | null = null;
    await this.#change(service, async ({ lock }) => {
      assertHeld(service, lock, fence);
      asked = lock.asked;
      return { lock: alive(lock) };
    });
    return asked;
  }

  /** @throws locked, conflict, registry_… */
  async append(service: string, { fence, records }: AppendRequest): Promise<void> {
    await this.#change(service, async ({ lock }, tries) => {
      const { release } = assertHeld(service, lock, fence);
      const missing = tries === 0 ? records : await this.#missing(service, release, records);
      if (missing.length === 0) return undefined;
      const writes = missing.map((record) => ({
        key: this.keys.record(service, release, record.seq),
        value: JSON.stringify({ ...record, fence }),
        cas: 0,
      }));
      const told = toldByRecords(missing);
      const summary = told === undefined ? undefined : await this.#summary(service, release);
      const summed =
        summary === undefined ? [] : [this.#summaryWrite(service, { ...summary, ...told })];
      return { lock: standing(alive(lock), missing), writes: [...writes, ...summed] };
    });
  }

  /** @throws locked, conflict, registry_… */
  async close(service: string, request: CloseRequest): Promise<void> {
    const { fence, outcome, exit, reason, complete } = request;
    await this.#change(service, async ({ lock }) => {
      // The answer to the first try was lost.
      if (lock.holder === null && lock.fence === fence && lock.orphan === '') return undefined;
      const { release, step } = assertHeld(service, lock, fence);
      const known = await this.#summary(service, release);
      const end = { endedAtMs: Date.now(), outcome, exit, reason, complete, lastStep: step };
      const writes = known === undefined ? [] : [this.#summaryWrite(service, { ...known, ...end })];
      return { lock: { ...lock, holder: null, asked: null }, writes };
    });
  }

  /** Resolves with the release that is told. @throws not_found, conflict, registry_… */
  async command(service: string, request: CommandRequest): Promise<string> {
    let release = '';
    await this.#change(service, async ({ lock }) => {
      const asked = commandFor(service, lock, request);
      release = lock.holder?.release ?? '';
      return { lock: { ...lock, asked } };
    });
    return release;
  }

  /** @throws locked, conflict, registry_… */
  async putInstance(service: string, instance: string, request: PutInstanceRequest): Promise<void> {
    await this.#change(service, async ({ lock }) => {
      assertHeld(service, lock, request.fence);
      const key = this.keys.instance(service, instance);
      return { lock: alive(lock), writes: [{ key, value: JSON.stringify(request.record) }] };
    });
  }

  /**
   * The lock is taken from a holder that is dead: from now on it can write nothing. False: somebody else
   * was first. @throws conflict, registry_…
   */
  async orphan(service: string, fence: number): Promise<boolean> {
    let isOurs = false;
    await this.#change(service, async ({ lock }) => {
      isOurs = lock.fence === fence && lock.holder !== null;
      if (!isOurs || lock.holder === null) return undefined;
      const writes = await this.#stepOf(service, lock.holder);
      const { release } = lock.holder;
      return { lock: { ...lock, holder: null, asked: null, orphan: release }, writes };
    });
    return isOurs;
  }

  /** What it drained was looked at. */
  async adopted(service: string, fence: number): Promise<void> {
    await this.#change(service, async ({ lock }) =>
      lock.fence === fence && lock.orphan !== '' ? { lock: { ...lock, orphan: '' } } : undefined,
    );
  }

  /**
   * A write to put into another commit: it fails when the lock is not what it must be by then.
   * @throws locked, registry_…
   */
  async claim(service: string, isGood: (lock: LockDocument) => boolean): Promise<RecordWrite> {
    const { lock, index } = await this.#read(service);
    if (!isGood(lock)) throw lostLock(service, lock);
    return { key: this.keys.lock(service), value: JSON.stringify(alive(lock)), cas: index };
  }

  async lock(service: string): Promise<LockDocument> {
    return (await this.#read(service)).lock;
  }

  /** Newest first. */
  async summaries(service: string): Promise<readonly ReleaseSummary[]> {
    const { entries } = await this.#options.store.list(this.keys.history(service));
    return readSummaries(entries);
  }

  /** @throws not_found */
  async journal(service: string, release: string): Promise<ReleaseJournal> {
    const all = await this.summaries(service);
    const summary = release === '' ? all[0] : all.find((one) => one.release === release);
    if (summary === undefined) {
      const known = all.slice(0, 5).map((one) => one.release);
      const advice = known.length === 0 ? 'it has none yet' : `the newest: ${known.join(', ')}`;
      const what = release === '' ? 'no release' : `no release ${release}`;
      throw new SluiceError('not_found', `service "${service}": ${what}; ${advice}`);
    }
    const records = await this.records(service, summary.release);
    return { release: summary.release, summary, records };
  }

  async records(service: string, release: string): Promise<readonly ReleaseRecord[]> {
    const { entries } = await this.#options.store.list(this.keys.journal(service, release));
    return readRecords(entries);
  }

  async instances(service: string) {
    const prefix = this.keys.instance(service);
    const { entries } = await this.#options.store.list(prefix);
    return entries.flatMap((entry) => {
      const record = fromJson(entry);
      const instance = entry.key.slice(prefix.length);
      return typeof record === 'object' && record !== null
        ? [{ instance, record: { ...record } }]
        : [];
    });
  }

  async #change(
    service: string,
    decide: (read: Read, tries: number) => Promise<Change | undefined>,
  ): Promise<void> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const read = await this.#read(service);
      const change = await decide(read, tries);
      if (change === undefined) return;
      const { lock, writes = [] } = change;
      const own = { key: this.keys.lock(service), value: JSON.stringify(lock), cas: read.index };
      if (await this.#options.store.commit([own, ...writes])) return;
    }
    const what = `others kept changing the lock, ${TRIES_MAX} tries; try again`;
    throw new SluiceError('conflict', `service "${service}": ${what}`);
  }

  async #read(service: string): Promise<Read> {
    const entry = await this.#options.store.get(this.keys.lock(service));
    if (entry === undefined) return { lock: FREE, index: 0 };
    return { lock: readLock(entry), index: entry.modifyIndex };
  }

  /** Those that are not there; the same one may be, when an answer was lost. @throws conflict */
  async #missing(
    service: string,
    release: string,
    records: readonly ReleaseRecord[],
  ): Promise<readonly ReleaseRecord[]> {
    const found = await Promise.all(
      records.map(({ seq }) => this.#options.store.get(this.keys.record(service, release, seq))),
    );
    return records.filter((record, at) => {
      const [there] = readRecords([found[at]].filter((entry): entry is KvEntry => !!entry));
      if (there === undefined) return true;
      if (there.ts === record.ts && there.kind === record.kind) return false;
      const what = `record ${record.seq} of its journal was written by somebody else`;
      throw new SluiceError('conflict', `release ${release} of "${service}": ${what}`);
    });
  }

  async #summary(service: string, release: string): Promise<ReleaseSummary | undefined> {
    const entry = await this.#options.store.get(this.keys.history(service, release));
    return entry === undefined ? undefined : readSummaries([entry])[0];
  }

  #summaryWrite(service: string, summary: ReleaseSummary): RecordWrite {
    const key = this.keys.history(service, summary.release);
    return { key, value: JSON.stringify(summary) };
  }

  /** Where a release stood whose lock is taken away: the lock alone knew it. */
  async #stepOf(
    service: string,
    { release, step }: { readonly release: string; readonly step: string },
  ): Promise<readonly RecordWrite[]> {
    const known = await this.#summary(service, release);
    return known === undefined ? [] : [this.#summaryWrite(service, { ...known, lastStep: step })];
  }

  /** The release to go on with, as one that has not ended. @throws conflict */
  async #unfinished(service: string, wanted: string, newest: string): Promise<ReleaseSummary> {
    const known = await this.#summary(service, wanted);
    const what =
      known === undefined
        ? 'is not known'
        : !mayBeResumed(known.outcome)
          ? `has ended (${known.outcome})`
          : wanted !== newest
            ? `is not the newest any more, ${newest} is`
            : '';
    if (what === '' && known !== undefined) {
      return { ...known, endedAtMs: 0, outcome: '', exit: 0, reason: '', counted: undefined };
    }
    throw new SluiceError('conflict', `release ${wanted} of "${service}": ${what}`);
  }

  async #prune(service: string, newest: number): Promise<void> {
    const { store } = this.#options;
    for (const { number, release } of await this.summaries(service)) {
      if (number > newest - KEPT) continue;
      await store.delete(this.keys.journal(service, release), { recurse: true });
      await store.delete(this.keys.history(service, release));
    }
  }
}

/** @throws locked */
function assertHeld(service: string, lock: LockDocument, fence: number) {
  if (lock.holder === null || lock.fence !== fence) throw lostLock(service, lock);
  return lock.holder;
}

function alive(lock: LockDocument): LockDocument {
  return { ...lock, beat: lock.beat + 1 };
}

function heldBy(service: string, { holder, fence }: LockDocument): SluiceError {
  if (holder === null) return new SluiceError('locked', `service "${service}": is locked`);
  const { release, version, user, runner, sinceMs, step, waits } = holder;
  const age = formatDuration(Math.max(0, Date.now() - sinceMs));
  const at =
    waits !== undefined
      ? `, and waits for approval (sluice approve ${service})`
      : step === ''
        ? ''
        : `, in ${step}`;
  return new SluiceError(
    'locked',
    `service "${service}": release ${release} to ${version} by ${user} (${runner}) has been running for ${age}${at}; wait for it, or end it with: sluice abort ${service}`,
    { details: { release, version, user, runner, sinceMs, step, fence } },
  );
}

/** What a runner is told that has lost the lock. */
export function lostLock(service: string, { holder, orphan, number }: LockDocument): SluiceError {
  const who =
    holder !== null
      ? `release ${holder.release} by ${holder.user} (${holder.runner}) has it now`
      : orphan !== ''
        ? 'it was not renewed in time'
        : 'it was given back';
  return new SluiceError(
    'locked',
    `service "${service}": the lock of this release is lost, ${who}; nothing more is done here; see: sluice history ${service}`,
    { details: { release: holder?.release ?? `r${number}`, lost: true } },
  );
}
