// Where things of an artifact are on a host:
//
//   <path>/releases/v7-1f0c2a94b6de/      a version: its name, and the beginning of its checksum
//   <path>/releases/….tmp                 one that is being unpacked, or whose runner died
//   <path>/shared/uploads                 what all versions share
//   <path>/current -> releases/v7-…       the version that was activated last
//
// Instances run in the folder itself and not in the link, so that one that is started again later, or
// brought back, runs the code that it ran.

import { isAbsolute, join } from 'node:path';
import type { ArtifactConfig, ServiceConfig, ServiceInstance } from '../../config.ts';

/** In a version's folder: its whole checksum, written when all of it is there. */
export const COMPLETE_MARK = '.sluice-artifact';
/** In a version's folder: why it failed. */
export const BAD_MARK = '.sluice-bad';

const CHECKSUM_SHOWN = 12;

export function shortChecksum(checksum: string): string {
  return checksum.slice(0, CHECKSUM_SHOWN);
}

/** The folder's name. A version that is built twice has two: what runs is never written over. */
export function releaseName(version: string, checksum: string): string {
  const short = shortChecksum(checksum);
  return version === short ? short : `${version.replace(/[^\w.+-]/g, '_')}-${short}`;
}

export function releaseFolder({ path, release }: ArtifactConfig): string {
  return join(path, 'releases', release);
}

export function linkFor({ link }: ArtifactConfig, { id, address }: ServiceInstance): string {
  const values: Record<string, string> = { id, port: String(address.port), host: address.host };
  return link.replace(/\{(id|port|host)\}/g, (_, name: string) => values[name] ?? '');
}

/** The name of the version's folder in which a launch starts; '' when it starts elsewhere. */
export function releaseOf(folder: string): string {
  return /\/releases\/((?:[\w.+-]+-)?[0-9a-f]{12})(?:\/|$)/.exec(folder)?.[1] ?? '';
}

/** The service when its artifact is known: instances start in the version's folder. */
export function inRelease(service: ServiceConfig, release: string): ServiceConfig {
  if (service.artifact === null) return service;
  const artifact = { ...service.artifact, release };
  const { cwd } = artifact;
  return { ...service, artifact, cwd: isAbsolute(cwd) ? cwd : join(releaseFolder(artifact), cwd) };
}
