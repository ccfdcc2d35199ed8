// The journal of a release on the runner's disk: one append-only file of JSON lines per release, each record
// on the disk (fdatasync) before the next thing happens. Record 0 names the runner, record 1 is the
// resolved plan, then intent, done or failed per step, and `end`.
//
// Where no registry is shared, the newest journal is the lock, too: a release runs as long as it has no
// `end` and its runner lives. Taking it means creating the next number, which only one can do; so there is
// no stale lock file to break, no moment between "is it free" and "it is mine", and a dead owner needs no clean-up.
//
//   r6.jsonl ends with `end`               -> r7 may begin
//   r6.jsonl has no `end`, runner lives    -> locked
//   r6.jsonl has no `end`, runner is gone  -> r7 may begin, and says what r6 left

import { randomUUID } from 'node:crypto';
import { type FileHandle, link, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../base/errors.ts';
import type { ServiceConfig } from '../../config.ts';
import { journalFolder, storageError, syncFolder } from './files.ts';
import type { PastRelease } from './history.ts';
import { type JournalRecord, lineOf, type StampedRecord } from './lines.ts';

/** Journals kept; older ones are removed when a release begins. */
const KEPT = 100;

export class Journal {
  readonly id: string;
  readonly #file: string;
  readonly #handle: FileHandle;
  #sequence: number;
  /** Ends the line of a record that was written in part, as on a full disk. */
  #separator = '';

  constructor(id: string, file: string, handle: FileHandle, sequence = 1) {
    this.id = id;
    this.#file = file;
    this.#handle = handle;
    this.#sequence = sequence;
  }

  /** The next record: it has this number from now on, also when it cannot be written. */
  stamp(record: JournalRecord): StampedRecord {
    const seq = this.#sequence;
    this.#sequence += 1;
    return { seq, ts: new Date().toISOString(), ...record };
  }

  /** Durable when it resolves. @throws storage_full, storage_failed */
  async write(record: StampedRecord): Promise<void> {
    try {
      const text = `${this.#separator}${lineOf(this.id, record)}\n`;
      this.#separator = '\n';
      await this.#handle.writeFile(text);
      this.#separator = '';
      await this.#handle.datasync();
    } catch (error) {
      throw storageError(this.#file, error);
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Undefined when the number is taken. The file appears with its first record in it, or not at all. */
export async function createJournal(
  service: ServiceConfig,
  id: string,
  first: StampedRecord,
): Promise<Journal | undefined> {
  const folder = journalFolder(service);
  const file = join(folder, `${id}.jsonl`);
  const temporary = join(folder, `.${id}.${process.pid}.${randomUUID()}.tmp`);
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'w', 0o600);
    await handle.writeFile(`${lineOf(id, first)}\n`);
    await handle.datasync();
    await link(temporary, file);
    await syncFolder(folder);
    return new Journal(id, file, handle, first.seq + 1);
  } catch (error) {
    await handle?.close();
    if (systemCode(error) === 'EEXIST') return undefined;
    throw storageError(file, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Goes on in the journal of a release that is not over; another machine may have begun it. */
export async function continueJournal(
  service: ServiceConfig,
  id: string,
  first: StampedRecord,
): Promise<Journal> {
  const folder = journalFolder(service);
  const file = join(folder, `${id}.jsonl`);
  try {
    const handle = await open(file, 'a', 0o600);
    const journal = new Journal(id, file, handle, first.seq + 1);
    // A line that the dead runner wrote in part ends here.
    if ((await handle.stat()).size > 0) await handle.writeFile('\n');
    await journal.write(first);
    await syncFolder(folder);
    return journal;
  } catch (error) {
    throw storageError(file, error);
  }
}

/** Never throws: what cannot be removed is removed by a later release. */
export async function pruneJournals(
  service: ServiceConfig,
  past: readonly PastRelease[],
  newest: number,
): Promise<void> {
  for (const { id, number } of past) {
    if (number > newest - KEPT) continue;
    // The .log is what its commands printed.
    for (const name of [`${id}.log`, `${id}.jsonl`]) {
      await rm(join(journalFolder(service), name), { force: true }).catch(() => {});
    }
  }
}
