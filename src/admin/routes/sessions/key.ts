// The key that sessions are signed with. It is kept in the state folder, so that a restart of the gateway
// logs nobody out; where it cannot be kept, sessions end with the process.

import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { messageOf, systemCode } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';

const KEY_BYTES = 32;
const FILE_MODE = 0o600;

/** `file`: '' = it is not kept. Never throws. */
export function sessionKey(file: string, log: Log): Buffer {
  if (file === '') return randomBytes(KEY_BYTES);
  try {
    const kept = Buffer.from(readFileSync(file, 'latin1').trim(), 'base64url');
    if (kept.length === KEY_BYTES) return kept;
    log.warn({ file }, 'session key damaged: a new one is made, and everybody logs in again');
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') return fleeting(file, error, log);
  }
  const key = randomBytes(KEY_BYTES);
  try {
    write(file, key);
  } catch (error) {
    return fleeting(file, error, log);
  }
  return key;
}

function write(file: string, key: Buffer): void {
  const temporary = `${file}.tmp`;
  const descriptor = openSync(temporary, 'w', FILE_MODE);
  try {
    writeSync(descriptor, `${key.toString('base64url')}\n`);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
}

function fleeting(file: string, error: unknown, log: Log): Buffer {
  log.warn({ file, error: messageOf(error) }, 'session key not kept: logins end with this process');
  return randomBytes(KEY_BYTES);
}
