// What a failing disk, a wrong folder or a damaged database is called, and what to do about each. That
// good data be moved away is never advised for anything but damage.

import { messageOf, SluiceError, systemCode } from '../../../base/errors.ts';

/** Primary result codes of SQLite that are treated apart. */
const SQLITE = {
  error: 1,
  permission: 3,
  busy: 5,
  readOnly: 8,
  inputOutput: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  noDatabase: 26,
} as const;

const RESTORE =
  'restore a snapshot ("sluice registry snapshot restore FILE"), or keep what can still be read with "sluice registry repair"';

/** The content is not what was written. Its message says what, and what is lost. */
export class Damage extends Error {}

/** Whether a data directory cannot be used because its content is damaged or lost. */
export function isDamage(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Damage || isCorrupt(cause);
}

/** `error`: our statements do not fit the tables, so the schema is not ours any more. */
function isCorrupt(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE.corrupt || code === SQLITE.noDatabase || code === SQLITE.error;
}

/** The primary result code of SQLite, 0 when the error is not one of SQLite's. */
function sqliteCode(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
}

export function isFull(error: unknown): boolean {
  return sqliteCode(error) === SQLITE.full || systemCode(error) === 'ENOSPC';
}

export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === SQLITE.busy;
}

/** Why the data directory cannot be used. `owner`: the process that has it, '' = not known. */
export function unusable(dataDir: string, error: unknown, owner: () => string): SluiceError {
  const at = `registry data_dir "${dataDir}"`;
  if (!isBusy(error)) {
    const message = `${at}: ${messageOf(error)}; ${remedy(error, dataDir)}`;
    return new SluiceError('data_dir_unusable', message, { cause: error, details: { dataDir } });
  }
  const pid = owner();
  return new SluiceError(
    'data_dir_unusable',
    `${at}: in use by ${pid === '' ? 'another process' : `process ${pid}`}; ` +
      'stop that process or set another registry.embedded.data_dir',
    { cause: error, details: { dataDir, pid: Number(pid) } },
  );
}

function remedy(error: unknown, dataDir: string): string {
  const system = systemCode(error);
  const code = sqliteCode(error);
  if (error instanceof Damage || isCorrupt(error)) return RESTORE;
  if (isFull(error) || system === 'EDQUOT') return 'free some space';
  if (system === 'EROFS') {
    return 'the disk is read-only: mount it writable (after an I/O error the system often does this: check the disk)';
  }
  if (['EACCES', 'EPERM'].includes(system) || code === SQLITE.permission) return ownership(dataDir);
  if (code === SQLITE.readOnly || code === SQLITE.cannotOpen) {
    return `the data is there and was not touched; ${ownership(dataDir)}, and check that its disk is not mounted read-only`;
  }
  if (code === SQLITE.inputOutput || system === 'EIO') {
    return 'the data was not touched; check the disk (dmesg), then start again';
  }
  if (system === 'ENOTDIR' || system === 'EEXIST') {
    return 'a file is in the place of a folder: set another registry.embedded.data_dir';
  }
  return 'the data was not touched; remove the cause and start again';
}

function ownership(dataDir: string): string {
  const user = process.getuid?.();
  return `make ${dataDir} and its files writable for this user${user === undefined ? '' : ` (uid ${user})`}`;
}

/** Why a write was refused. */
export function writeFailure(error: unknown): SluiceError {
  if (isFull(error)) {
    return new SluiceError(
      'storage_full',
      'registry: the disk is full, the write was refused and nothing changed; free some space',
      { cause: error },
    );
  }
  const readOnly = sqliteCode(error) === SQLITE.readOnly || systemCode(error) === 'EROFS';
  return new SluiceError(
    'storage_failed',
    `registry: the disk refused the write (${messageOf(error)}), nothing changed; ` +
      (readOnly ? 'it is read-only: mount it writable' : 'check the disk'),
    { cause: error },
  );
}
