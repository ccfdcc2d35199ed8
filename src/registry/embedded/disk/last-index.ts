// The file `last-index` beside the database: the index of the last write that was acknowledged. It is
// overwritten in place after each commit and not synced: a process that is killed leaves it exact,
// and a power failure leaves at worst an older one. So a database that ends before it has lost
// something (a log that was cut or damaged looks to SQLite like one that ended there), and one that
// is not there although this file is was not always absent.

import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { systemCode } from '../../../base/errors.ts';

export const LAST_INDEX_FILE = 'last-index';

/** An index, `unreadable` (damaged), or `absent`. */
export type Acknowledged = number | 'unreadable' | 'absent';

export function readLastIndex(dataDir: string): Acknowledged {
  let text: string;
  try {
    text = readFileSync(join(dataDir, LAST_INDEX_FILE), 'latin1');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 'absent';
    throw error;
  }
  const index = Number(/^(\d{16}) /.exec(text)?.[1]);
  return text === lineOf(index) ? index : 'unreadable';
}

export class LastIndexFile {
  readonly #descriptor: number;

  /** @throws what the system says */
  constructor(dataDir: string, index: number) {
    this.#descriptor = openSync(
      join(dataDir, LAST_INDEX_FILE),
      constants.O_RDWR | constants.O_CREAT,
      0o600,
    );
    this.write(index);
  }

  /** A failure is passed over: the write itself is on the disk, and the file is then only older. */
  write(index: number): void {
    try {
      writeSync(this.#descriptor, lineOf(index), 0);
    } catch {
      // A full or failing disk; the next commit says so.
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** Always as long, so that it is overwritten in place. */
function lineOf(index: number): string {
  const digits = String(index).padStart(16, '0');
  return `${digits} ${crc32(digits).toString(16).padStart(8, '0')}\n`;
}
