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

/**
 * `shared`: what the gateways share of it; else the runner's own copy is read.
 * @throws preflight_failed when it is there and cannot be understood
 */
export async function readRecord(
  service: ServiceConfig,
  instance: string,
  driver: Driver,
  shared?: unknown,
): Promise<InstanceRecord> {
  if (shared !== undefined) {
    try {
      return parseRecord(shared, driver);
    } catch (error) {
      throw unreadable(`of ${instance} in the registry`, messageOf(error));
    }
  }
  const file = recordFile(service, instance);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return NO_RECORD;
    throw unreadable(file, messageOf(error));
  }
  try {
    return parseRecord(JSON.parse(text), driver);
  } catch (error) {
    throw unreadable(file, messageOf(error));
  }
}

/** As it is written: on this machine, and where the gateways share it. */
export function recordContent(
  service: ServiceConfig,
  instance: string,
  record: InstanceRecord,
): Readonly<Record<string, unknown>> {
  return { v: 1, instance, driver: service.driver, ...record };
}

export function writeRecord(
  service: ServiceConfig,
  instance: string,
  record: InstanceRecord,
): Promise<void> {
  const content = recordContent(service, instance, record);
  return writeWhole(recordFile(service, instance), `${JSON.stringify(content, null, 2)}\n`);
}

function parseRecord(value: unknown, driver: Driver): InstanceRecord {
  const process = field(value, 'process');
  const proven = field(value, 'proven');
  return {
    process: process === null ? null : readStarted(process, driver),
    proven: proven === null ? null : driver.readLaunch(proven),
  };
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
    `record ${file}: unreadable (${reason}); restore it, or move it away: a process of the instance is found without it, only the way back to its version is lost`,
  );
}
