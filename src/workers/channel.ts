// How the primary and one worker reach each other: the IPC of a child that we started, or a socket to a worker that
// another primary has left behind.

import { type ChildProcess, fork } from 'node:child_process';
import type { Server as NetServer, Socket } from 'node:net';
import { messageOf } from '../base/errors.ts';
import { killProcess } from '../base/kill.ts';

export type ChannelEvents = {
  readonly onMessage: (value: unknown) => void;
  /** Something about the process failed; it may live on. */
  readonly onError: (error: string) => void;
  /** Once: the process has ended, or cannot be reached any more. */
  readonly onEnd: (how: string) => void;
};

export interface Channel {
  readonly pid: number;
  /** A handle goes with it where the channel can carry one. Nothing where the worker is gone. */
  send(message: object, handle?: object): void;
  kill(): void;
  /** The worker is there for another primary. */
  leave(): void;
}

/** In development this is TypeScript, in the published package JavaScript. */
const WORKER_FILE = new URL(
  import.meta.url.endsWith('.ts') ? './worker-process.ts' : './worker-process.js',
  import.meta.url,
);

const WORKER_FLAGS = [
  // V8 lets the young half of its heap grow to 3 × 32 MB under load and gives nothing back. 3 × 8 MB
  // holds what a worker has under way, at the same processor time per request and a third less memory. (With
  // 3 × 1 or 2 MB it is 12 MB less again, but at 256 clients requests outlive the young half: 0.9 × as many, and a p99
  // of several times as much.)
  '--max-semi-space-size=8',
  // Until the worker's first line runs, SIGUSR1 is a request to open the debugger. Where it would listen
  // there is nobody; to block the signal (--disable-sigusr1) would be for good.
  '--inspect-port=0.0.0.1',
];

/** Starts a worker. */
export function forkWorker(events: ChannelEvents): Channel {
  const child: ChildProcess = fork(WORKER_FILE, [], {
    execArgv: WORKER_FLAGS,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  child.once('exit', (code, signal) => events.onEnd(signal ?? `exit code ${code}`));
  child.on('error', (error) => {
    events.onError(error.message);
    // It did not even start, so there will be no exit.
    if (child.pid === undefined) events.onEnd(error.message);
  });
  child.on('message', (value: unknown) => events.onMessage(value));
  return {
    pid: child.pid ?? 0,
    send(message, handle) {
      if (!child.connected) return;
      // A bound TCP wrap can be sent, as Node itself does. Only the types do not list it.
      const socket = handle as NetServer | undefined;
      // An error means that the worker is about to end; `exit` follows.
      child.send(message, socket, {}, () => {});
    },
    kill: () => void child.kill('SIGKILL'),
    leave() {
      if (child.connected) child.disconnect();
      child.unref();
    },
  };
}

/** One line of JSON for each message. */
export function socketChannel(
  socket: Socket,
  pid: number,
  { onMessage, onEnd, onError }: ChannelEvents,
): Channel {
  readLines(socket, (line) => {
    try {
      onMessage(JSON.parse(line));
    } catch (error) {
      onError(messageOf(error));
    }
  });
  socket.once('close', () => onEnd('left'));
  socket.resume();
  return {
    pid,
    send: (message) => void (socket.writable && socket.write(`${JSON.stringify(message)}\n`)),
    kill() {
      killProcess(pid);
      socket.destroy();
    },
    leave: () => void socket.destroy(),
  };
}

/** From now on `onLine` gets each whole line. Bytes that make no line within 256 MB end the connection. */
export function readLines(socket: Socket, onLine: (line: string) => void): void {
  let parts: string[] = [];
  let length = 0;
  socket.setEncoding('utf8');
  socket.removeAllListeners('data');
  socket.on('data', (text: string) => {
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      parts.push(text.slice(from, end));
      const line = parts.join('');
      parts = [];
      length = 0;
      from = end + 1;
      onLine(line);
    }
    parts.push(text.slice(from));
    length += text.length - from;
    if (length > LINE_MAX) socket.destroy();
  });
  socket.on('error', () => {});
}

const LINE_MAX = 256 * 1024 * 1024;
