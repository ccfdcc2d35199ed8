// The program as it is published: built to JavaScript, in a folder of its own. From the sources every start of
// the command would also compile them.

import { cp, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cleanup, output, PROJECT, temporaryFolder } from '../../demo/stack.ts';

/** A folder with what `npm install` would bring. */
export async function published(cleanup: Cleanup): Promise<string> {
  const folder = await temporaryFolder('published', cleanup);
  const tsc = join(PROJECT, 'node_modules/.bin/tsc');
  const config = join(PROJECT, 'tsconfig.build.json');
  await output(tsc, ['-p', config, '--outDir', join(folder, 'dist')]);
  for (const name of ['bin', 'package.json']) {
    await cp(join(PROJECT, name), join(folder, name), { recursive: true });
  }
  await symlink(join(PROJECT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
