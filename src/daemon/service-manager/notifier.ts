// Tells the service manager (systemd's sd_notify protocol) one thing after the other. Node has no datagram sockets of
// the unix kind, so the system's own program sends them. Nobody waits for it, and what fails is said once.
//
// **Source:** sd_notify(3), systemd-notify(1).

import { spawn } from 'node:child_process';
import type { Log } from '../../base/log.ts';

const PROGRAM = 'systemd-notify';
/** It also waits until the manager has read the message, ms. */
const TOLD_MS = 5000;
/** Each reload is two. */
const WAITING_MAX = 32;

export class Notifier {
  readonly #socket: string;
  readonly #log: Log;
  readonly #waiting: (readonly string[])[] = [];
  #isTelling = false;
  #hasFailed = false;

  constructor(socket: string, log: Log) {
    this.#socket = socket;
    this.#log = log;
  }

  /** Nothing is under way. */
  get isIdle(): boolean {
    return !this.#isTelling;
  }

  /** Assignments as `READY=1`, sent together and after those before. */
  tell(...assignments: readonly string[]): void {
    if (this.#waiting.length >= WAITING_MAX) this.#waiting.shift();
    this.#waiting.push(assignments);
    this.#next();
  }

  #next(): void {
    if (this.#isTelling) return;
    const assignments = this.#waiting.shift();
    if (assignments === undefined) return;
    this.#isTelling = true;
    const child = spawn(PROGRAM, assignments, {
      env: { ...process.env, NOTIFY_SOCKET: this.#socket },
      stdio: 'ignore',
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), TOLD_MS).unref();
    let isOver = false;
    const over = (trouble: string): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      this.#isTelling = false;
      if (trouble !== '') this.#failed(trouble);
      this.#next();
    };
    child.once('error', ({ message }) => over(message));
    child.once('exit', (code, signal) => over(code === 0 ? '' : (signal ?? `exit code ${code}`)));
    // The end of this process does not wait for it; what it was told it sends all the same.
    child.unref();
  }

  #failed(error: string): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#log.warn(
      { program: PROGRAM, error },
      'the service manager (NOTIFY_SOCKET) cannot be told',
    );
  }
}
