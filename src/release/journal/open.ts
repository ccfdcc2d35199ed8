// Takes the service for a release: the lock, and a journal to write into. The lock is in the registry that
// the gateways share; where there is none, it is the newest journal on this machine.

import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import type {
  ReleaseKind,
  ReleaseRecord,
  ReleaseRecords,
  TakenDocument,
} from '../../admin/contract.ts';
import { isSluiceError, messageOf, SluiceError } from '../../base/errors.ts';
import { mayBeResumed } from '../../base/release-outcome.ts';
import type { ServiceConfig } from '../../config.ts';
import { identityAtStart } from '../hosts.ts';
import type { ReleaseProblem } from '../survey.ts';
import { journalFolder, makeFolder } from './files.ts';
import {
  deadFence,
  locked,
  ownNextSeq,
  type PastRelease,
  readOwnHistory,
  readRelease,
} from './history.ts';
import { continueJournal, createJournal, type Journal, pruneJournals } from './journal.ts';
import type { StampedRecord } from './lines.ts';
import { SharedJournal } from './shared-journal.ts';

export type OpenOptions = {
  readonly service: ServiceConfig;
  readonly version: string;
  readonly kind?: ReleaseKind;
  /** The release that a rollback undoes; ''. */
  readonly of?: string;
  readonly why?: string;
  readonly by?: string;
  /** An unfinished release to go on with. */
  readonly resume?: string;
  /** What a later runner needs to go on with it. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly records?: ReleaseRecords | undefined;
};

export type OpenedJournal = {
  readonly journal: Journal;
  /** Null where no registry is shared. */
  readonly shared: SharedJournal | null;
  /** The lock could not be taken: nothing may be done. */
  readonly trouble: ReleaseProblem | null;
  /** What an earlier runner of the same release has written. */
  readonly before: readonly ReleaseRecord[];
};

/** Tries to take the next number while others take it first. */
const TRIES = 5;

/**
 * @throws locked when a living runner has it, naming it; conflict when the release to go on with has
 *   ended; storage_full, storage_failed
 */
export async function openJournal(options: OpenOptions): Promise<OpenedJournal> {
  const { service, records, resume = '' } = options;
  await makeFolder(journalFolder(service));
  for (let tries = 0; tries < TRIES; tries += 1) {
    const past = await readOwnHistory(service);
    const [last] = past;
    const taken = records === undefined ? NOT_SHARED : await take(options, records, last?.number);
    const isShared = 'shared' in taken && taken.shared;
    // Where the lock is shared it says who has it: a runner that stands still here may have lost it.
    if (!isShared && last !== undefined && !last.over) throw locked(service, last);
    const number = isShared ? taken.number : (last?.number ?? 0) + 1;
    const id = isShared ? taken.release : resume !== '' ? resume : `r${number}`;
    const fence = isShared ? taken.fence : 0;
    if (!isShared && resume !== '') assertUnfinished(service, resume, last);
    const nextSeq = isShared ? taken.nextSeq : await ownNextSeq(service, id);
    const first = firstRecord(options, fence, nextSeq);
    const shares = isShared && records !== undefined ? records : null;
    const before = resume === '' ? [] : await readRelease(service, id, shares);
    const journal =
      resume === ''
        ? await createJournal(service, id, first)
        : await continueJournal(service, id, first);
    if (journal === undefined) continue; // Somebody else was first; see whether they still run.
    await pruneJournals(service, past, number);
    if (shares === null) {
      return { journal, shared: null, trouble: 'code' in taken ? taken : null, before };
    }
    const shared = new SharedJournal({ records: shares, service: service.name, fence });
    shared.send(first);
    return { journal, shared, trouble: null, before };
  }
  throw new SluiceError('locked', `service "${service.name}": others keep taking it; try again`);
}

const NOT_SHARED: TakenDocument = { shared: false, release: '', number: 0, fence: 0, nextSeq: 0 };

/** @throws locked, conflict */
async function take(
  options: OpenOptions,
  records: ReleaseRecords,
  last = 0,
): Promise<TakenDocument | ReleaseProblem> {
  const { service, version, kind = 'deploy', of = '', why = '', resume = '' } = options;
  const request = {
    ...{ kind, version, of, why, resume, upstream: service.upstream },
    user: userName(options),
    ...{ runner: `pid ${process.pid} on ${hostname()}`, ticket: randomUUID() },
    ...{ atLeast: last + 1, deadFence: 0 },
  };
  try {
    return await records.take(service.name, request);
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    // Its own message says what the release did not do.
    if (error.code !== 'locked' && error.code !== 'conflict') {
      return { code: error.code, message: messageOf(error) };
    }
    const dead = await deadFence(service, String(error.details['release'] ?? ''));
    // Its runner was a process of this machine, which is gone: it need not be waited for.
    if (dead === 0 || dead !== error.details['fence']) throw error;
    return records.take(service.name, { ...request, deadFence: dead });
  }
}

/** @throws conflict */
function assertUnfinished(service: ServiceConfig, id: string, last: PastRelease | undefined): void {
  if (last?.id === id && mayBeResumed(last.outcome)) return;
  const what =
    last?.id === id ? `has ended (${last.outcome})` : 'is not the newest of this machine';
  throw new SluiceError('conflict', `release ${id} of "${service.name}": ${what}`);
}

function firstRecord(options: OpenOptions, fence: number, seq: number): StampedRecord {
  const { service, version, kind = 'deploy', of = '', why = '', resume = '' } = options;
  const runner = {
    pid: process.pid,
    identity: identityAtStart(process.pid),
    host: hostname(),
    user: userName(options),
    fence,
  };
  const ts = new Date().toISOString();
  if (resume !== '') return { seq, ts, kind: 'resume', data: runner };
  const { settings = {} } = options;
  const what = { service: service.name, version, kind, of, why, settings };
  return { seq, ts, kind: 'begin', data: { ...runner, ...what } };
}

function userName({ by = '' }: Pick<OpenOptions, 'by'>): string {
  if (by !== '') return by;
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`; // No passwd entry, as in many containers.
  }
}
