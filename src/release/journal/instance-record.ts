// The record of one instance: the process that runs it, and the last launch that took traffic, with
// all that is needed to start it again. It outlives the runner: the next deploy finds the process by
// it, and a revert does not depend on a configuration that was edited in between.

import { readdir, readFile, rm } from 'node:fs/promises';
import { messageOf, SluiceError, systemCode } from '../../base/errors.ts';
import { parseAddress } from '../../base/units.ts';
import type { ServiceConfig, ServiceInstance } from '../../config.ts';
import type { Driver, Launch, Started } from '../drivers.ts';
import { field, numberField, stringField } from './fields.ts';
import { recordFile, serviceFolder, writeWhole } from './files.ts';

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
  host: string,
): Readonly<Record<string, unknown>> {
  return { v: 1, instance, host, driver: service.driver, ...record };
}

export function writeRecord(
  service: ServiceConfig,
  instance: string,
  record: InstanceRecord,
  host = '',
): Promise<void> {
  return writeContent(service, instance, recordContent(service, instance, record, host));
}

export function writeContent(
  service: ServiceConfig,
  instance: string,
  content: Readonly<Record<string, unknown>>,
): Promise<void> {
  return writeWhole(recordFile(service, instance), `${JSON.stringify(content, null, 2)}\n`);
}

/** Nothing of it is left here. */
export async function removeRecord(service: ServiceConfig, instance: string): Promise<void> {
  await rm(recordFile(service, instance), { force: true });
}

/** Where the gateways share it: that it was retired, for runners that have a copy of their own. */
export function retiredContent(instance: string): Readonly<Record<string, unknown>> {
  return { v: 1, instance, retired: true, process: null, proven: null };
}

/** Instances that have a record and are not in the list any more, on the host that it names. */
export async function unlisted(
  service: ServiceConfig,
  shared: ReadonlyMap<string, unknown>,
): Promise<readonly ServiceInstance[]> {
  const names = await readdir(serviceFolder(service)).catch(() => []);
  const own = names.flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -5)] : []));
  const ids = new Set([...own, ...shared.keys()]);
  for (const { id } of service.instances) ids.delete(id);
  const found: ServiceInstance[] = [];
  for (const id of ids) {
    const address = parseAddress(id);
    if (address === undefined) continue;
    const record = shared.get(id) ?? (await ownCopy(recordFile(service, id)));
    if (fieldOf(record, 'retired') === true) continue;
    const host = fieldOf(record, 'host');
    // Records of earlier builds know one host.
    found.push({ id, address, hostName: typeof host === 'string' ? host : '' });
  }
  return found;
}

async function ownCopy(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return null; // What is wrong with it is said when it is read for its process.
  }
}

function fieldOf(record: unknown, name: string): unknown {
  return typeof record === 'object' && record !== null ? field(record, name) : null;
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
