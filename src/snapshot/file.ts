// One state file: two lines of JSON, a header with version and checksum, then the data. Written to
// a temporary file, fsynced, renamed over the old one, and the folder fsynced: after a crash at any
// point the file is either the old one or the new one. What is in the data is not known here.

import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, SluiceError, systemCode } from '../base/errors.ts';

const FORMAT = 'sluice-state';

export type FileContent =
  | { readonly kind: 'missing' }
  | { readonly kind: 'good'; readonly data: unknown }
  | { readonly kind: 'bad'; readonly reason: string }
  | { readonly kind: 'future'; readonly version: number };

/** @throws data_dir_unusable when the file is there and cannot be read. */
export function readStateFile(path: string, version: number): FileContent {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return { kind: 'missing' };
    throw new SluiceError(
      'data_dir_unusable',
      `state file ${path}: cannot be read (${messageOf(cause)}); correct its owner and mode`,
      { cause },
    );
  }
  return decode(text, version);
}

/** Durable when it returns. @throws storage_full, storage_failed; the old file is then untouched. */
export function writeStateFileSync(path: string, version: number, data: unknown): void {
  const temporary = `${path}.tmp`;
  try {
    const file = openSync(temporary, 'w', 0o600);
    try {
      const bytes = Buffer.from(encode(version, data));
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    const folder = openSync(dirname(path), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (cause) {
    throw storageError(path, cause);
  }
}

/**
 * The same without holding up the event loop, for files that may be large. Without `isSynced` it
 * survives the end of the process at any point, and may be lost, or found out by its checksum,
 * when the machine itself goes down.
 */
export async function writeStateFile(
  path: string,
  version: number,
  data: unknown,
  isSynced: boolean,
): Promise<void> {
  const temporary = `${path}.tmp`;
  // Before the first wait: what is written is of this moment, and the caller can measure it.
  const text = encode(version, data);
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(text);
      if (isSynced) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    if (!isSynced) return;
    const folder = await open(dirname(path), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (cause) {
    throw storageError(path, cause);
  }
}

function encode(version: number, data: unknown): string {
  const body = JSON.stringify(data);
  return `${JSON.stringify({ format: FORMAT, version, sha256: sha256(body) })}\n${body}\n`;
}

function decode(text: string, version: number): FileContent {
  const end = text.indexOf('\n');
  if (end < 0) return { kind: 'bad', reason: 'it has no header line' };
  const body = text.slice(end + 1);
  let header: unknown;
  try {
    header = JSON.parse(text.slice(0, end));
  } catch {
    return { kind: 'bad', reason: 'its header is not JSON' };
  }
  if (!isHeader(header)) return { kind: 'bad', reason: `it is not a ${FORMAT} file` };
  // A newer program wrote it, perhaps with another checksum: its version alone is believed.
  if (header.version > version) return { kind: 'future', version: header.version };
  if (!body.endsWith('\n')) return { kind: 'bad', reason: 'it is cut short' };
  const data = body.slice(0, -1);
  if (sha256(data) !== header.sha256) return { kind: 'bad', reason: 'its checksum is wrong' };
  try {
    return { kind: 'good', data: JSON.parse(data) };
  } catch {
    return { kind: 'bad', reason: 'its data is not JSON' };
  }
}

function isHeader(value: unknown): value is { version: number; sha256: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'format' in value &&
    value.format === FORMAT &&
    'version' in value &&
    Number.isSafeInteger(value.version) &&
    'sha256' in value &&
    typeof value.sha256 === 'string'
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

const FULL_CODES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

function storageError(path: string, cause: unknown): SluiceError {
  if (FULL_CODES.has(systemCode(cause))) {
    return new SluiceError(
      'storage_full',
      `state file ${path}: not written, the disk is full (${systemCode(cause)}); free some space and try again`,
      { cause },
    );
  }
  return new SluiceError(
    'storage_failed',
    `state file ${path}: not written (${messageOf(cause)}); make its folder writable and try again`,
    { cause },
  );
}
