// Where a service's release keeps its things, and how a small file is written so that a crash or a
// power cut leaves either the old one or the new one. Owner-only modes: records hold environments.
//
//   <run_dir>/<service>/releases/r7.jsonl       the journal of release r7; the newest one is the lock
//   <run_dir>/<service>/<host:port>.json        the instance's record: its process, its last version
//   <run_dir>/<service>/<host:port>.log         what the instance writes to stdout and stderr
//   <run_dir>/<service>/fence                   the highest fence of a release that was at work here
//   <run_dir>/<service>/<host:port>.log.keep    what its keeper may do (hosts behind ssh: shell/keeper.ts)
//
// A host behind ssh has a run_dir of its own, for logs, keepers and the fence.

import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSluiceError, messageOf, SluiceError, systemCode } from '../../base/errors.ts';
import { createFolder } from '../../base/folder.ts';
import type { ServiceConfig } from '../../config.ts';

export function serviceFolder(service: ServiceConfig): string {
  return join(service.runDir, service.name);
}

export function journalFolder(service: ServiceConfig): string {
  return join(serviceFolder(service), 'releases');
}

export function recordFile(service: ServiceConfig, instance: string): string {
  return join(serviceFolder(service), `${instance}.json`);
}

/** On the host of the instance; default: this machine. */
export function logFile(
  service: ServiceConfig,
  instance: string,
  host: { readonly isLocal: boolean } = { isLocal: true },
): string {
  return join(hostFolder(service, host), `${instance}.log`);
}

/** Where a host keeps the logs of a service's instances, and the fence of its releases. */
export function hostFolder(service: ServiceConfig, host: { readonly isLocal: boolean }): string {
  return host.isLocal ? serviceFolder(service) : join(service.remoteRunDir, service.name);
}

/** @throws storage_full, storage_failed */
export async function makeFolder(folder: string): Promise<void> {
  try {
    createFolder(folder);
  } catch (error) {
    throw storageError(folder, error);
  }
}

/** Replaces the file's content at once: temporary file, fsync, rename, fsync of the folder. */
export async function writeWhole(file: string, content: string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(content);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(dirname(file));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}); // The first error is the one to report.
    throw storageError(file, error);
  }
}

/** Makes a created or renamed name durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function storageError(file: string, error: unknown): SluiceError {
  if (isSluiceError(error)) return error;
  const code = systemCode(error);
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  const remedy = full ? 'free some space' : 'see the run_dir of the service';
  return new SluiceError(
    full ? 'storage_full' : 'storage_failed',
    `${file}: cannot be written (${code === '' ? messageOf(error) : code}); ${remedy}`,
    { cause: error },
  );
}
