// The artifact of a release on the machine that deploys: found or packed, looked through, and named.

import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { SluiceError, systemCode } from '../../base/errors.ts';
import type { ServiceConfig } from '../../config.ts';
import { makeFolder, serviceFolder, storageError } from '../journal/files.ts';
import { type Archive, inspectArchive } from './inspect.ts';
import { inRelease, releaseName, shortChecksum } from './place.ts';
import { packFolder } from './tar/pack.ts';
import { TarProblem } from './tar/read.ts';

export type Artifact = {
  /** What is sent. */
  readonly archive: Archive;
  /** Of what is in it: of a folder it does not depend on how it was compressed. */
  readonly checksum: string;
  readonly version: string;
  /** The version's folder on the hosts. */
  readonly release: string;
  /** The run that brings it: on the hosts, its half-done work is told from that of dead ones. */
  readonly run: string;
  /** Removes what was made for it here. */
  readonly discard: () => Promise<void>;
};

export type ArtifactOptions = {
  /** As it was given; '' = as the artifact says. */
  readonly version: string;
  /** Instead of what the configuration names; '' = that. */
  readonly file: string;
};

/** Null when the service has none. @throws preflight_failed, storage_full, storage_failed */
export async function openArtifact(
  service: ServiceConfig,
  { version, file }: ArtifactOptions,
): Promise<Artifact | null> {
  const { artifact } = service;
  if (artifact === null) return null;
  const { kind, path } = file === '' ? artifact.source : { kind: 'file' as const, path: file };
  const packed = kind === 'folder' ? await pack(service, path) : null;
  const discard = async (): Promise<void> => {
    if (packed !== null) await rm(packed.file, { force: true });
  };
  try {
    const archive = await inspectArchive(packed?.file ?? path, artifact.stamp, path);
    const checksum = packed?.checksum ?? archive.checksum;
    const named = versionOf(service, { given: version, stamp: archive.stamp, checksum, path });
    const release = releaseName(named, checksum);
    return { archive, checksum, version: named, release, run: randomUUID(), discard };
  } catch (error) {
    await discard();
    throw error;
  }
}

/** The service with its artifact in place, for a plan: as the artifact is now, if it is there. */
export async function seenArtifact(
  service: ServiceConfig,
  options: ArtifactOptions,
): Promise<{ readonly service: ServiceConfig; readonly version: string }> {
  try {
    const artifact = await openArtifact(service, options);
    if (artifact === null) return { service, version: options.version };
    await artifact.discard();
    return { service: inRelease(service, artifact.release), version: artifact.version };
  } catch (error) {
    if (options.version === '' || service.isVersionStamped) throw error;
    return { service, version: options.version };
  }
}

function versionOf(
  { artifact, isVersionStamped, name }: ServiceConfig,
  known: { given: string; stamp: string; checksum: string; path: string },
): string {
  const { given, stamp, checksum, path } = known;
  if (isVersionStamped && stamp === '') {
    throw new SluiceError(
      'preflight_failed',
      `artifact ${path}: has no file ${artifact?.stamp} with its version, which expect_version.from of services.${name} asks for; let build write it: git rev-parse --short HEAD > ${artifact?.stamp}`,
    );
  }
  if (isVersionStamped && given !== '' && given !== stamp) {
    throw new SluiceError(
      'preflight_failed',
      `artifact ${path}: is ${stamp} by its own stamp, not ${given}; leave --version out, or build ${given}`,
    );
  }
  return given || stamp || shortChecksum(checksum);
}

/** A folder as an archive, beside the journals: its name begins with the pid of its runner. */
async function pack(
  service: ServiceConfig,
  folder: string,
): Promise<{ readonly file: string; readonly checksum: string }> {
  const found = await stat(folder).catch(() => null);
  if (found?.isDirectory() !== true) {
    const what = found === null ? 'does not exist; see that build makes it' : 'is no folder';
    throw new SluiceError('preflight_failed', `artifact ${folder}: ${what}`);
  }
  const place = join(serviceFolder(service), 'artifacts');
  await makeFolder(place);
  await removeLeftOver(place);
  const file = join(place, `${process.pid}-${randomUUID()}.tar.gz`);
  const hash = createHash('sha256');
  const isLeftOut = leftOut(service, folder);
  const bytes = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of packFolder(folder, isLeftOut)) {
      hash.update(chunk);
      yield chunk;
    }
  };
  try {
    await pipeline(Readable.from(bytes()), createGzip(), createWriteStream(file, { mode: 0o600 }));
    return { file, checksum: hash.digest('hex') };
  } catch (error) {
    await rm(file, { force: true });
    if (error instanceof TarProblem) {
      throw new SluiceError('preflight_failed', `artifact ${folder}: ${error.message}`);
    }
    throw storageError(file, error);
  }
}

async function removeLeftOver(place: string): Promise<void> {
  for (const name of await readdir(place)) {
    const [, pid] = /^(\d+)-.*\.tar\.gz$/.exec(name) ?? [];
    if (pid === undefined || isThere(Number(pid))) continue;
    await rm(join(place, name), { force: true });
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

/** `exclude`, and our own files, which change while they are packed. */
function leftOut(service: ServiceConfig, folder: string): (path: string) => boolean {
  const own = relative(folder, service.runDir);
  const patterns = (service.artifact?.exclude ?? []).map((pattern) => {
    const text = pattern.replace(/^\.?\//, '').replace(/\/$/, '');
    const source = text.replace(/[\\^$.|?+()[\]{}]/g, '\\$&').replace(/\*/g, '[^/]*');
    return new RegExp(
      pattern.replace(/\/$/, '').includes('/') ? `^${source}$` : `(?:^|/)${source}$`,
    );
  });
  return (path) => path === own || patterns.some((pattern) => pattern.test(path));
}
