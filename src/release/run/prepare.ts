// What happens before the lock is taken: the commands that make the version, and its artifact, which
// says how it is called. Without the lock, since a build may take minutes in which somebody may have
// to bring an older version back; a release that is at work already ends it before it begins.

import { randomUUID } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isSluiceError, messageOf, systemCode } from '../../base/errors.ts';
import { type Artifact, inRelease, megabytes, openArtifact } from '../artifact.ts';
import { driverOf } from '../drivers.ts';
import type { EventBody } from '../events.ts';
import { journalFolder, makeFolder, storageError } from '../journal/files.ts';
import { locked, readHistory } from '../journal/history.ts';
import { masked } from '../masking.ts';
import { runPipeline, secretsInEnvironment } from '../pipeline.ts';
import type { StepFailure } from '../step-end.ts';
import type { ReleaseOptions } from './release.ts';

export type Prepared = {
  /** With the version's name, and the service as it is started. */
  readonly options: ReleaseOptions;
  readonly artifact: Artifact | null;
  /** Why there is nothing to release. */
  readonly failure: StepFailure | null;
  readonly secrets: ReadonlySet<string>;
  /** What was printed gets the release's number, beside its journal: the file, '' when there is none. */
  readonly keepOutput: (release: string) => Promise<string>;
};

/** @throws locked while another release runs; storage_full, storage_failed */
export async function prepare(options: ReleaseOptions): Promise<Prepared> {
  const { service, kind = 'deploy', resume = '', artifactRelease = '' } = options;
  if (kind !== 'deploy' || resume !== '') {
    // What is on the hosts already, or nothing at all.
    const placed = artifactRelease === '' ? service : inRelease(service, artifactRelease);
    const known = { ...options, service: placed };
    const keepOutput = async (): Promise<string> => '';
    return { options: known, artifact: null, failure: null, secrets: new Set(), keepOutput };
  }
  const isBuilt = options.skipBuild === true || (options.artifactFile ?? '') !== '';
  const commands = isBuilt ? [] : service.pipeline;
  const secrets = new Set(commands.length === 0 ? [] : await knownSecrets(options));
  if (commands.length === 0 && service.artifact === null) {
    const keepOutput = async (): Promise<string> => '';
    return { options, artifact: null, failure: null, secrets, keepOutput };
  }
  const [last] = await readHistory(service, options.control.releases);
  if (last !== undefined && !last.over) throw locked(service, last);
  const emit = (body: EventBody): void => {
    const ts = new Date().toISOString();
    const event = { v: 1, ts, service: service.name, release: '', ...body } as const;
    options.onEvent(masked(event, secrets));
  };
  options.onSecrets?.(secrets);
  const output = commands.length === 0 ? '' : await beginOutput(journalFolder(service));
  const keepOutput = async (release: string): Promise<string> => {
    const kept = output === '' ? '' : join(journalFolder(service), `${release}.log`);
    if (kept === '') return '';
    await rename(output, kept).catch((error: unknown) => {
      throw storageError(kept, error);
    });
    return kept;
  };
  const { interrupts, version } = options;
  const run = { service: { ...service, pipeline: commands }, version, log: output, secrets };
  const failure = await runPipeline({ ...run, interrupts, emit });
  if (failure !== null) return { options, artifact: null, failure, secrets, keepOutput };
  try {
    const artifact = await open(options, emit);
    if (artifact === null) return { options, artifact, failure, secrets, keepOutput };
    const placed = inRelease(service, artifact.release);
    const known = { ...options, service: placed, version: artifact.version };
    return { options: known, artifact, failure, secrets, keepOutput };
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    const reason = messageOf(error);
    const refused = { code: error.code, reason, evidence: [] };
    return { options, artifact: null, failure: refused, secrets, keepOutput };
  }
}

async function open(
  { service, version, artifactFile }: ReleaseOptions,
  emit: (body: EventBody) => void,
): Promise<Artifact | null> {
  if (service.artifact === null) return null;
  const file = artifactFile ?? '';
  const startedMs = performance.now();
  const subject = basename(file || service.artifact.source.path);
  const say = (phase: 'start' | 'done' | 'failed', text: string, artifact?: Artifact): void => {
    const ms = Math.round(performance.now() - startedMs);
    const data =
      artifact === undefined
        ? {}
        : {
            version: artifact.version,
            release: artifact.release,
            size: megabytes(artifact.archive.bytes),
            unpacked: megabytes(artifact.archive.unpackedBytes),
          };
    emit({ type: 'prepare', part: 'artifact', subject, phase, ms, text, data });
  };
  say('start', '');
  try {
    const artifact = await openArtifact(service, { version, file });
    say('done', '', artifact ?? undefined);
    return artifact;
  } catch (error) {
    say('failed', messageOf(error));
    throw error;
  }
}

/** In what commands print: those of the instances, and those in our environment. */
async function knownSecrets({ service, version }: ReleaseOptions): Promise<readonly string[]> {
  const own = service.instances.slice(0, 1).map((instance) => {
    const driver = driverOf(service, instance);
    return driver.secretsOf(driver.launchOf(version));
  });
  return [...(await Promise.all(own)).flat(), ...secretsInEnvironment(process.env)];
}

/** Its name begins with the pid of its runner: that of one which never came to a number is removed. */
async function beginOutput(folder: string): Promise<string> {
  await makeFolder(folder);
  for (const name of await readdir(folder)) {
    const pid = /^pipeline-(\d+)-.*\.log$/.exec(name)?.[1];
    if (pid !== undefined && !isThere(Number(pid))) await rm(join(folder, name), { force: true });
  }
  return join(folder, `pipeline-${process.pid}-${randomUUID()}.log`);
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}
