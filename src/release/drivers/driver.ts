// How instances are run: what starts a version, what ends it, whether it still runs and what it
// printed. A driver is bound to one instance on one host. What it needs to find and to start the
// instance again it gives out as JSON, which is kept in the instance's record and only given back.
// Everything that touches the instance is asynchronous.

import { type Address, formatAddress } from '../../base/units.ts';
import type { ServiceConfig } from '../../config.ts';
import type { Facts } from '../events.ts';
import type { Host, HostClaim, KeeperOrder } from '../hosts.ts';

export type DriverKind = ServiceConfig['driver'];

/** What starts a version: JSON whose other fields only its driver knows. No values of secrets. */
export type Launch = { readonly version: string };

/** What names one run of an instance, for ever: JSON whose fields only its driver knows. */
export type Handle = object;

/** One run of an instance, as the record keeps it. */
export type Started = {
  readonly handle: Handle;
  readonly startedAtMs: number;
  /** The release that started it. */
  readonly release: string;
  readonly launch: Launch;
};

/** What a plan shows of a launch. */
export type LaunchFacts = {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** Names only: values may be secrets, and plans are printed and journaled. */
  readonly environment: readonly string[];
};

export type DriverState = {
  /** Of its leading process; 0 when there is none or it is not known. */
  readonly pid: number;
  /** How it ended, in words; '' while it runs. */
  readonly ended: string;
};

export type StopOptions = {
  readonly timeoutMs: number;
  readonly wait?: (facts: Facts) => void;
};

export type StopEnd = {
  /** What was done, for the journal. */
  readonly facts: Facts;
  /** What did not end, or who has the port now; '' when the instance is gone and its port closed. */
  readonly trouble: string;
};

/** How it is with the keeper of an instance. */
export type Kept = {
  readonly text: string;
  /** What to do; '' when nothing has to be done. */
  readonly advice: string;
  /** Worth saying also when all is well: it was started again, or will not be. */
  readonly isNews: boolean;
};

export interface Driver {
  /**
   * Fetches what the launch needs and the host lacks, before anything is touched; absent: nothing.
   * @throws preflight_failed
   */
  prepare?(launch: Launch): Promise<void>;
  /** What a person should know before a release starts it so; absent: nothing. */
  warnings?(launch: Launch): Promise<readonly string[]>;

  /** What the configuration says now. */
  launchOf(version: string): Launch;
  describe(launch: Launch): LaunchFacts;
  /** True when both start the same version in the same way. */
  isSame(one: Launch, other: Launch): boolean;
  /** False of one that was found without a record: it cannot be started again. */
  isKnown(launch: Launch): boolean;
  /** The values behind its references, now and at each start so far, which must not be shown. */
  secretsOf(launch: Launch): Promise<readonly string[]>;
  /** What the record holds, read back. @throws Error that says what is wrong */
  readLaunch(value: unknown): Launch;
  readHandle(value: unknown): Handle;

  /** Why the launch cannot work, before anything is touched; '' when nothing speaks against it. */
  startProblem(launch: Launch): Promise<string>;
  /** Why starting it again cannot bring back what ran; '' when nothing speaks against it. */
  returnProblem(launch: Launch): Promise<string>;

  /** @throws release_failed when it is refused, storage_full, storage_failed; locked, see DriverScope */
  start(launch: Launch, release: string): Promise<Started>;
  /** What runs: the one in the record, else one that is known as the instance's; null when none. */
  find(recorded: Started | null): Promise<Started | null>;
  state(handle: Handle): Promise<DriverState>;
  /** Done when all that belongs to the instance has ended and its port is closed. @throws as start, locked */
  stop(handle: Handle | null, options: StopOptions): Promise<StopEnd>;
  /** What runs on although its leader has ended, in words; '' when nothing does. */
  leftBehind(handle: Handle): Promise<string>;
  /**
   * What the release is about to do with the instance, for who starts it again when it ends: `hold`
   * it while it is drained (for `holdMs` at most), `on` when it serves, `off` when it is parked. A start
   * and a stop tell themselves. Absent: there is nobody who has to be told.
   * @throws locked when a release with a higher fence was there
   */
  keep?(order: KeeperOrder, options: { fence: number; holdMs: number }): Promise<void>;
  /** Null when something else than a keeper of ours looks after it. Absent: always. */
  kept?(): Promise<Kept | null>;
  /**
   * The last lines that it printed since it was started; null: of one that does not run, what was printed last.
   * `count`: so many at most; by default as many as the end of a release quotes.
   */
  logs(handle: Handle | null, count?: number): Promise<readonly string[]>;
  /** Where a person reads all of it. */
  readonly logPlace: string;
  /** Who listens on a port of the instance and is not of it, in words; '' when all is well. */
  stranger(handle: Handle | null, port: number): Promise<string>;
}

/** One instance, as its driver gets it. */
export type DriverScope = {
  readonly service: ServiceConfig;
  readonly address: Address;
  readonly host: Host;
  /**
   * Whatever changes the instance (start, stop, each signal) is done under it, so that nothing is done by a
   * release that stood still and has been taken over. Absent: nobody is to be kept out.
   */
  readonly claim?: HostClaim | undefined;
};

/** With what its processes are known by: the value of the variable SLUICE_INSTANCE. */
export type MarkedScope = DriverScope & { readonly mark: string };

/** The mark of an instance that something else keeps: the same wherever it is deployed from. */
export function keptMark({ service, address }: DriverScope): string {
  return `sluice:${service.name}/${formatAddress(address)}`;
}
