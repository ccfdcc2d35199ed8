// What a service carries to its hosts: the file's shape → the program's.

import { isAbsolute, join, normalize, resolve } from 'node:path';
import type { ServiceFile } from '../sections/service.ts';
import type { ArtifactConfig, PipelineCommand } from '../types.ts';

/** `folder` is the configuration's. */
export function artifactOf({ artifact, cwd }: ServiceFile, folder: string): ArtifactConfig | null {
  if (artifact === undefined) return null;
  const { file, folder: source = '.', keep, link, exclude, stamp } = artifact;
  return {
    source:
      file === undefined
        ? { kind: 'folder', path: resolve(folder, source) }
        : { kind: 'file', path: resolve(folder, file) },
    path: withoutSlash(normalize(artifact.path)),
    keep,
    shared: artifact.shared.map(withoutSlash),
    link,
    exclude,
    stamp,
    cwd: withoutSlash(normalize(cwd)),
    release: '',
  };
}

/** Where an instance starts; `release` is the version's folder on its host. */
export function startFolder({ cwd }: ArtifactConfig, release: string): string {
  return isAbsolute(cwd) ? cwd : join(release, cwd);
}

export function pipelineOf(read: ServiceFile): readonly PipelineCommand[] {
  return (['build', 'test', 'scan'] as const).flatMap((part) =>
    read[part].map((command) => ({ part, command })),
  );
}

function withoutSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}
