// A launch of the command driver, and how it is read back from the record of an instance.

import type { ProcessName } from '../../hosts.ts';
import { bad, field, numberField, stringField, textsField } from '../../journal/fields.ts';
import type { Launch, MarkedScope } from '../driver.ts';
import type { LaunchEnvironment } from '../environment.ts';

/**
 * A start command with its templates filled in. Its `path` is the runner's own PATH at the first start:
 * a revert from another shell (a CI job, cron) must find the same programs. No part of what is configured.
 */
export type CommandLaunch = Launch &
  LaunchEnvironment & {
    readonly argv: readonly string[];
    readonly cwd: string;
    /** Who it runs as; absent: who deploys. */
    readonly user?: string;
    /** What was really run; absent before the first start. An older record may lack it. */
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

/** What the record holds. @throws Error that names the field */
export function readLaunch(value: unknown): CommandLaunch {
  const argv = field(value, 'argv');
  const pin = field(value, 'pin');
  if (!Array.isArray(argv) || !argv.every((part) => typeof part === 'string')) throw bad('argv');
  return {
    version: stringField(value, 'version'),
    argv,
    cwd: stringField(value, 'cwd'),
    env: texts(value, 'env'),
    inherit: readInherit(field(value, 'inherit')),
    path: field(value, 'path') === null ? (process.env['PATH'] ?? '') : stringField(value, 'path'),
    ...(field(value, 'user') === null ? {} : { user: stringField(value, 'user') }),
    ...(pin === null ? {} : { pin: readPin(pin) }),
  };
}

function readPin(value: unknown): Pin {
  const argv = field(value, 'argv');
  if (!Array.isArray(argv) || !argv.every((part) => typeof part === 'string')) throw bad('argv');
  return {
    file: stringField(value, 'file'),
    argv,
    cwd: stringField(value, 'cwd'),
    env: texts(value, 'env'),
    path: stringField(value, 'path'),
    stamps: texts(value, 'stamps'),
  };
}

function texts(value: unknown, name: string): Record<string, string> {
  const found = field(value, name);
  if (typeof found !== 'object' || found === null) throw bad(name);
  return textsField(value, name);
}

function readInherit(value: unknown): CommandLaunch['inherit'] {
  if (value === null) return [];
  if (value === 'all') return value;
  if (!Array.isArray(value) || !value.every((name) => typeof name === 'string'))
    throw bad('inherit');
  return value;
}

export type CommandHandle = ProcessName;

/** What the parts of the driver know of their instance. */
export type CommandScope = MarkedScope;

/** @throws Error that names the field */
export function readHandle(value: unknown): CommandHandle {
  return { pid: numberField(value, 'pid'), identity: stringField(value, 'identity') };
}
