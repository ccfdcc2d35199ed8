// The way to one host by the system's ssh: one connection (a master), and over it a few shells that
// are kept. The master's own first session is one of those shells, so that all ends with us: at the
// end of our pipe the shell ends, and with it ssh. Opened by the first question; opened again after it
// was cut. Nothing waits for longer than its time.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../../base/errors.ts';
import type { SshConfig } from '../../../config.ts';
import { type Request, SessionCut, type ShellEnd, ShellSession } from '../shell/session.ts';
import type { Shell } from '../shell-host.ts';
import { troubleOf } from './advice.ts';
import { Turns } from './turns.ts';

/** Logins at the same time, over all hosts. */
const CONNECTING_MAX = 8;
/** Sessions at work at the same time on one host; its sshd takes 10 (`MaxSessions`). */
const SESSIONS_MAX = 4;
/** ssh's own ConnectTimeout is 10 s; a login may take a while beyond it. */
const READY_MS = 20_000;
const ASK_MS = 20_000;
const ALIVE_S = 5;
const BYTES_MAX = 16 * 1024 * 1024;
const RUN_BYTES_MAX = 64 * 1024;
/** How long a host that was there is tried again, by all that ask it together. */
const RETRY_FOR_MS = 30_000;
const RETRY_EVERY_MS = 300;
/** Logins that a busy sshd turned away are tried again, each time after a longer and uneven pause. */
const BUSY_TRIES = 6;
const BUSY_PAUSE_MS = 200;

const connecting = new Turns(CONNECTING_MAX);

export class SshConnection implements Shell {
  readonly name: string;
  readonly #ssh: SshConfig;
  readonly #aliveS: number;
  readonly #retryForMs: number;
  readonly #turns = new Turns(SESSIONS_MAX);
  readonly #idle: ShellSession[] = [];
  readonly #all = new Set<ShellSession>();
  #master: ShellSession | undefined;
  #opening: Promise<void> | undefined;
  #wasOpen = false;
  /** Since when it is away; undefined while it is there. */
  #awaySinceMs: number | undefined;
  #isClosed = false;
  /** Of the socket that the sessions use; another one for each master. */
  #path = '';

  /**
   * A host of which nothing is heard for three times `aliveS` seconds is left, and tried again for
   * `retryForMs`.
   */
  constructor(name: string, ssh: SshConfig, aliveS = ALIVE_S, retryForMs = RETRY_FOR_MS) {
    this.#aliveS = aliveS;
    this.#retryForMs = retryForMs;
    this.name = `host "${name}" (${ssh.destination})`;
    this.#ssh = ssh;
  }

  async ask(script: string): Promise<ShellEnd> {
    const deadlineMs = performance.now() + this.#retryForMs;
    for (;;) {
      try {
        const request = { script, timeoutMs: ASK_MS, bytesMax: BYTES_MAX };
        return await this.#turns.take(() => this.#askOnce(request));
      } catch (error) {
        if (!(error instanceof SessionCut)) throw error;
        if (performance.now() > deadlineMs) throw this.#unreachable(error);
      }
      await delay(RETRY_EVERY_MS);
    }
  }

  once(script: string, options: Parameters<Shell['once']>[1]): Promise<ShellEnd> {
    return this.#turns.take(async () => {
      const session = await this.#session();
      try {
        return await session.run({ script, bytesMax: RUN_BYTES_MAX, ...options });
      } finally {
        session.finish();
      }
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#idle.length = 0;
    await Promise.all([...this.#all].map((session) => session.close()));
    this.#master = undefined;
  }

  async #askOnce(request: Request): Promise<ShellEnd> {
    await this.#open();
    const session = this.#takeIdle() ?? (await this.#session());
    const end = await session.run(request);
    this.#idle.push(session);
    return end;
  }

  #takeIdle(): ShellSession | undefined {
    for (;;) {
      const session = this.#idle.pop();
      if (session === undefined || !session.isOver) return session;
    }
  }

