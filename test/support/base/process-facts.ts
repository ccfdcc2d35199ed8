// What /proc tells about a process: its children, the addresses that it listens on, the signals that
// it has handlers for.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';

/** Processes whose parent is `pid`, by their number. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  return text === ''
    ? []
    : text
        .split(' ')
        .map(Number)
        .sort((a, b) => a - b);
}

/** TCP ports that one of these processes listens on, sorted, each once. */
export function listeningPorts(pids: readonly number[]): number[] {
  const inodes = new Set(pids.flatMap(socketsOf));
  const ports = new Set<number>();
  for (const table of ['tcp', 'tcp6']) {
    for (const line of readFileSync(`/proc/net/${table}`, 'latin1').split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      if (state !== '0A' || !inodes.has(inode)) continue;
      ports.add(Number.parseInt(local.split(':')[1] ?? '', 16));
    }
  }
  return [...ports].sort((a, b) => a - b);
}

function socketsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((name) => {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${name}`))?.[1];
      return inode === undefined ? [] : [inode];
    } catch {
      // Closed meanwhile.
      return [];
    }
  });
}

/** True when its program has a handler for the signal; of a fork that is no program yet it is false. */
export function handles(pid: number, signal: NodeJS.Signals): boolean {
  if (readFileSync(`/proc/${pid}/cmdline`, 'latin1') === commandOfParent(pid)) return false;
  return isSet(pid, 'SigCgt', signal);
}

/** Sent, and not delivered yet. */
export function isPending(pid: number, signal: NodeJS.Signals): boolean {
  return isSet(pid, 'ShdPnd', signal);
}

/**
 * Whether it runs. One that has ended does not, though its pid may be there for a moment, or where nobody
 * asks for its end for ever.
 */
export function isRunning(pid: number): boolean {
  try {
    return !/^[ZX]/.test(fieldOf(pid, 'State'));
  } catch {
    // No such process, or it was forgotten while it was read.
    return false;
  }
}

export function isStopped(pid: number): boolean {
  return fieldOf(pid, 'State').startsWith('T');
}

function isSet(pid: number, field: string, signal: NodeJS.Signals): boolean {
  const set = BigInt(`0x${fieldOf(pid, field) || '0'}`);
  return ((set >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
}

function commandOfParent(pid: number): string {
  return readFileSync(`/proc/${fieldOf(pid, 'PPid')}/cmdline`, 'latin1');
}

function fieldOf(pid: number, name: string): string {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
}
