// The journal of a release, and the lock of its service: one append-only file of JSON lines per
// release, each record on the disk (fdatasync) before the next thing happens. Record 0 names the
// runner, record 1 is the resolved plan, then intent, done or failed per step, and `end`.
//
// The newest journal is the lock: a release runs as long as it has no `end` and its runner lives.
// Taking it means creating the next number, which only one can do; so there is no stale lock file to
// break, no moment between "is it free" and "it is mine", and a dead owner needs no clean-up.
//
//   r6.jsonl ends with `end`               -> r7 may begin
//   r6.jsonl has no `end`, runner lives    -> locked
//   r6.jsonl has no `end`, runner is gone  -> r7 may begin, and says what r6 left

import { randomUUID } from 'node:crypto';
import { type FileHandle, link, open, readdir, readFile, rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { SluiceError, systemCode } from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';
import type { ServiceConfig } from '../../config.ts';
import { identityAtStart, isAlive } from '../hosts.ts';
import { journalFolder, makeFolder, storageError, syncFolder } from './files.ts';

export type JournalRecord = {
  readonly kind: 'begin' | 'plan' | 'intent' | 'done' | 'failed' | 'note' | 'end';
  /** '' for a record that is about the whole release. */
  readonly instance?: string;
  readonly step?: string;
  readonly data?: Readonly<Record<string, unknown>>;
};

/** What an earlier release left on the disk. */
export type PastRelease = {
  readonly id: string;
  readonly number: number;
  readonly version: string;
  readonly user: string;
  readonly pid: number;
  readonly beganAtMs: number;
  /** False: its runner is at work now. */
  readonly over: boolean;
  /** 'succeeded', 'failed', …; '' when it never came to its end. */
  readonly outcome: string;
  /** The last step that it began: `check of 127.0.0.1:9001`; '' when none. */
  readonly lastStep: string;
  readonly tookMs: number;
};

/** Journals kept; older ones are removed when a release begins. */
const KEPT = 100;
/** Tries to take the next number while others take it first. */
const TRIES = 5;
/** A journal is small; one beyond this was not written by us and is not read whole into memory. */
const READ_BYTES_MAX = 16 * 1024 * 1024;

export class Journal {
  readonly id: string;
  readonly #file: string;
  readonly #handle: FileHandle;
  #sequence = 1;
  /** Ends the line of a record that was written in part, as on a full disk. */
  #separator = '';

  constructor(id: string, file: string, handle: FileHandle) {
    this.id = id;
    this.#file = file;
    this.#handle = handle;
  }

  /** Durable when it resolves. @throws storage_full, storage_failed */
  async write(record: JournalRecord): Promise<void> {
    try {
      const text = `${this.#separator}${line(this.#sequence, this.id, record)}\n`;
      this.#separator = '\n';
      await this.#handle.writeFile(text);
      this.#sequence += 1;
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

/**
 * Takes the service for a new release.
 * @throws locked when a living runner has it, naming it; storage_full, storage_failed
 */
export async function openJournal(service: ServiceConfig, version: string): Promise<Journal> {
  const folder = journalFolder(service);
  await makeFolder(folder);
  for (let tries = 0; tries < TRIES; tries += 1) {
    const past = await readHistory(service);
    const [last] = past;
    if (last !== undefined && !last.over) throw locked(service, last);
    const number = (last?.number ?? 0) + 1;
    const journal = await create(folder, number, service, version);
    if (journal === undefined) continue; // Somebody else was first; see whether they still run.
    const old = past.filter((release) => release.number <= number - KEPT);
    // The .log is what its commands printed.
    for (const { id } of old) {
      for (const name of [`${id}.log`, `${id}.jsonl`])
        await rm(join(folder, name), { force: true });
    }
    return journal;
  }
  throw new SluiceError('locked', `service "${service.name}": others keep taking it; try again`);
}

/** The service's releases, newest first. Unreadable ones count as over. */
export async function readHistory(service: ServiceConfig): Promise<readonly PastRelease[]> {
  const folder = journalFolder(service);
  const names = await readdir(folder).catch(() => []);
  const numbers = names.flatMap((name) => {
    const match = /^r([1-9]\d{0,8})\.jsonl$/.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  numbers.sort((a, b) => b - a);
  return Promise.all(numbers.map((number) => readPast(folder, number)));
}

/** Undefined when the number is taken. The file appears with its first record in it, or not at all. */
async function create(
  folder: string,
  number: number,
  service: ServiceConfig,
  version: string,
): Promise<Journal | undefined> {
  const id = `r${number}`;
  const file = join(folder, `${id}.jsonl`);
  const temporary = join(folder, `.${id}.${process.pid}.${randomUUID()}.tmp`);
  const runner = {
    pid: process.pid,
    identity: identityAtStart(process.pid),
    user: userName(),
    service: service.name,
    version,
  };
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'w', 0o600);
    await handle.writeFile(`${line(0, id, { kind: 'begin', data: runner })}\n`);
    await handle.datasync();
    await link(temporary, file);
    await syncFolder(folder);
    return new Journal(id, file, handle);
  } catch (error) {
    await handle?.close();
    if (systemCode(error) === 'EEXIST') return undefined;
    throw storageError(file, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

function line(sequence: number, release: string, record: JournalRecord): string {
  return JSON.stringify({ seq: sequence, ts: new Date().toISOString(), release, ...record });
}

async function readPast(folder: string, number: number): Promise<PastRelease> {
  const id = `r${number}`;
  const text = await readFile(join(folder, `${id}.jsonl`), 'utf8').catch(() => '');
  const records = text.length > READ_BYTES_MAX ? [] : text.split('\n').flatMap(parseLine);
  const data = records[0]?.data ?? {};
  const end = records.find((record) => record.kind === 'end');
  const intent = records.findLast((record) => record.kind === 'intent');
  const pid = Number(data['pid'] ?? 0);
  const runner = { pid, identity: String(data['identity'] ?? '') };
  const beganAtMs = Date.parse(records[0]?.ts ?? '') || 0;
  return {
    id,
    number,
    version: String(data['version'] ?? ''),
    user: String(data['user'] ?? ''),
    pid,
    beganAtMs,
    over: end !== undefined || !isAlive(runner),
    outcome: String(end?.data?.['outcome'] ?? ''),
    lastStep: intent === undefined ? '' : `${intent.step} of ${intent.instance}`,
    tookMs: end === undefined ? 0 : Date.parse(end.ts) - beganAtMs,
  };
}

/** A torn last line, the mark of a crash while writing, is no record. */
function parseLine(text: string): readonly (JournalRecord & { readonly ts: string })[] {
  try {
    const value: unknown = JSON.parse(text);
    // A parser's cast: the fields are only shown or compared, each through String or Number.
    return typeof value === 'object' && value !== null
      ? [value as JournalRecord & { readonly ts: string }]
      : [];
  } catch {
    return [];
  }
}

export function locked(service: ServiceConfig, last: PastRelease): SluiceError {
  const age = formatDuration(Math.max(0, Date.now() - last.beganAtMs));
  const at = last.lastStep === '' ? '' : `, in ${last.lastStep}`;
  return new SluiceError(
    'locked',
    `service "${service.name}": release ${last.id} to ${last.version} by ${last.user} ` +
      `(pid ${last.pid}) has been running for ${age}${at}; wait for it, or press Ctrl-C where it runs`,
    { details: { release: last.id, pid: last.pid, user: last.user, version: last.version } },
  );
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`; // No passwd entry, as in many containers.
  }
}
