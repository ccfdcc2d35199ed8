// Which processes exist, read from the system: is this pid still the process that we started, which
// processes carry our mark, who listens on a port. A pid alone proves nothing, because the system
// gives it to the next process; with the boot and the start time it names one process for ever.
// Linux's /proc; elsewhere identity comes from ps and the rest answers "not known".

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { BlockList, isIP } from 'node:net';
import type { Address } from '../../base/units.ts';

/** Set in the environment of every instance; its value is the path of the instance's record. */
export const MARK = 'SLUICE_INSTANCE';

/** One process, across reuse of its pid. */
export type ProcessName = { readonly pid: number; readonly identity: string };

type Candidate = ProcessName & Stat & { readonly mark: string };

const HAS_PROC = process.platform === 'linux';
/** The state LISTEN in /proc/net/tcp. */
const LISTEN_STATE = '0A';
const COMMAND_LENGTH_MAX = 120;

/**
 * Names one process on this machine, across reuse of its pid and across a reboot; undefined when
 * there is none. A zombie is gone: it holds no port, and in a container nobody may ever reap it.
 */
export function identityOf(pid: number): string | undefined {
  if (!HAS_PROC) return identityByPs(pid);
  const stat = readStat(pid);
  return stat === undefined || isGone(stat) ? undefined : stat.identity;
}

/** As identityOf, but also of a process that has just ended and was not reaped yet. */
export function identityAtStart(pid: number): string {
  return (HAS_PROC ? readStat(pid)?.identity : identityByPs(pid)) ?? '';
}

export function isAlive(process: ProcessName): boolean {
  return process.identity !== '' && identityOf(process.pid) === process.identity;
}

/**
 * The living processes of an instance, its leader first, then by pid. Theirs are: those whose
 * environment carries `MARK=value`; `roots`, known from before; the session that the leader began,
 * which holds when something in between (sudo, env -i) has emptied the environment; and whatever
 * one of them has started. Not ours: what carries the mark of another instance, and this process.
 *
 * The session counts only with a proven member in it: a session's number goes to nobody else while
 * it has members, but once it is empty, its number may be that of a stranger's.
 */
export async function instanceProcesses(
  value: string,
  leader?: ProcessName,
  roots: readonly ProcessName[] = [],
): Promise<readonly ProcessName[]> {
  const known = leader === undefined ? roots : [leader, ...roots];
  if (!HAS_PROC) return known.filter(isAlive);
  const all = new Map<number, Candidate>();
  for (const pid of await allProcesses()) {
    const stat = readStat(pid);
    if (stat === undefined || isGone(stat) || pid === process.pid) continue;
    all.set(pid, { ...stat, pid, mark: await variableOf(pid, MARK) });
  }
  const found = new Map<number, Candidate>();
  for (const candidate of all.values()) {
    const isKnown = known.some(({ pid, identity }) => {
      return pid === candidate.pid && identity === candidate.identity;
    });
    if (isKnown || candidate.mark === value) found.set(candidate.pid, candidate);
  }
  const hasSession = [...found.values()].some(({ session }) => session === leader?.pid);
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const candidate of all.values()) {
      const { pid, mark, parent, session } = candidate;
      const isTheirs = found.has(parent) || (hasSession && session === leader?.pid);
      if (isTheirs && (mark === '' || mark === value)) found.set(pid, candidate);
    }
  }
  const rank = ({ pid, session }: Candidate): number => (pid === session ? 0 : 1);
  return [...found.values()]
    .sort((a, b) => rank(a) - rank(b) || a.pid - b.pid)
    .map(({ pid, identity }) => ({ pid, identity }));
}

/** The value of one variable in the environment that a process was started with; '' when unknown. */
export async function variableOf(pid: number, name: string): Promise<string> {
  if (!HAS_PROC) return '';
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  const line = environment.split('\0').find((entry) => entry.startsWith(`${name}=`));
  return line?.slice(name.length + 1) ?? '';
}

/** The sockets that listen on an address, by the kernel's name, with their user's number; may be empty. */
export async function listeningSockets(address: Address): Promise<ReadonlyMap<string, number>> {
  const sockets = new Map<string, number>();
  if (!HAS_PROC) return sockets;
  const hosts = new BlockList();
  const family = isIP(address.host);
  if (family !== 0) hosts.addAddress(address.host, family === 6 ? 'ipv6' : 'ipv4');
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(file, 'utf8').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      const [local = '', port = ''] = columns[1]?.split(':') ?? [];
      if (columns[3] !== LISTEN_STATE || Number.parseInt(port, 16) !== address.port) continue;
      // A host name may be any address of this machine, and a listener on all of them is one, too.
      const isIt = family === 0 || /^0+$/.test(local) || hosts.check(...readAddress(local));
      if (isIt) sockets.set(`socket:[${columns[9]}]`, Number(columns[7]));
    }
  }
  return sockets;
}

/** `0100007F` is 127.0.0.1: groups of four bytes, each in the (little-endian) machine's order. */
function readAddress(text: string): [string, 'ipv4' | 'ipv6'] {
  const bytes = (text.match(/.{8}/g) ?? []).flatMap((group) =>
    (group.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)),
  );
  if (bytes.length === 4) return [bytes.join('.'), 'ipv4'];
  const words = Array.from({ length: 8 }, (_, at) => {
    return (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16);
  });
  return [words.join(':'), 'ipv6'];
}

/** The first of the processes (all when not given) that holds one of the sockets. */
export async function holderOf(
  sockets: ReadonlyMap<string, number>,
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

async function allProcesses(): Promise<readonly number[]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.sort((a, b) => a - b);
}

async function holdsAny(pid: number, sockets: ReadonlyMap<string, number>): Promise<boolean> {
  // Another user's descriptors cannot be read: then the owner stays unknown.
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const descriptor of descriptors) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
    if (sockets.has(target)) return true;
  }
  return false;
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

function isGone(stat: Stat): boolean {
  return stat.state === 'Z' || stat.state === 'X';
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
