// One daemon per state_dir. The lock is SQLite's exclusive file lock: the kernel drops it when the
// process dies in whatever way, so there is no stale lock to clean up and no pid to guess about.
// The pid file beside it is for people (`kill $(cat .sluice/sluice.pid)`), not for locking.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf, SluiceError, systemCode } from '../base/errors.ts';
import { createStateDir } from './snapshot.ts';

export type StateLock = { release(): void };

/** SQLITE_BUSY: https://www.sqlite.org/rescode.html#busy */
const BUSY = 5;

/** @throws locked when another daemon uses the folder, data_dir_unusable */
export function lockStateDir(stateDir: string): StateLock {
  createStateDir(stateDir);
  const pidPath = join(stateDir, 'sluice.pid');
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(join(stateDir, 'lock'), { timeout: 0 });
    // Nothing is ever stored, so no journal file either: a full disk must not keep us from serving.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    writePid(pidPath);
  } catch (cause) {
    database?.close();
    if (isBusy(cause)) {
      throw new SluiceError(
        'locked',
        `state_dir ${stateDir}: in use by another sluice${holder(pidPath)}; it may be serving, so choose another "state_dir" for this one`,
        { cause },
      );
    }
    throw new SluiceError(
      'data_dir_unusable',
      `state_dir ${stateDir}: cannot be locked (${messageOf(cause)}); make it writable or choose another "state_dir"`,
      { cause },
    );
  }
  const held = database;
  return {
    release() {
      rmSync(pidPath, { force: true });
      held.close();
    },
  };
}

function writePid(pidPath: string): void {
  try {
    writeFileSync(pidPath, `${process.pid}\n`);
  } catch (error) {
    if (systemCode(error) !== 'ENOSPC') throw error; // A folder that we cannot write to at all.
  }
}

function isBusy(cause: unknown): boolean {
  return cause instanceof Error && 'errcode' in cause && cause.errcode === BUSY;
}

function holder(pidPath: string): string {
  try {
    return ` (process ${readFileSync(pidPath, 'utf8').trim()})`;
  } catch {
    // The pid file is a courtesy; without it the message is still true.
    return '';
  }
}
