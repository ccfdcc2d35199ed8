// A folder as a tar archive that is the same, byte for byte, whenever and by whomever the same files
// are packed: in order of their names, with one time, no owners, and of the modes only who may
// execute. The time is not 0: what compares times (caches, zip) knows none before 1980.

import type { Stats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { BLOCK, padding, writeHeader } from './header.ts';
import { TarProblem } from './read.ts';

/** 2000-01-01T00:00:00Z */
const TIME_SECONDS = 946_684_800;
const CHUNK_BYTES = 256 * 1024;

/** `isLeftOut` gets a path inside the folder. @throws TarProblem of what cannot be packed */
export async function* packFolder(
  folder: string,
  isLeftOut: (path: string) => boolean,
): AsyncGenerator<Buffer> {
  yield* packInside(folder, '', isLeftOut);
  yield Buffer.alloc(2 * BLOCK);
}

async function* packInside(
  root: string,
  inside: string,
  isLeftOut: (path: string) => boolean,
): AsyncGenerator<Buffer> {
  const names = await readdir(join(root, inside));
  // By code units: the order of a language differs from machine to machine.
  for (const name of names.sort()) {
    const path = inside === '' ? name : `${inside}/${name}`;
    if (isLeftOut(path)) continue;
    const found = await lstat(join(root, path));
    if (found.isDirectory()) {
      yield header(`${path}/`, '5', 0o755, 0, '');
      yield* packInside(root, path, isLeftOut);
    } else if (found.isSymbolicLink()) {
      yield header(path, '2', 0o777, 0, await readlink(join(root, path)));
    } else if (found.isFile()) {
      yield* packFile(root, path, found);
    } else {
      throw new TarProblem(`holds ${path}, which is no file, folder or link; remove it`);
    }
  }
}

async function* packFile(root: string, path: string, found: Stats): AsyncGenerator<Buffer> {
  const { size, mode } = found;
  yield header(path, '0', (mode & 0o100) === 0 ? 0o644 : 0o755, size, '');
  const handle = await open(join(root, path));
  try {
    let left = size;
    for (;;) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES));
      left -= bytesRead;
      if (left < 0 || (bytesRead === 0 && left > 0)) {
        throw new TarProblem(`holds ${path}, which was written to while it was packed; try again`);
      }
      if (bytesRead === 0) break;
      yield buffer.subarray(0, bytesRead);
    }
    yield padding(size);
  } finally {
    await handle.close();
  }
}

function header(name: string, type: string, mode: number, size: number, target: string): Buffer {
  return writeHeader({ name, type, mode, size, target }, TIME_SECONDS);
}
