// A restart and a release of one service never touch an instance at the same time. Both first say that
// they are at work and then look for the other, so at least one of them sees the other: a restart gives
// way, a release waits for the moment that a restart takes. Both are on the machine of the instance.
//
//   <run_dir>/<service>/restart.json        who starts an instance again right now

import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../base/errors.ts';
import type { ServiceConfig } from '../../config.ts';
import { identityAtStart, isAlive } from '../hosts.ts';
import { pause } from '../wait.ts';
import { numberField, stringField } from './fields.ts';
import { serviceFolder } from './files.ts';
import { readOwnHistory } from './history.ts';

const POLL_MS = 20;
/** A restart takes milliseconds; one that takes longer hangs, and the release's own look will tell. */
const WAIT_MS = 10_000;

/** Gives back what ends the claim; null while a release is at work. */
export async function claimRestart(service: ServiceConfig): Promise<(() => Promise<void>) | null> {
  const file = fileOf(service);
  if (await isClaimed(file)) return null;
  const own = { pid: process.pid, identity: identityAtStart(process.pid) };
  try {
    await rm(file, { force: true });
    await writeFile(file, JSON.stringify(own), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return null;
    throw error;
  }
  const release = (): Promise<void> => rm(file, { force: true });
  const [last] = await readOwnHistory(service);
  if (last === undefined || last.over) return release;
  await release();
  return null;
}

/** For a release that has its journal: resolves when no restart is under way. */
export async function awaitRestarts(service: ServiceConfig): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS;
  while ((await isClaimed(fileOf(service))) && performance.now() < deadlineMs) await pause(POLL_MS);
}

function fileOf(service: ServiceConfig): string {
  return join(serviceFolder(service), 'restart.json');
}

/** One of a process that has died is none. */
async function isClaimed(file: string): Promise<boolean> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    return isAlive({ pid: numberField(value, 'pid'), identity: stringField(value, 'identity') });
  } catch {
    return false; // None, or one that was being written when its writer died.
  }
}
