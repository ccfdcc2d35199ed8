// Where the workers of a state_dir can be reached by the next primary: a folder that only its owner can enter, with a
// socket for what is said and one for sockets, by the worker's pid.

import { openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createFolder } from '../../base/folder.ts';

/** The system's limit is 107 bytes for a socket's path; the names below take up to 20. */
const PATH_MAX = 85;
const LINK = '.link';
const FDS = '.fds';

export type Place = {
  /** What the primary and the worker say to each other. */
  readonly link: string;
  /** The worker gives its sockets to whoever connects. */
  readonly fds: string;
};

export function placeOf(folder: string, pid: number): Place {
  const short = shortOf(folder);
  return { link: join(short, `${pid}${LINK}`), fds: join(short, `${pid}${FDS}`) };
}

/** @throws what the system says */
export function createPlaces(folder: string): void {
  createFolder(folder);
}

/** The pids of workers that are or were there. */
export function pidsIn(folder: string): readonly number[] {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith(LINK));
    return names.map((name) => Number(name.slice(0, -LINK.length))).filter(Number.isSafeInteger);
  } catch {
    return [];
  }
}

const shortened = new Map<string, string>();

/** The folder by a descriptor, where its own path is too long. It stays open. */
function shortOf(folder: string): string {
  if (Buffer.byteLength(folder) <= PATH_MAX) return folder;
  const known = shortened.get(folder) ?? `/proc/self/fd/${openSync(folder, 'r')}`;
  shortened.set(folder, known);
  return known;
}
