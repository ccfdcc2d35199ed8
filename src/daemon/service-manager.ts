// The service manager that has started us, which is systemd: it is told when we serve, read the configuration again,
// and end, it hears that we live (watchdog), and it may have opened our sockets. Without one all of this is nothing.

import type { Log } from '../base/log.ts';
import type { ListenerConfig } from '../config.ts';
import type { SocketsById } from '../workers.ts';
import { type GivenSocket, matchGiven, openGiven } from './service-manager/given-sockets.ts';
import { Notifier } from './service-manager/notifier.ts';

/** So many signs of life within the time after which it takes us for dead. */
const SIGNS = 3;
const SIGN_EVERY_MIN_MS = 200;
const STATUS_LENGTH_MAX = 200;

export class ServiceManager {
  readonly #log: Log;
  readonly #notifier: Notifier | undefined;
  readonly #signEveryMs: number;
  readonly #variables: Readonly<Record<string, string>>;
  #given: readonly GivenSocket[];
  #signs: NodeJS.Timeout | undefined;

  /** Takes what is for us alone out of the environment, so that no process that we start takes it for its own. */
  constructor(log: Log, environment: NodeJS.ProcessEnv = process.env) {
    const take = (name: string): string => {
      const value = environment[name] ?? '';
      delete environment[name];
      return value;
    };
    this.#log = log;
    const socket = take('NOTIFY_SOCKET');
    const watchdogUs = take('WATCHDOG_USEC');
    const isWatched = [String(process.pid), ''].includes(take('WATCHDOG_PID'));
    const isGiven = take('LISTEN_PID') === String(process.pid);
    const count = Number(take('LISTEN_FDS'));
    take('LISTEN_FDNAMES');
    this.#notifier = socket === '' ? undefined : new Notifier(socket, log);
    const watchdogMs = isWatched ? Number(watchdogUs) / 1000 : 0;
    this.#signEveryMs = watchdogMs > 0 ? Math.max(watchdogMs / SIGNS, SIGN_EVERY_MIN_MS) : 0;
    this.#given = isGiven && Number.isInteger(count) ? openGiven(count, log) : [];
    this.#variables = {
      ...(socket === '' ? {} : { NOTIFY_SOCKET: socket }),
      ...(this.#signEveryMs === 0 ? {} : { WATCHDOG_USEC: watchdogUs }),
    };
  }

  /** For a process that takes our place. */
  get variables(): Readonly<Record<string, string>> {
    return this.#variables;
  }

  /** The sockets that it has opened for these listeners; once. */
  async socketsFor(listeners: readonly ListenerConfig[]): Promise<SocketsById> {
    const given = this.#given;
    this.#given = [];
    return matchGiven(given, listeners, this.#log);
  }

  /** We serve. `trouble`: why the configuration that was read last is not in force. */
  ready(trouble = ''): void {
    const status = trouble === '' ? 'serving' : `serving; configuration not taken: ${trouble}`;
    // Of a process that has taken another's place it is news.
    const main = `MAINPID=${process.pid}`;
    this.#notifier?.tell('READY=1', main, `STATUS=${oneLine(status)}`);
    if (this.#signEveryMs === 0) return;
    this.#signs ??= setInterval(() => {
      if (this.#notifier?.isIdle === true) this.#notifier.tell('WATCHDOG=1');
    }, this.#signEveryMs).unref();
  }

  /** The configuration is read again; `ready` follows. */
  reloading(): void {
    const now = process.hrtime.bigint() / 1000n;
    this.#notifier?.tell(
      'RELOADING=1',
      `MONOTONIC_USEC=${now}`,
      'STATUS=reading the configuration',
    );
  }

  stopping(): void {
    this.#notifier?.tell('STOPPING=1', 'STATUS=finishing what is in flight');
  }

  /** No more signs of life: another has taken our place, or we end. */
  close(): void {
    clearInterval(this.#signs);
    this.#signs = undefined;
  }
}

/** A line end would be another assignment. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').slice(0, STATUS_LENGTH_MAX);
}
