// Brings an artifact to one host and unpacks it beside what runs there. Nothing of it touches traffic:
// until the folder has its name, at the very end, nothing on the host looks at it.

import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { isSluiceError, messageOf, SluiceError, systemCode } from '../../base/errors.ts';
import type { ArtifactConfig } from '../../config.ts';
import type { Facts } from '../events.ts';
import type { CommandEnd, Host } from '../hosts.ts';
import { pause } from '../wait.ts';
import { CLEAN_UP, EXIT, LOOK, runScript, UNPACK } from './host-scripts.ts';
import type { Artifact } from './open.ts';

const LOOK_MS = 120_000;
/** A slow line and a large archive: 2 GB at 1 MB/s. */
const SEND_MS = 40 * 60_000;
/** Of what has to do with the line to the host. */
const TRIES = 3;
const TRY_AGAIN_MS = 1000;
/** What an interrupt leaves for cleaning up. */
const INTERRUPTED_MS = 1000;

export type StageOptions = {
  readonly host: Host;
  readonly config: ArtifactConfig;
  readonly artifact: Artifact;
  /** Whose instances write into what is shared; '' = of whoever deploys. */
  readonly user: string;
  /** The run that this belongs to: unlike that of any other. */
  readonly run: string;
  /** The links that instances of the host have. */
  readonly links: readonly string[];
  /** Called as bytes go out. */
  readonly wait: (facts: Facts) => void;
  readonly stop: AbortSignal;
};

/** What was done. @throws preflight_failed that names the host, what happened and what to do */
export async function stageOn(options: StageOptions): Promise<Facts> {
  const { host, config, artifact } = options;
  const { archive, checksum, release } = artifact;
  const args = [config.path, release, checksum, archive.format, options.run, ...options.links];
  const looked = await once(options, () => runScript(host, LOOK, args, { timeoutMs: LOOK_MS }));
  if (looked.code !== 0) throw refused(host, lookProblem(looked, config));
  if (/^have$/m.test(looked.stdout)) return { release, already: true };
  const freeKb = Number(/^free (\d+)$/m.exec(looked.stdout)?.[1] ?? Number.NaN);
  const neededKb = Math.ceil((2 * archive.unpackedBytes) / 1024);
  if (freeKb < neededKb) {
    const missing = `${megabytes((neededKb - freeKb) * 1024)} are missing`;
    throw refused(
      host,
      `${config.path} has ${megabytes(freeKb * 1024)} free and needs ${megabytes(neededKb * 1024)}, twice what the version unpacks to: ${missing}; free some space, or keep fewer versions (artifact.keep)`,
    );
  }
  const end = await once(options, () => send(options));
  if (end.code !== 0) throw refused(host, unpackProblem(end, config));
  return { release, sent: megabytes(archive.bytes) };
}

/** Again while only the line to the host is to blame. */
async function once(
  { host, stop }: StageOptions,
  run: () => Promise<CommandEnd>,
): Promise<CommandEnd> {
  for (let tries = 1; ; tries += 1) {
    if (stop.aborted) throw refused(host, 'interrupted');
    try {
      const end = await run();
      if (end.code !== EXIT.otherBytes || tries === TRIES) return end;
    } catch (error) {
      if (stop.aborted) throw refused(host, 'interrupted');
      const isLine = isSluiceError(error) && error.code === 'host_unreachable';
      if (isLine && tries < TRIES) await pause(TRY_AGAIN_MS, stop);
      else if (isSluiceError(error)) throw error;
      else if (systemCode(error) === 'ENOENT') throw refused(host, 'has no /bin/sh');
      else throw refused(host, messageOf(error));
    }
  }
}

async function send(options: StageOptions): Promise<CommandEnd> {
  const { host, config, artifact, wait, stop } = options;
  const { archive, checksum, release } = artifact;
  const stdin = createReadStream(archive.file, { highWaterMark: 256 * 1024 });
  let sent = 0;
  stdin.on('data', (chunk) => {
    sent += chunk.length;
    wait({ sent: `${megabytes(sent)} of ${megabytes(archive.bytes)}` });
  });
  stdin.pause();
  const onStop = (): void => {
    stdin.destroy(new Error('interrupted'));
  };
  stop.addEventListener('abort', onStop);
  const { path, shared } = config;
  // Two tries, or two hosts that are one machine, have each a place of their own.
  const own = `${options.run}-${randomBytes(4).toString('hex')}`;
  const sums = [checksum, archive.checksum];
  const args = [path, release, ...sums, archive.format, own, options.user, ...shared];
  let end: CommandEnd | undefined;
  try {
    end = await runScript(host, UNPACK, args, { timeoutMs: SEND_MS, stdin });
    return end;
  } finally {
    stop.removeEventListener('abort', onStop);
    stdin.destroy();
    // It cleans up after itself, unless it was ended itself, or hangs on a line that is gone.
    if (end?.code == null) await cleanUp(options, own);
  }
}

/** At the next contact, which may be this one. What cannot be reached now goes with the next release. */
async function cleanUp({ host, config, artifact, stop }: StageOptions, own: string): Promise<void> {
  const args = [config.path, artifact.release, own];
  const cleaned = runScript(host, CLEAN_UP, args, { timeoutMs: LOOK_MS }).catch(() => {});
  // Who interrupts waits for no host.
  const isOver = new AbortController();
  await Promise.race([
    cleaned.finally(() => isOver.abort()),
    pause(stop.aborted ? INTERRUPTED_MS : LOOK_MS, isOver.signal),
  ]);
}

function refused({ name }: Host, why: string): SluiceError {
  return new SluiceError('preflight_failed', `${name}: ${why}`);
}

function lookProblem(end: CommandEnd, { path }: ArtifactConfig): string {
  const said = end.stdout.trim();
  switch (end.code) {
    case EXIT.isNoFolder:
      return `cannot write to ${path} (${reason(end)}); make it for the user that deploys: install -d -o USER ${path}`;
    case EXIT.noProgram:
      return said === 'zstd'
        ? 'has no zstd; install it, or build a .tar.gz'
        : `has no ${said}; install it`;
    case EXIT.linkIsNone:
      return `${said} is there and is no link; move it away, or give artifact.link another name`;
    case EXIT.notOurs:
      return `${said} is there and was not unpacked by a release; move it away`;
    default:
      return `cannot look at ${path}: ${reason(end)}`;
  }
}

function unpackProblem(end: CommandEnd, { path }: ArtifactConfig): string {
  switch (end.code) {
    case EXIT.notReceived:
      return `cannot write to ${path}/releases: ${reason(end)}`;
    case EXIT.otherBytes:
      return `what arrived has another checksum than what was sent, ${TRIES} times; look at the line and the disk, or was the archive replaced meanwhile?`;
    case EXIT.notShared:
      return `cannot link what is shared: ${reason(end)}; see ${path}/shared`;
    case EXIT.notNamed:
      return 'another release has put the same version there at the same moment; deploy again';
    default:
      return `cannot unpack in ${path}/releases: ${reason(end)}`;
  }
}

/** The last thing that was printed, or how it ended. */
function reason({ code, stderr }: CommandEnd): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return lines.at(-1)?.trim() ?? (code === null ? 'it took too long' : `exit code ${code}`);
}

export function megabytes(bytes: number): string {
  const [unit, name] = bytes < 1024 ** 3 ? [1024 ** 2, 'MB'] : [1024 ** 3, 'GB'];
  const amount = bytes / unit;
  return `${amount < 10 ? amount.toFixed(1) : Math.round(amount)} ${name}`;
}
