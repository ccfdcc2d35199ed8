// Which processes exist on this machine, read from the system: is this pid still the process that was
// started, and what is in its environment. A pid alone proves nothing, because the system gives it to
// the next process; with the boot and the start time it names one process for ever.
// Linux's /proc; elsewhere identity comes from ps and the rest answers "not known".

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import type { HostProcess, ProcessName } from './host.ts';

const HAS_PROC = process.platform === 'linux';
const COMMAND_LENGTH_MAX = 120;

/**
 * Names one process on this machine, across reuse of its pid and across a reboot; undefined when
 * there is none. A zombie is gone: it holds no port, and in a container nobody may ever reap it.
 */
export function identityOf(pid: number): string | undefined {
  if (!HAS_PROC) return identityByPs(pid);
  const found = readStat(pid);
  return found === undefined || isGone(found) ? undefined : found.identity;
}

/** As identityOf, but also of a process that has just ended and was not reaped yet. */
export function identityAtStart(pid: number): string {
  return (HAS_PROC ? readStat(pid)?.identity : identityByPs(pid)) ?? '';
}

export function isAlive(process: ProcessName): boolean {
  return process.identity !== '' && identityOf(process.pid) === process.identity;
}

/** All living processes but this one, with a variable of each; null where there is no /proc. */
export async function processesWith(variable: string): Promise<readonly HostProcess[] | null> {
  if (!HAS_PROC) return null;
  const all: HostProcess[] = [];
  for (const pid of await allProcesses()) {
    const found = readStat(pid);
    if (found === undefined || isGone(found) || pid === process.pid) continue;
    const { identity, parent, session } = found;
    all.push({ pid, identity, parent, session, value: await variableOf(pid, variable) });
  }
  return all;
}

/** The value of one variable in the environment that a process was started with; '' when unknown. */
export async function variableOf(pid: number, name: string): Promise<string> {
  if (!HAS_PROC) return '';
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  const line = environment.split('\0').find((entry) => entry.startsWith(`${name}=`));
  return line?.slice(name.length + 1) ?? '';
}

/** The command line of a process, shortened for a message; '' when it is not known. */
export async function commandOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const command = text.split('\0').join(' ').trim();
  return command.length > COMMAND_LENGTH_MAX
    ? `${command.slice(0, COMMAND_LENGTH_MAX - 1)}…`
    : command;
}

/** `user alice`, else `user 1001`. */
export async function userOf(uid: number): Promise<string> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const line = text.split('\n').find((entry) => entry.split(':')[2] === String(uid));
  return `user ${line?.split(':')[0] ?? uid}`;
}

/** `user alice`; '' when the process is our own. */
export async function ownerOf(pid: number): Promise<string> {
  const owner = await stat(`/proc/${pid}`).then(
    ({ uid }) => uid,
    () => process.getuid?.(),
  );
  return owner === process.getuid?.() ? '' : userOf(owner ?? -1);
}

export async function allProcesses(): Promise<readonly number[]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.sort((a, b) => a - b);
}

let bootId: string | undefined;

type Stat = {
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  readonly identity: string;
};

function readStat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return undefined; // No such process.
  }
  // `pid (name) state …`: the name may hold blanks and brackets, so count from the last bracket.
  const columns = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: columns[0] ?? '',
    parent: Number(columns[1]),
    session: Number(columns[3]),
    identity: `${bootId}/${columns[19] ?? ''}`,
  };
}

function isGone({ state }: Stat): boolean {
  return state === 'Z' || state === 'X';
}

function identityByPs(pid: number): string | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return line === '' || line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '');
  } catch {
    return undefined; // ps answers 1 when there is no such process.
  }
}
