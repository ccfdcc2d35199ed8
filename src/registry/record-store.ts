// Records that can be read, written and watched: what a registry is for whoever changes it. Not every
// source of servers has such a store; who only wants to know the servers follows a MembershipSource.
// Consul's words (index, wait, session) stay in this folder.

import type { SourceHealth } from './membership-source.ts';

/** One record. `value` is the raw bytes; `flags` is an unsigned 64-bit number as text. */
export type KvEntry = {
  readonly key: string;
  readonly value: Uint8Array;
  readonly flags: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
  readonly lockIndex: number;
  /** Of the session or lease that holds it; left out: nobody does, or the registry does not say. */
  readonly session?: string;
};

/** A prefix as it stood at `index`. An absent prefix has no entries. Sorted bytewise by key. */
export type KvState = { readonly index: number; readonly entries: readonly KvEntry[] };

/** Records that were written, and keys that are gone, as of `index`; all others of the prefix are as before. */
export type KvChange = KvState & { readonly removed: readonly string[] };

export type PutOptions = {
  /** Write only if the record's modifyIndex is this; 0 = only if it is absent. */
  readonly cas?: number;
  readonly flags?: string;
};

export type DeleteOptions = { readonly recurse?: boolean; readonly cas?: number };

/** One write of a `commit`. `cas`: as in PutOptions. */
export type RecordWrite =
  | {
      readonly key: string;
      readonly value: Uint8Array | string;
      readonly cas?: number;
      readonly flags?: string;
    }
  | { readonly key: string; readonly delete: true; readonly cas?: number };

export type LeaseOptions = {
  /** Its records vanish when nobody has renewed it for this long (a registry may take up to twice that). */
  readonly ttlMs: number;
  /** Called once, when it cannot be counted on any more; not after `close`. */
  readonly onLost: (reason: string) => void;
};

/** Records that live as long as whoever wrote them: renewed until `close`, gone when the writer dies. */
export type Lease = {
  /** As the registry has it: it may have a least time. */
  readonly ttlMs: number;
  /** The record belongs to the lease. @throws as RecordStore, conflict when another lease holds it */
  put(key: string, value: Uint8Array | string): Promise<void>;
  delete(key: string): Promise<void>;
  /** Its records vanish at once, where the registry can be reached. False: it did not say so, ask again. Never throws. */
  close(): Promise<boolean>;
};

export type WatchEvents = {
  /** The prefix as it now is: at the start and after every change. Latest wins, never a queue. */
  readonly onState: (state: KvState) => void;
  /**
   * Instead of `onState`, where a registry knows what changed: these records alone. False: it is not
   * enough, the whole prefix is wanted.
   */
  readonly onRecords?: (change: KvChange) => boolean;
  /** The registry went away (reachable false, once) or came back (once). */
  readonly onHealth?: (health: SourceHealth) => void;
};

export type Watch = { close(): void };

/** What every registry takes in one `commit`. */
export const COMMIT_WRITES_MAX = 64;

/**
 * @throws registry_unreachable when no address answers within the deadline,
 *   registry_refused when the registry said no (403, 400, …), too_large for a value over 512 KiB.
 */
export interface RecordStore {
  get(key: string): Promise<KvEntry | undefined>;
  list(prefix: string): Promise<KvState>;
  /** The keys alone, sorted bytewise. Where it is left out, `list` is the way. */
  keys?(prefix: string): Promise<readonly string[]>;
  /** Whose a session of an entry is, in words; '' = it does not say. */
  holderOf?(session: string): Promise<string>;
  /** False when `cas` did not match. */
  put(key: string, value: Uint8Array | string, options?: PutOptions): Promise<boolean>;
  delete(key: string, options?: DeleteOptions): Promise<boolean>;
  /** All of the writes or none, each key once, at most COMMIT_WRITES_MAX. False when a `cas` did not match. */
  commit(writes: readonly RecordWrite[]): Promise<boolean>;
  openLease(options: LeaseOptions): Promise<Lease>;
  watch(prefix: string, events: WatchEvents): Watch;
  health(): SourceHealth;
  close(): void;
}
