// Which processes exist, read from the system: is this pid still the process that we started, which
// processes carry our mark, who listens on a port. A pid alone proves nothing, because the system
// gives it to the next process; with the boot and the start time it names one process for ever.
// Linux's /proc; elsewhere identity comes from ps and the rest answers "not known".

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';

/** Set in the environment of every instance; its value is the path of the instance's record. */
export const MARK = 'SLUICE_INSTANCE';

const HAS_PROC = process.platform === 'linux';
/** The state LISTEN in /proc/net/tcp. */
const LISTEN_STATE = '0A';

/**
 * Names one process on this machine, across reuse of its pid and across a reboot; undefined when
 * there is none. A zombie is gone: it holds no port, and in a container nobody may ever reap it.
 */
export function identityOf(pid: number): string | undefined {
  if (!HAS_PROC) return identityByPs(pid);
  const stat = readStat(pid);
  return stat === undefined || stat.state === 'Z' || stat.state === 'X' ? undefined : stat.identity;
}

/** As identityOf, but also of a process that has just ended and was not reaped yet. */
export function identityAtStart(pid: number): string {
  return (HAS_PROC ? readStat(pid)?.identity : identityByPs(pid)) ?? '';
}

export function isAlive(process: { readonly pid: number; readonly identity: string }): boolean {
  return process.identity !== '' && identityOf(process.pid) === process.identity;
}

/** Processes whose environment carries `MARK=value`, lowest pid first: the instance and its children. */
export async function markedProcesses(value: string): Promise<readonly number[]> {
  if (!HAS_PROC) return [];
  const found: number[] = [];
  const wanted = `${MARK}=${value}`;
  for (const pid of await allProcesses()) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (environment.split('\0').includes(wanted) && identityOf(pid) !== undefined) found.push(pid);
  }
  return found;
}

/** The value of one variable in the environment that a process was started with; '' when unknown. */
export async function environmentOf(pid: number, name: string): Promise<string> {
  if (!HAS_PROC) return '';
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  const line = environment.split('\0').find((entry) => entry.startsWith(`${name}=`));
  return line?.slice(name.length + 1) ?? '';
}

/** The kernel's names of the sockets that listen on a TCP port; empty when none or not known. */
export async function listeningSockets(port: number): Promise<ReadonlySet<string>> {
  const sockets = new Set<string>();
  if (!HAS_PROC) return sockets;
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(file, 'utf8').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      const localPort = Number.parseInt(columns[1]?.split(':')[1] ?? '', 16);
      if (columns[3] === LISTEN_STATE && localPort === port) sockets.add(`socket:[${columns[9]}]`);
    }
  }
  return sockets;
}

/** The first of the processes (all when not given) that holds one of the sockets. */
export async function holderOf(
  sockets: ReadonlySet<string>,
  among?: readonly number[],
): Promise<number | undefined> {
  if (sockets.size === 0) return undefined;
  for (const pid of among ?? (await allProcesses())) {
    if (await holdsAny(pid, sockets)) return pid;
  }
  return undefined;
}

/** The command line of a process, shortened for a message; '' when it is not known. */
export async function commandOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text.split('\0').join(' ').trim().slice(0, 120);
}

async function allProcesses(): Promise<readonly number[]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.sort((a, b) => a - b);
}

async function holdsAny(pid: number, sockets: ReadonlySet<string>): Promise<boolean> {
  // Another user's descriptors cannot be read: then the owner stays unknown.
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const descriptor of descriptors) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
    if (sockets.has(target)) return true;
  }
  return false;
}

let bootId: string | undefined;

function readStat(pid: number): { state: string; identity: string } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return undefined; // No such process.
  }
  // `pid (name) state …`: the name may hold blanks and brackets, so count from the last bracket.
  const columns = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: columns[0] ?? '', identity: `${bootId}/${columns[19] ?? ''}` };
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
