// Starting an instance by a local command, and finding it again. The process gets a session of its own, so
// that neither the runner's end nor a Ctrl-C reaches it, and writes to a log file. It is known by a
// record (pid + start time) and by a mark in its environment: the mark finds it when the runner was
// killed between the start and the record, and finds the children that it left behind.

import { spawn } from 'node:child_process';
import { open, rename, stat } from 'node:fs/promises';
import { messageOf, SluiceError, systemCode } from '../../base/errors.ts';
import type { ServiceConfig } from '../../config.ts';
import {
  identityAtStart,
  instanceProcesses,
  isAlive,
  MARK,
  variableOf,
} from '../hosts/process-table.ts';
import { logFile, recordFile, storageError } from '../journal/files.ts';
import type { InstanceRecord, Launch, ProcessRecord } from '../journal/instance-record.ts';
import { environmentOf } from './environment.ts';
import { launchProblem } from './launch.ts';
import { pinned, pinOf } from './pin.ts';

/** A log beyond this is set aside as `.log.1` at the next start. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;
const TAIL_BYTES = 32 * 1024;
const TAIL_LINES = 30;
const LINE_LENGTH_MAX = 400;

/** A process just started, or one found by its record. */
export type Running = {
  readonly process: ProcessRecord;
  /** How it ended, in words; '' while it lives. */
  ended(): string;
  /** Where its own part of the log begins, bytes. */
  readonly logOffset: number;
};

/** @throws release_failed when the system refuses to start it, storage_full, storage_failed */
export async function startInstance(options: {
  readonly service: ServiceConfig;
  readonly instance: string;
  readonly launch: Launch;
  readonly release: string;
}): Promise<Running> {
  const { service, instance, launch, release } = options;
  // A revert runs what ran, by its real paths; a first start is written down with them.
  const { launch: real, file } = pinned(launch);
  const pin = launch.pin ?? pinOf(launch);
  const { values, problem } = environmentOf(real);
  if (problem !== '') throw new SluiceError('release_failed', `${instance}: ${problem}`);
  const log = await openLog(logFile(service, instance));
  try {
    const environment = {
      ...values,
      [MARK]: recordFile(service, instance),
      SLUICE_VERSION: launch.version,
      SLUICE_RELEASE: release,
    };
    const [name = '', ...rest] = real.argv;
    const child = spawn(file, rest, {
      argv0: name,
      cwd: real.cwd,
      env: environment,
      detached: true,
      stdio: ['ignore', log.descriptor, log.descriptor],
    });
    let ended = '';
    child.on('exit', (code, signal) => {
      ended = signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
    });
    await new Promise<void>((resolve, reject) => {
      child.on('spawn', resolve);
      child.on('error', reject);
    });
    const pid = child.pid ?? 0;
    const identity = identityAtStart(pid);
    child.unref();
    return {
      process: { pid, identity, startedAtMs: Date.now(), release, launch: { ...launch, pin } },
      ended: () => ended,
      logOffset: log.offset,
    };
  } catch (error) {
    const code = systemCode(error) || messageOf(error);
    // The system says ENOENT of a missing folder, program or interpreter alike.
    const missing = launchProblem({ ...real, argv: [file] }) || 'its interpreter does not exist';
    const reason = code === 'ENOENT' ? missing : code;
    throw new SluiceError('release_failed', `${instance}: cannot start "${file}": ${reason}`, {
      cause: error,
    });
  } finally {
    await log.close();
  }
}

/** The handle on a process that an earlier run started. */
export async function adoptProcess(
  service: ServiceConfig,
  instance: string,
  found: ProcessRecord,
): Promise<Running> {
  const size = await stat(logFile(service, instance)).then(
    (file) => file.size,
    () => 0,
  );
  return {
    process: found,
    ended: () => (isAlive(found) ? '' : 'ended'),
    logOffset: Math.max(0, size - TAIL_BYTES),
  };
}

/**
 * The instance's process: the one in its record when it lives, else the one that carries the
 * instance's mark (its runner was killed before it could write the record); null when none runs.
 */
export async function findProcess(
  service: ServiceConfig,
  instance: string,
  record: InstanceRecord,
): Promise<ProcessRecord | null> {
  if (record.process !== null && isAlive(record.process)) return record.process;
  const [found] = await instanceProcesses(recordFile(service, instance));
  if (found === undefined) return null;
  const { pid, identity } = found;
  const version = await variableOf(pid, 'SLUICE_VERSION');
  const release = await variableOf(pid, 'SLUICE_RELEASE');
  // What the recorded process has left behind when it ended runs by the same command.
  const { release: known = '', launch: same } = record.process ?? {};
  if (same?.version === version && known === release) {
    return { pid, identity, startedAtMs: record.process?.startedAtMs ?? 0, release, launch: same };
  }
  const launch: Launch = { version, argv: [], cwd: '', env: {}, inherit: [], path: '' };
  return { pid, identity, startedAtMs: 0, release, launch };
}

/** The last lines that the process wrote since it was started. */
export async function logTail(
  service: ServiceConfig,
  instance: string,
  offset: number,
): Promise<readonly string[]> {
  try {
    const handle = await open(logFile(service, instance), 'r');
    try {
      const { size } = await handle.stat();
      const from = Math.max(offset, size - TAIL_BYTES);
      const { buffer, bytesRead } = await handle.read(
        Buffer.alloc(TAIL_BYTES),
        0,
        TAIL_BYTES,
        from,
      );
      const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
      if (lines.at(-1) === '') lines.pop();
      // The rest of a line may be the rest of a secret, which nobody would know.
      if (from > offset) lines.shift();
      // An app's output goes to a terminal: escape sequences and other controls are taken out.
      return lines.slice(-TAIL_LINES).map((line) => printable(line).slice(0, LINE_LENGTH_MAX));
    } finally {
      await handle.close();
    }
  } catch {
    return []; // No log is no evidence, not a failure of its own.
  }
}

/** The same as the evidence of a failure. */
export async function logEvidence(
  service: ServiceConfig,
  instance: string,
  running: Running,
): Promise<readonly string[]> {
  const lines = await logTail(service, instance, running.logOffset);
  return lines.map((line) => `app log: ${line}`);
}

function printable(line: string): string {
  return line.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '').replace(/(?!\t)\p{Cc}/gu, '');
}

async function openLog(
  file: string,
): Promise<{ descriptor: number; offset: number; close(): Promise<void> }> {
  try {
    const size = await stat(file).then(
      (found) => found.size,
      () => 0,
    );
    if (size > LOG_BYTES_MAX) await rename(file, `${file}.1`);
    const handle = await open(file, 'a', 0o600);
    const offset = (await handle.stat()).size;
    return { descriptor: handle.fd, offset, close: () => handle.close() };
  } catch (error) {
    throw storageError(file, error);
  }
}
