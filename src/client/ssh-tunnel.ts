// The way to a control API on another machine's loopback: the system's ssh forwards a socket in a
// folder of ours. Opened by the first call, and again when it has ended; gone with this process, however
// that ends: a shell beside ssh waits for the end of our pipe.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../base/errors.ts';
import { type Address, formatAddress } from '../base/units.ts';

export type SshTarget = {
  /** As it was given. */
  readonly name: string;
  readonly host: string;
  /** '' = what ssh takes. */
  readonly user: string;
  readonly port: string;
  readonly to: Address;
};

const OPEN_MS = 20_000;
const LOOK_MS = 10;
const OPTIONS = [
  // Never asks: there may be nobody, and a terminal that a release draws on.
  ...['-o', 'BatchMode=yes', '-o', 'ExitOnForwardFailure=yes', '-o', 'ConnectTimeout=10'],
  ...['-o', 'ServerAliveInterval=5', '-o', 'ServerAliveCountMax=3'],
  ...['-o', 'ControlMaster=no', '-o', 'ControlPath=none', '-o', 'StreamLocalBindMask=0177'],
  ...['-o', 'ClearAllForwardings=no', '-N', '-T'],
];
/** Runs ssh, and ends it at the end of standard input; $0 is the folder. */
const SHELL =
  'exec 3<&0; ssh "$@" </dev/null & pid=$!; { cat <&3 >/dev/null; kill "$pid"; rm -rf "$0"; } 2>/dev/null & exec 3<&-; wait "$pid"';
const STDERR_MAX = 4096;

const open = new Set<SshTunnel>();
process.once('exit', () => {
  for (const tunnel of open) tunnel.close();
});

/** Those of this process; nothing keeps it alive then. */
export function closeTunnels(): void {
  for (const tunnel of open) tunnel.close();
}

export class SshTunnel {
  readonly #target: SshTarget;
  #folder = '';
  #child: ChildProcess | undefined;
  #opening: Promise<string> | undefined;
  #stderr = '';

  constructor(target: SshTarget) {
    this.#target = target;
  }

  /** The path of a socket that leads there. @throws unreachable */
  socketPath(): Promise<string> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** The last that ssh said, '' = nothing. */
  get trouble(): string {
    return this.#stderr.trim().split(/\r?\n/).at(-1)?.trim() ?? '';
  }

  close(): void {
    open.delete(this);
    this.#opening = undefined;
    // Its shell ends ssh.
    this.#child?.stdin?.destroy();
    this.#child?.stderr?.destroy();
    this.#child = undefined;
    if (this.#folder !== '') rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = '';
  }

  async #open(): Promise<string> {
    open.add(this);
    this.#stderr = '';
    this.#folder = mkdtempSync(join(tmpdir(), 'sluice-ssh-'));
    const path = join(this.#folder, 'control');
    const { host, user, port, to } = this.#target;
    const argv = [
      ...OPTIONS,
      ...(port === '' ? [] : ['-p', port]),
      ...(user === '' ? [] : ['-l', user]),
      ...['-L', `${path}:${formatAddress(to)}`, '--', host],
    ];
    const child = spawn('sh', ['-c', SHELL, this.#folder, ...argv], {
      stdio: ['pipe', 'ignore', 'pipe'],
      // Ctrl-C is for us: a release stops at a safe point, and needs the way until then.
      detached: true,
    });
    this.#child = child;
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = `${this.#stderr}${text}`.slice(-STDERR_MAX);
    });
    let isOver = false;
    const ended = once(child, 'exit').finally(() => {
      isOver = true;
      if (this.#child === child) this.close();
    });
    ended.catch(() => {});
    const deadlineMs = performance.now() + OPEN_MS;
    while (!(await isListening(path))) {
      if (isOver || performance.now() > deadlineMs) {
        // What it said may come after its end.
        if (isOver) await delay(LOOK_MS);
        const why = this.trouble === '' ? 'it did not say why' : this.trouble;
        this.close();
        throw this.#unreachable(isOver ? why : `not connected within ${OPEN_MS / 1000}s`);
      }
      await delay(LOOK_MS);
    }
    return path;
  }

  #unreachable(why: string): SluiceError {
    const { name, host, user, port } = this.#target;
    const login = user === '' ? host : `${user}@${host}`;
    const command = `ssh -o BatchMode=yes${port === '' ? '' : ` -p ${port}`} ${login} true`;
    return new SluiceError(
      'unreachable',
      `control API ${name}: ssh: ${why}; it must connect without asking, try: ${command}`,
      { details: { address: name } },
    );
  }
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