  /** One more over the master. @throws host_unreachable */
  async #session(): Promise<ShellSession> {
    const deadlineMs = performance.now() + this.#retryForMs;
    for (;;) {
      await this.#open();
      try {
        return await this.#start(['-o', 'ControlMaster=no']);
      } catch (error) {
        if (!(error instanceof SessionCut)) throw error;
        if (performance.now() > deadlineMs) throw this.#unreachable(error);
      }
      await delay(RETRY_EVERY_MS);
    }
  }

  /** Resolves when there is a master. @throws host_unreachable */
  async #open(): Promise<void> {
    if (this.#isClosed) {
      throw new SluiceError('host_unreachable', `${this.name}: we have left it`);
    }
    if (this.#master?.isOver === false) return;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    await this.#opening;
  }

  async #connect(): Promise<void> {
    // One clock for all questions: the last ones of a release, of what became of its instances, do not
    // wait as long again for a host that was given up.
    this.#awaySinceMs ??= performance.now();
    const deadlineMs = this.#awaySinceMs + this.#retryForMs;
    for (let tries = 1; ; tries += 1) {
      try {
        this.#path = socketPath();
        const master = await connecting.take(() => this.#start(['-o', 'ControlMaster=yes']));
        this.#master = master;
        this.#wasOpen = true;
        this.#awaySinceMs = undefined;
        this.#idle.push(master);
        return;
      } catch (error) {
        if (!(error instanceof SessionCut)) throw error;
        const { mayPass, isBusy } = troubleOf(this.#ssh, error.message, error.said);
        const again = isBusy && tries < BUSY_TRIES;
        // One that was there may come back; one that never was has a mistake in it.
        const isBack = this.#wasOpen && mayPass && performance.now() < deadlineMs;
        if (!again && !isBack) throw this.#unreachable(error);
      }
      await delay(BUSY_PAUSE_MS * tries * (0.5 + Math.random()));
    }
  }

  async #start(mode: readonly string[]): Promise<ShellSession> {
    const session = new ShellSession(['ssh', ...mode, ...this.#options(), 'sh -s']);
    this.#all.add(session);
    void session.over.then(() => this.#all.delete(session));
    await session.ready(READY_MS);
    return session;
  }

  #options(): readonly string[] {
    const { destination, port, identity, config, strict } = this.#ssh;
    return [
      ...(config === '' ? [] : ['-F', config]),
      ...(identity === '' ? [] : ['-i', identity, '-o', 'IdentitiesOnly=yes']),
      ...(port === 0 ? [] : ['-p', String(port)]),
      ...(strict === '' ? [] : ['-o', `StrictHostKeyChecking=${strict}`]),
      // Remarks of ssh about its channels would stand in the stderr of a command.
      ...['-o', 'LogLevel=ERROR'],
      ...['-o', 'BatchMode=yes', '-o', 'ConnectTimeout=10', '-o', 'ConnectionAttempts=1'],
      ...['-o', `ServerAliveInterval=${this.#aliveS}`, '-o', 'ServerAliveCountMax=3'],
      ...['-o', `ControlPath=${this.#path}`, '-o', 'ControlPersist=no'],
      ...['-o', 'ForwardAgent=no', '-o', 'ForwardX11=no', '-o', 'ClearAllForwardings=yes'],
      ...['-o', 'PermitLocalCommand=no', '-o', 'RemoteCommand=none', '-T', '--', destination],
    ];
  }

  #unreachable(cut: SessionCut): SluiceError {
    const { text } = troubleOf(this.#ssh, cut.message, cut.said);
    return new SluiceError('host_unreachable', `${this.name}: ${text}`, { cause: cut });
  }
}

let folder = '';
let sockets = 0;

/** Short, as a socket's path may have 108 bytes and ssh adds some of its own. */
function socketPath(): string {
  if (folder === '') {
    const base = [process.env['XDG_RUNTIME_DIR'] ?? '', tmpdir(), '/tmp'].find(
      (path) => path !== '' && path.length < 60,
    );
    folder = mkdtempSync(join(base ?? '/tmp', 'sluice-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  }
  sockets += 1;
  return join(folder, String(sockets));
}
