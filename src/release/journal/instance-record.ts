// The record of one instance: the process that runs it, and the last launch that took traffic, with
// all that is needed to start it again. It outlives the runner: the next deploy finds the process by
// it, and a revert does not depend on a configuration that was edited in between.

import { readFile } from 'node:fs/promises';
import { messageOf, SluiceError, systemCode } from '../../base/errors.ts';
import type { ServiceConfig } from '../../config.ts';
import type { Driver, Launch, Started } from '../drivers.ts';
import { field, numberField, stringField } from './fields.ts';
import { recordFile, writeWhole } from './files.ts';

export type InstanceRecord = {
  readonly process: Started | null;
  /** What ran here when the instance last took traffic before a release touched it. */
  readonly proven: Launch | null;
};

export const NO_RECORD: InstanceRecord = { process: null, proven: null };

/** @throws preflight_failed when the file is there and cannot be understood */
export async function readRecord(
  service: ServiceConfig,
  instance: string,
  driver: Driver,
): Promise<InstanceRecord> {
  const file = recordFile(service, instance);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return NO_RECORD;
    throw unreadable(file, messageOf(error));
  }
  try {
    const value: unknown = JSON.parse(text);
    const process = field(value, 'process');
    const proven = field(value, 'proven');
    return {
      process: process === null ? null : readStarted(process, driver),
      proven: proven === null ? null : driver.readLaunch(proven),
    };
  } catch (error) {
    throw unreadable(file, messageOf(error));
  }
}

export function writeRecord(
  service: ServiceConfig,
  instance: string,
  record: InstanceRecord,
): Promise<void> {
  const content = { v: 1, instance, driver: service.driver, ...record };
  return writeWhole(recordFile(service, instance), `${JSON.stringify(content, null, 2)}\n`);
}

function readStarted(value: unknown, driver: Driver): Started {
  return {
    // Records of earlier builds hold the handle's fields beside the others.
    handle: driver.readHandle(field(value, 'handle') ?? value),
    startedAtMs: numberField(value, 'startedAtMs'),
    release: stringField(value, 'release'),
    launch: driver.readLaunch(field(value, 'launch')),
  };
}

function unreadable(file: string, reason: string): SluiceError {
  return new SluiceError(
    'preflight_failed',
    `record ${file}: unreadable (${reason}); restore the file, or move it away: a process of the instance is found without it, only the way back to its version is lost`,
  );
}
