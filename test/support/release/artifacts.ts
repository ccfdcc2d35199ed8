// Folders, archives and places on a host for tests of artifacts. All goes with the test.

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ArtifactConfig } from '../../../src/config.ts';
import type { Artifact } from '../../../src/release/artifact.ts';
import { inspectArchive, releaseName } from '../../../src/release/artifact.ts';

export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-artifact-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Files by their paths. */
export async function writeTree(
  root: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
}

/** `flags`: of tar, as `czf`. The archive's path. */
export async function writeArchive(
  folder: string,
  name: string,
  files: Readonly<Record<string, string>>,
  flags: readonly string[] = ['-cz'],
): Promise<string> {
  const root = join(folder, `${name}.in`);
  await writeTree(root, files);
  const file = join(folder, name);
  execFileSync('tar', [...flags, '-f', file, '-C', root, '.']);
  return file;
}

export function artifactConfig(path: string, part: Partial<ArtifactConfig> = {}): ArtifactConfig {
  return {
    source: { kind: 'file', path: '' },
    path,
    keep: 5,
    shared: [],
    link: 'current',
    exclude: [],
    stamp: '.sluice-version',
    cwd: '.',
    release: '',
    ...part,
  };
}

export async function artifactOf(file: string, version: string): Promise<Artifact> {
  const archive = await inspectArchive(file, '.sluice-version');
  const { checksum } = archive;
  const release = releaseName(version, checksum);
  return { archive, checksum, version, release, run: randomUUID(), discard: async () => {} };
}
