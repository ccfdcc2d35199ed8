// Another state of this project to compare with: a folder, or a revision that is unpacked into one.

import { existsSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Cleanup, output, PROJECT, temporaryFolder } from '../../demo/stack.ts';

/** `where`: a folder with a checkout (with its node_modules), or a revision of this repository. */
export async function checkout(where: string, cleanup: Cleanup): Promise<string> {
  if (existsSync(join(where, 'bin/sluice.js'))) return resolve(where);
  const folder = await temporaryFolder('beside', cleanup);
  const archive = join(folder, 'project.tar');
  await output('git', ['-C', PROJECT, 'archive', '-o', archive, where]);
  await output('tar', ['-xf', archive, '-C', folder]);
  await symlink(join(PROJECT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
