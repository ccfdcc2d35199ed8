// The releases of a service that were, newest first: from the registry that the gateways share, else from
// the runner's own journals.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  ReleaseKind,
  ReleaseRecord,
  ReleaseRecords,
  ReleaseSummary,
  ReleasesDocument,
  WaitsDocument,
} from '../../admin/contract.ts';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import { stepText } from '../../base/release-steps.ts';
import { formatDuration } from '../../base/units.ts';
import type { ServiceConfig } from '../../config.ts';
import { isAlive } from '../hosts.ts';
import { journalFolder } from './files.ts';
import { readLines, sharedRecord } from './lines.ts';

/** What is known of an earlier release. */
export type PastRelease = {
  readonly id: string;
  readonly number: number;
  readonly kind: ReleaseKind;
  readonly version: string;
  readonly user: string;
  /** `pid 4711`, `pid 4711 on ci-1`. */
  readonly runner: string;
  readonly beganAtMs: number;
  /** False: its runner is at work now. */
  readonly over: boolean;
  /** 'succeeded', 'failed', …; '' when it never came to its end. */
  readonly outcome: string;
  readonly exit: number;
  readonly reason: string;
  /** The last step that it began: `check of 127.0.0.1:9001`; '' when none. */
  readonly lastStep: string;
  /** It waits for a person; null when it does not. */
  readonly waits: WaitsDocument | null;
  readonly tookMs: number;
  /** At its end every instance was at its version. */
  readonly complete: boolean;
  /** The release that it undoes; ''. */
  readonly of: string;
  readonly why: string;
};

/** Unreadable ones count as over. While the gateway is away what this machine knows is all there is. */
export async function readHistory(
  service: ServiceConfig,
  records?: ReleaseRecords,
): Promise<readonly PastRelease[]> {
  const own = await readOwnHistory(service);
  const document = records === undefined ? null : await sharedHistory(service, records);
  if (document === null) return own;
  const shared = document.releases.map((release) => past(release, document, own));
  // Those of before the registry had them.
  const first = Math.min(...shared.map(({ number }) => number));
  return [...shared, ...own.filter(({ number }) => number < first)];
}

/** The releases of a service that this machine does not have. */
export function pastOf(document: ReleasesDocument): readonly PastRelease[] {
  return document.releases.map((release) => past(release, document, []));
}

