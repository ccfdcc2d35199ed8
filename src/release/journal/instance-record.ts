// The record of one instance: the process that runs it, and the last launch that took traffic, with
// all that is needed to start it again. It outlives the runner: the next deploy finds the process by
// it, and a revert does not depend on a configuration that was edited in between.

import { readFile } from 'node:fs/promises';
import { messageOf, SluiceError, systemCode } from '../../base/errors.ts';
import type { ServiceConfig } from '../../config.ts';
import { recordFile, writeWhole } from './files.ts';

/** A start command with its templates filled in. `env` may hold references, and never their values. */
export type Launch = {
  readonly version: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Variables of the runner's own environment that it gets besides the usual few. */
  readonly inherit: readonly string[] | 'all';
  /**
   * The runner's own PATH at the first start: a revert from another shell (a CI job, cron) must find
   * the same programs. No part of what is configured.
   */
  readonly path: string;
  /** What was really run; absent before the first start, and in records of old. */
  readonly pin?: Pin;
};

/** A launch by real paths, and what the code looked like: path → stamp. See pin.ts. */
export type Pin = {
  /** The program's file; '' when it was not found. */
  readonly file: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly path: string;
  readonly stamps: Readonly<Record<string, string>>;
};

export type ProcessRecord = {
  readonly pid: number;
  /** See identityOf: a reused pid does not match. */
  readonly identity: string;
  readonly startedAtMs: number;
  /** The release that started it. */
  readonly release: string;
  readonly launch: Launch;
};

export type InstanceRecord = {
  readonly process: ProcessRecord | null;
  /** What ran here when the instance last took traffic before a release touched it. */
  readonly proven: Launch | null;
};

export const NO_RECORD: InstanceRecord = { process: null, proven: null };

/** @throws preflight_failed when the file is there and cannot be understood */
export async function readRecord(
  service: ServiceConfig,
  instance: string,
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
      process: process === null ? null : readProcess(process),
      proven: proven === null ? null : readLaunch(proven),
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
  const content = { v: 1, instance, ...record };
  return writeWhole(recordFile(service, instance), `${JSON.stringify(content, null, 2)}\n`);
}

function readProcess(value: unknown): ProcessRecord {
  return {
    pid: number(value, 'pid'),
    identity: string(value, 'identity'),
    startedAtMs: number(value, 'startedAtMs'),
    release: string(value, 'release'),
    launch: readLaunch(field(value, 'launch')),
  };
}

function readLaunch(value: unknown): Launch {
  const argv = field(value, 'argv');
  const pin = field(value, 'pin');
  if (!Array.isArray(argv) || !argv.every((part) => typeof part === 'string')) throw bad('argv');
  return {
    version: string(value, 'version'),
    argv,
    cwd: string(value, 'cwd'),
    env: texts(value, 'env'),
    inherit: readInherit(field(value, 'inherit')),
    path: field(value, 'path') === null ? (process.env['PATH'] ?? '') : string(value, 'path'),
    ...(pin === null ? {} : { pin: readPin(pin) }),
  };
}

function readPin(value: unknown): Pin {
  const argv = field(value, 'argv');
  if (!Array.isArray(argv) || !argv.every((part) => typeof part === 'string')) throw bad('argv');
  return {
    file: string(value, 'file'),
    argv,
    cwd: string(value, 'cwd'),
    env: texts(value, 'env'),
    path: string(value, 'path'),
    stamps: texts(value, 'stamps'),
  };
}

function texts(value: unknown, name: string): Record<string, string> {
  const found = field(value, name);
  if (typeof found !== 'object' || found === null) throw bad(name);
  return Object.fromEntries(Object.entries(found).map(([key, text]) => [key, String(text)]));
}

function readInherit(value: unknown): Launch['inherit'] {
  if (value === null) return [];
  if (value === 'all') return value;
  if (!Array.isArray(value) || !value.every((name) => typeof name === 'string'))
    throw bad('inherit');
  return value;
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) throw bad(name);
  // A parser's cast: an object read from a file, whose fields are each checked by their reader.
  return (value as Record<string, unknown>)[name] ?? null;
}

function string(value: unknown, name: string): string {
  const found = field(value, name);
  if (typeof found !== 'string') throw bad(name);
  return found;
}

function number(value: unknown, name: string): number {
  const found = field(value, name);
  if (typeof found !== 'number' || !Number.isSafeInteger(found)) throw bad(name);
  return found;
}

function bad(name: string): Error {
  return new Error(`"${name}" is missing or of the wrong type`);
}

function unreadable(file: string, reason: string): SluiceError {
  return new SluiceError(
    'preflight_failed',
    `record ${file}: unreadable (${reason}); restore the file, or move it away: a process of the instance is found without it, only the way back to its version is lost`,
  );
}
