// Creates a folder for our state, with the folders above it. Node's own recursive mkdir tries for
// ever, and cannot be ended by a signal, where a folder exists but nothing can be created in it and
// the system answers "no such file" (/proc, an automount).

import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemCode } from './errors.ts';

/**
 * Readable by its owner only. Returns the topmost folder that it created; undefined when all were
 * there.
 * @throws what the system says, like EACCES, ENOENT, ENOTDIR
 */
export function createFolder(path: string): string | undefined {
  try {
    mkdirSync(path, { mode: 0o700 });
    return path;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST' && statSync(path).isDirectory()) return undefined;
    const parent = dirname(path);
    if (code !== 'ENOENT' || existsSync(parent)) throw error;
    const topmost = createFolder(parent);
    // Another process may be creating it beside us.
    const own = createFolder(path);
    return topmost ?? own;
  }
}
