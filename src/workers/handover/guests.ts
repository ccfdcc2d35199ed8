// The primary's side of a handover: workers of this state_dir that serve on although their primary is gone. They
// give us the sockets that clients come in by, so that nobody is refused, and finish when we have workers of our own.

import { rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { killProcess } from '../../base/kill.ts';
import type { Log } from '../../base/log.ts';
import { PROTOCOL } from '../protocol.ts';
import { canHandOver, receiveHandles } from './handles.ts';
import { pidsIn, placeOf } from './place.ts';

/** A worker of another primary that waits for what it is told. */
export type Guest = {
  /** Of the primary that started it. */
  readonly id: number;
  readonly pid: number;
  /** It understands what we say; else it can only be told to finish. */
  readonly isOurs: boolean;
  readonly socket: Socket;
  readonly sockets: ReadonlyMap<string, object>;
};

/** A worker answers within this time, unless it hangs or is stopped, ms. */
const ANSWER_MS = 3000;

/**
 * Those that do not answer are ended: one that goes on later would serve by an old table.
 */
export async function findGuests(folder: string, log: Log): Promise<readonly Guest[]> {
  if (!canHandOver()) return [];
  const found = await Promise.all(pidsIn(folder).map((pid) => meet(folder, pid, log)));
  return found.filter((guest) => guest !== undefined);
}

async function meet(folder: string, pid: number, log: Log): Promise<Guest | undefined> {
  const place = placeOf(folder, pid);
  const met = await knock(place.link);
  if (met === 'gone') {
    for (const path of Object.values(place)) rmSync(path, { force: true });
    return undefined;
  }
  const hello = met === 'silent' ? undefined : parseHello(met.line);
  if (met === 'silent' || hello === undefined) {
    log.warn({ pid }, 'a worker of the last primary does not answer: ended');
    killProcess(pid);
    return undefined;
  }
  const sockets = await receiveHandles(place.fds, ANSWER_MS);
  const isOurs = hello.protocol === PROTOCOL;
  log.info({ pid, sockets: sockets.size, isOurs }, 'a worker of the last primary serves on');
  return { id: hello.worker, pid, isOurs, socket: met.socket, sockets };
}

type Met = { readonly socket: Socket; readonly line: string };

/** `gone`: nobody listens there. */
function knock(path: string): Promise<Met | 'gone' | 'silent'> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    const give = (result: 'gone' | 'silent'): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => give('silent'), ANSWER_MS);
    socket.setEncoding('utf8');
    socket.once('error', () => give('gone'));
    socket.once('close', () => give('gone'));
    socket.on('data', (part: string) => {
      text += part;
      // It says nothing more until it is spoken to.
      if (!text.endsWith('\n')) return;
      clearTimeout(timer);
      socket.removeAllListeners('data').removeAllListeners('close').pause();
      resolve({ socket, line: text });
    });
  });
}

function parseHello(
  line: string,
): { readonly protocol: number; readonly worker: number } | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null) return undefined;
    const { protocol, worker } = { protocol: undefined, worker: undefined, ...value };
    if (typeof protocol !== 'number' || typeof worker !== 'number') return undefined;
    return { protocol, worker };
  } catch {
    return undefined;
  }
}