/** What this machine's journals say. */
export async function readOwnHistory(service: ServiceConfig): Promise<readonly PastRelease[]> {
  const folder = journalFolder(service);
  const names = await readdir(folder).catch(() => []);
  const numbers = names.flatMap((name) => {
    const match = /^r([1-9]\d{0,8})\.jsonl$/.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  numbers.sort((a, b) => b - a);
  return Promise.all(numbers.map(async (number) => (await readOwn(folder, number)).past));
}

/** The fence of a release whose runner was on this machine and is gone; 0 = it is not known. */
export async function deadFence(service: ServiceConfig, release: string): Promise<number> {
  const number = Number(/^r(\d+)$/.exec(release)?.[1] ?? 0);
  const { isGone, fence } = await readOwn(journalFolder(service), number);
  return isGone ? fence : 0;
}

/** The records of one release: as the gateways share them, else those of this machine. */
export async function readRelease(
  service: ServiceConfig,
  release: string,
  records: ReleaseRecords | null,
): Promise<readonly ReleaseRecord[]> {
  if (records !== null) return (await records.journal(service.name, release)).records;
  const file = join(journalFolder(service), `${release}.jsonl`);
  return readLines(await readFile(file, 'utf8').catch(() => '')).map((line) =>
    sharedRecord(line, 0),
  );
}

/** The number of the next record in this machine's journal of a release. */
export async function ownNextSeq(service: ServiceConfig, release: string): Promise<number> {
  const file = join(journalFolder(service), `${release}.jsonl`);
  const records = readLines(await readFile(file, 'utf8').catch(() => ''));
  return Math.max(-1, ...records.map(({ seq }) => Number(seq) || 0)) + 1;
}

async function sharedHistory(
  service: ServiceConfig,
  records: ReleaseRecords,
): Promise<ReleasesDocument | null> {
  try {
    const document = await records.history(service.name);
    return document.shared ? document : null;
  } catch (error) {
    // Whoever needs the gateway says that it is away.
    if (isSluiceError(error)) return null;
    throw error;
  }
}

function past(
  summary: ReleaseSummary,
  { lock, stale }: ReleasesDocument,
  own: readonly PastRelease[],
): PastRelease {
  const { release: id, number, kind, version, user, runner, beganAtMs, endedAtMs } = summary;
  const { outcome, exit, reason, complete, of, why } = summary;
  const holds = lock?.holder?.release === id && lock.number === number;
  const died = own.some((one) => one.id === id && one.over && one.outcome === '');
  return {
    ...{ id, number, kind, version, user, runner, beganAtMs, outcome, exit, reason, complete },
    ...{ of, why },
    over: !holds || stale || died,
    lastStep: holds ? (lock.holder?.step ?? '') : summary.lastStep,
    waits: (holds ? lock.holder?.waits : undefined) ?? null,
    tookMs: endedAtMs === 0 ? 0 : endedAtMs - beganAtMs,
  };
}

async function readOwn(
  folder: string,
  number: number,
): Promise<{ readonly past: PastRelease; readonly fence: number; readonly isGone: boolean }> {
  const id = `r${number}`;
  const text = await readFile(join(folder, `${id}.jsonl`), 'utf8').catch(() => '');
  const records = readLines(text);
  const data = records[0]?.data ?? {};
  // Another runner may have gone on with it.
  const runnerData = records.findLast(({ kind }) => kind === 'resume')?.data ?? data;
  const resumed = records.findLastIndex(({ kind }) => kind === 'resume');
  const end = records.find(({ kind }, at) => kind === 'end' && at > resumed);
  const intent = records.findLast((record) => record.kind === 'intent');
  const pid = Number(runnerData['pid'] ?? 0);
  const runner = { pid, identity: String(runnerData['identity'] ?? '') };
  const beganAtMs = Date.parse(records[0]?.ts ?? '') || 0;
  const kind = String(data['kind'] ?? '');
  const isGone = !isAlive(runner);
  return {
    fence: Number(runnerData['fence'] ?? 0),
    /** Also with its end written: whoever could not reach a gateway could not give the lock back. */
    isGone,
    past: {
      id,
      number,
      kind: kind === 'rollback' || kind === 'stop' ? kind : 'deploy',
      version: String(data['version'] ?? ''),
      user: String(data['user'] ?? ''),
      runner: `pid ${pid}`,
      beganAtMs,
      over: end !== undefined || isGone,
      outcome: String(end?.data?.['outcome'] ?? ''),
      exit: Number(end?.data?.['exit'] ?? 0),
      reason: String(end?.data?.['reason'] ?? ''),
      lastStep: intent === undefined ? '' : stepText(intent.step ?? '', intent.instance ?? ''),
      waits: null,
      tookMs: end === undefined ? 0 : Date.parse(end.ts) - beganAtMs,
      complete: end?.data?.['complete'] === true,
      of: String(data['of'] ?? ''),
      why: String(data['why'] ?? ''),
    },
  };
}

export function locked(service: ServiceConfig, last: PastRelease): SluiceError {
  const { id, version, user, runner, beganAtMs, lastStep } = last;
  const age = formatDuration(Math.max(0, Date.now() - beganAtMs));
  const at = lastStep === '' ? '' : `, in ${lastStep}`;
  return new SluiceError(
    'locked',
    `service "${service.name}": release ${id} to ${version} by ${user} ` +
      `(${runner}) has been running for ${age}${at}; wait for it, or press Ctrl-C where it runs`,
    { details: { release: id, runner, user, version } },
  );
}
