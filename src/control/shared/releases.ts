// The releases of all services for this gateway: what runners and people ask for, kept in the registry
// that the gateways share; and the dead man's part. A release whose runner has died holds servers that it
// drained: those whose process it has not stopped go back into traffic by themselves. Every gateway may
// do that; the first one takes the lock away, and the others come after it only when it did not finish.

import type {
  AppendRequest,
  CloseRequest,
  CommandRequest,
  InstancesDocument,
  LockDocument,
  LockRequest,
  PutInstanceRequest,
  ReleaseJournal,
  ReleaseRecords,
  ReleasesDocument,
  RenewedDocument,
  RenewRequest,
  TakenDocument,
  TakeRequest,
} from '../../admin.ts';
import { isSluiceError, messageOf, SluiceError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import {
  type AllReleases,
  allReleases,
  drainedOnly,
  Ledger,
  LockWatch,
  lostLock,
  VersionWatch,
} from '../../ledger.ts';
import { ownerText } from '../../model.ts';
import type { RecordStore, RecordWrite } from '../../registry.ts';

/** The gateway that took the lock away has so long to do the rest before another one does it, ms. */
const OTHERS_AFTER_MS = 5000;
/** A renewal waits for a command no longer than this. */
const RENEW_WAIT_MS_MAX = 30_000;

export type SharedReleasesOptions = {
  readonly store: RecordStore;
  /** Ends with a slash. */
  readonly prefix: string;
  readonly log: Log;
  readonly staleMs?: number;
  readonly firstFence?: number;
  /** The servers that this owner has drained here: upstream and id. */
  readonly drainedBy: (
    owner: string,
  ) => readonly { readonly upstream: string; readonly server: string }[];
  /** Gives one back, in one commit with `claim`. @throws conflict, locked, registry_… */
  readonly giveBack: (given: {
    readonly upstream: string;
    readonly server: string;
    readonly owner: string;
    readonly claim: () => Promise<readonly RecordWrite[]>;
  }) => Promise<void>;
  /** For the audit log. */
  readonly onGivenBack: (given: {
    readonly upstream: string;
    readonly server: string;
    readonly owner: string;
    readonly reason: string;
  }) => void;
};

/** What is seen of releases without asking; nothing where nothing is shared. */
export type ReleaseLook = Partial<
  Pick<SharedReleases, 'version' | 'watch' | 'runningOn' | 'standing' | 'all'>
>;

export class SharedReleases implements ReleaseRecords {
  readonly #options: SharedReleasesOptions;
  readonly #ledger: Ledger;
  readonly #watch: LockWatch;
  readonly #versions: VersionWatch;
  readonly #timers = new Set<NodeJS.Timeout>();
  #isClosed = false;

  constructor(options: SharedReleasesOptions) {
    this.#options = options;
    const { store, prefix, log, staleMs, firstFence } = options;
    this.#ledger = new Ledger({
      ...{ store, prefix },
      ...(firstFence === undefined ? {} : { firstFence }),
      isStale: (service, lock) => this.#watch.isStale(service, lock),
    });
    this.#versions = new VersionWatch(store, this.#ledger.keys.instances);
    this.#watch = new LockWatch({
      ...{ store, prefix: this.#ledger.keys.locks, log },
      ...(staleMs === undefined ? {} : { staleMs }),
      onStale: (service, lock) => void this.#bury(service, lock),
      onOrphan: (service, lock) => this.#later(service, lock),
    });
  }

  /** That a release started at this address; '' = not known. */
  version(server: string): string {
    return this.#versions.version(server);
  }

  /** The lock of each service as it was seen last, and whether its holder gives no sign of life. */
  standing(): ReadonlyMap<string, { readonly lock: LockDocument; readonly stale: boolean }> {
    const locks = [...this.#watch.locks()];
    return new Map(
      locks.map(([name, lock]) => [name, { lock, stale: this.#watch.isStale(name, lock) }]),
    );
  }

  /** Null: none does. */
  runningOn(upstream: string): LockDocument['holder'] {
    return this.#watch.runningOn(upstream);
  }

  /** Called when a release began a step, ended, or was told something. */
  watch(onChange: () => void): () => void {
    return this.#watch.watch(onChange);
  }

  take(service: string, request: TakeRequest): Promise<TakenDocument> {
    return this.#ledger.take(service, request);
  }

  async renew(service: string, request: RenewRequest): Promise<RenewedDocument> {
    const { fence, heard, waitMs } = request;
    const asked = await this.#ledger.renew(service, fence);
    if (asked !== null && asked.seq > heard) return { asked };
    const isNew = (lock: LockDocument | undefined): boolean =>
      lock !== undefined && (lock.fence > fence || (lock.asked?.seq ?? 0) > heard);
    await this.#watch.until(service, isNew, Math.min(waitMs, RENEW_WAIT_MS_MAX));
    const lock = this.#watch.lock(service);
    if (lock !== undefined && lock.fence > fence) throw lostLock(service, lock);
    const next = lock?.asked ?? null;
    return { asked: next !== null && next.seq > heard ? next : null };
  }

  append(service: string, request: AppendRequest): Promise<void> {
    return this.#ledger.append(service, request);
  }

  close(service: string, request: CloseRequest): Promise<void> {
    return this.#ledger.close(service, request);
  }

  command(service: string, request: CommandRequest): Promise<string> {
    return this.#ledger.command(service, request);
  }

  async history(service: string): Promise<ReleasesDocument> {
    const [lock, releases] = await Promise.all([
      this.#ledger.lock(service),
      this.#ledger.summaries(service),
    ]);
    return { shared: true, lock, stale: this.#watch.isStale(service, lock), releases };
  }

  /** Of all services; `stale`: those whose runner counts as dead. @throws registry_… */
  async all(): Promise<AllReleases & { readonly stale: ReadonlySet<string> }> {
    const all = await allReleases(this.#options.store, this.#ledger.keys);
    const stale = [...all.locks].filter(([service, lock]) => this.#watch.isStale(service, lock));
    return { ...all, stale: new Set(stale.map(([service]) => service)) };
  }

  journal(service: string, release: string): Promise<ReleaseJournal> {
    // A path has no empty names.
    return this.#ledger.journal(service, release === 'newest' ? '' : release);
  }

  async instances(service: string): Promise<InstancesDocument> {
    return { shared: true, instances: await this.#ledger.instances(service) };
  }

  putInstance(service: string, instance: string, request: PutInstanceRequest): Promise<void> {
    return this.#ledger.putInstance(service, instance, request);
  }

  /** What makes a commit fail when the runner has lost the lock. @throws locked, registry_… */
  async claim({ service, fence }: LockRequest): Promise<readonly RecordWrite[]> {
    const isHeld = (lock: LockDocument): boolean => lock.holder !== null && lock.fence === fence;
    return [await this.#ledger.claim(service, isHeld)];
  }

  /** By what was seen last, for when the registry cannot be asked. @throws locked */
  checkKnown({ service, fence }: LockRequest): void {
    const lock = this.#watch.lock(service);
    if (lock === undefined || lock.fence < fence) return;
    if (lock.fence > fence || lock.holder === null) throw lostLock(service, lock);
  }

  stop(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#watch.close();
    this.#versions.close();
  }

  /** The holder is dead. */
  async #bury(service: string, lock: LockDocument): Promise<void> {
    const { log } = this.#options;
    try {
      if (!(await this.#ledger.orphan(service, lock.fence))) return;
      const { holder } = lock;
      const fields = { service, release: holder?.release, runner: holder?.runner };
      log.warn(fields, 'the runner of a release is gone, its lock is free');
      await this.#giveBack(service, lock.fence);
    } catch (error) {
      log.warn({ service, reason: messageOf(error) }, 'release without a runner: looked at again');
    }
  }

  /** Another gateway took the lock away; when it does not finish, we do. */
  #later(service: string, { fence }: LockDocument): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const lock = this.#watch.lock(service);
      if (lock === undefined || lock.fence !== fence || lock.orphan === '') return;
      this.#giveBack(service, fence).catch((error: unknown) => {
        const { log } = this.#options;
        log.warn({ service, reason: messageOf(error) }, 'release without a runner: not looked at');
        if (!this.#isClosed) this.#later(service, lock);
      });
    }, OTHERS_AFTER_MS).unref();
    this.#timers.add(timer);
  }

  async #giveBack(service: string, fence: number): Promise<void> {
    const { drainedBy, giveBack, onGivenBack, log } = this.#options;
    const { orphan, fence: now } = await this.#ledger.lock(service);
    if (now !== fence || orphan === '') return;
    const owner = ownerText({ kind: 'release', id: orphan });
    const untouched = drainedOnly(await this.#ledger.records(service, orphan));
    const isOrphan = (lock: LockDocument): boolean => lock.fence === fence && lock.orphan !== '';
    const claim = async () => [await this.#ledger.claim(service, isOrphan)];
    for (const { upstream, server } of drainedBy(owner)) {
      if (!untouched.has(server)) continue;
      const reason = `the runner of ${orphan} is gone; ${server} was drained and not stopped`;
      try {
        await giveBack({ upstream, server, owner, claim });
      } catch (error) {
        // A person, or a new release, has it by now.
        if (!isSluiceError(error) || (error.code !== 'conflict' && error.code !== 'locked')) {
          throw error;
        }
        log.info({ upstream, server, reason: messageOf(error) }, 'not given back');
        continue;
      }
      onGivenBack({ upstream, server, owner, reason });
    }
    await this.#ledger.adopted(service, fence);
  }
}

/** Where no registry is shared: a runner keeps its records itself. */
export const NO_RELEASES: ReleaseRecords = {
  take: async () => ({ shared: false, release: '', number: 0, fence: 0, nextSeq: 0 }),
  renew: async () => noRegistry(),
  append: async () => noRegistry(),
  close: async () => noRegistry(),
  command: async () => noRegistry(),
  history: async () => ({ shared: false, lock: null, stale: false, releases: [] }),
  journal: async () => noRegistry(),
  instances: async () => ({ shared: false, instances: [] }),
  putInstance: async () => noRegistry(),
};

function noRegistry(): never {
  const advice = 'the records of a release are with its runner, in the run_dir of the service';
  throw new SluiceError('conflict', `this gateway has no registry that can be written; ${advice}`);
}
