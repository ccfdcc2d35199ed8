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
};

/** A prefix as it stood at `index`. An absent prefix has no entries. Sorted bytewise by key. */
export type KvState = { readonly index: number; readonly entries: readonly KvEntry[] };

/** Records that were written, as they stood at `index`; all others of the prefix are as before. */
export type KvChange = { readonly index: number; readonly entries: readonly KvEntry[] };

export type PutOptions = {
  /** Write only if the record's modifyIndex is this; 0 = only if it is absent. */
  readonly cas?: number;
  readonly flags?: string;
};

export type DeleteOptions = { readonly recurse?: boolean; readonly cas?: number };

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

/**
 * @throws registry_unreachable when no address answers within the deadline,
 *   registry_refused when the registry said no (403, 400, …), too_large for a value over 512 KiB.
 */
export interface RecordStore {
  get(key: string): Promise<KvEntry | undefined>;
  list(prefix: string): Promise<KvState>;
  /** False when `cas` did not match. */
  put(key: string, value: Uint8Array | string, options?: PutOptions): Promise<boolean>;
  delete(key: string, options?: DeleteOptions): Promise<boolean>;
  watch(prefix: string, events: WatchEvents): Watch;
  health(): SourceHealth;
  close(): void;
}
