// A disk of a few megabytes for tests of what happens when it is full or read-only.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** The folder where it is mounted; undefined after having skipped the test: only root can mount. */
export function smallDisk(t: TestContext, size: string): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-disk-'));
  const options = ['-t', 'tmpfs', '-o', `size=${size}`, 'sluice-test', folder];
  if (spawnSync('mount', options).status !== 0) {
    rmSync(folder, { recursive: true });
    t.skip('a small disk cannot be mounted here (not root?)');
    return undefined;
  }
  t.after(() => {
    spawnSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true });
  });
  return folder;
}

/** Fills it to the last byte. */
export function fillDisk(path: string): void {
  spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=4096']);
  spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=1', 'conv=notrunc', 'oflag=append']);
}
