// One primary after another without a moment in which nobody listens: the old one starts the new program and waits
// until that has loaded and checked everything. Then it closes what only one can have (registry, lock, snapshot),
// gives its listening sockets and what is not on disk, and the new one opens all of it. Workers serve on meanwhile and
// are taken over as after a kill (workers/handover). What the two say to each other is below, over the IPC of parent and
// child.

import { type ChildProcess, fork } from 'node:child_process';
import type { Server as NetServer } from 'node:net';
import { messageOf, SluiceError } from '../base/errors.ts';
import type { ListeningSocket } from '../base/listening.ts';
import type { Address } from '../base/units.ts';

/** Loading takes half a second, on a busy machine many of them. */
const LOADED_MS = 60_000;
const SERVING_MS = 60_000;
/** Of the new process: it is a successor. */
const VARIABLE = 'SLUICE_SUCCESSOR';

type FromSuccessor =
  /** Configuration and files are good; nothing is open yet. */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'got' }
  | { readonly kind: 'serving' }
  | { readonly kind: 'failed'; readonly message: string };

type ToSuccessor =
  /** With the socket. */
  | { readonly kind: 'listening'; readonly name: string; readonly address: Address }
  /** The old one has closed everything. */
  | { readonly kind: 'go'; readonly state: unknown };

/** By what listens there: `admin`, `registry`. */
export type NamedSockets = ReadonlyMap<string, ListeningSocket>;

export type Inherited = {
  readonly listening: NamedSockets;
  /** What the old one knew and no file has; checked by whoever uses it. */
  readonly state: unknown;
};

export type SuccessorOptions = {
  /** The program, and its arguments. */
  readonly file: string;
  readonly argv: readonly string[];
  /** Of the service manager, which were ours. */
  readonly variables: Readonly<Record<string, string>>;
  readonly onStart: (pid: number) => void;
};

/** The new primary, as the old one sees it. */
export class Successor {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #heard = new Map<string, () => void>();
  #failure: SluiceError | undefined;
  #onFailure: () => void = () => {};

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    child.on('message', (value: unknown) => this.#receive(value));
    child.once('error', (error) => this.#fail(messageOf(error)));
    child.once('exit', (code, signal) => this.#fail(`it ended with ${signal ?? `code ${code}`}`));
  }

  /** Resolves when it has loaded. @throws what it says is wrong, timeout */
  static async start({ file, argv, variables, onStart }: SuccessorOptions): Promise<Successor> {
    const env = { ...process.env, ...variables, [VARIABLE]: '1' };
    const child = fork(file, argv, { env, stdio: 'inherit' });
    const successor = new Successor(child);
    onStart(successor.pid);
    await successor.#until('loaded', LOADED_MS);
    return successor;
  }

  async give(sockets: NamedSockets): Promise<void> {
    for (const [name, { address, handle }] of sockets) {
      const got = this.#until('got', SERVING_MS);
      this.#send({ kind: 'listening', name, address }, handle);
      await got;
    }
  }

  /** Resolves when it serves. From now on everything is its own. @throws what it says is wrong, timeout */
  async go(state: unknown): Promise<void> {
    const serving = this.#until('serving', SERVING_MS);
    this.#send({ kind: 'go', state });
    await serving;
    this.#child.removeAllListeners();
    this.#child.disconnect();
    this.#child.unref();
  }

  /** Resolves when it is gone. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }

  async #until(kind: FromSuccessor['kind'], timeoutMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#fail(`not "${kind}" within ${timeoutMs} ms`), timeoutMs);
    this.#heard.set(kind, resolve);
    this.#onFailure = () => reject(this.#failure);
    if (this.#failure !== undefined) reject(this.#failure);
    try {
      await promise;
    } catch (error) {
      await this.end();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#heard.delete(kind);
    }
  }

  #receive(value: unknown): void {
    const message = parse(value);
    if (message?.kind === 'failed') this.#fail(message.message);
    else if (message !== undefined) this.#heard.get(message.kind)?.();
  }

  #fail(why: string): void {
    this.#failure ??= new SluiceError('conflict', `upgrade: the new process ${this.pid}: ${why}`);
    this.#onFailure();
  }

  #send(message: ToSuccessor, handle?: object): void {
    // A TCP wrap can be sent, as Node itself does. Only the types do not list it.
    this.#child.send(message, handle as NetServer | undefined, {}, () => {});
  }
}

function parse(value: unknown): FromSuccessor | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined;
  const { kind } = value;
  if (kind === 'loaded' || kind === 'got' || kind === 'serving') return { kind };
  if (kind !== 'failed') return undefined;
  return { kind, message: 'message' in value ? String(value.message) : '' };
}

/** The old primary, as the new one sees it. */
export class Predecessor {
  /** Undefined: nobody is to be succeeded. */
  static find(): Predecessor | undefined {
    const isSuccessor = process.env[VARIABLE] !== undefined && process.connected;
    // Those that we start are none.
    delete process.env[VARIABLE];
    return isSuccessor ? new Predecessor() : undefined;
  }

  /** Says that everything is loaded. Resolves when the old one has closed what only one can have. */
  takeOver(): Promise<Inherited> {
    const listening = new Map<string, ListeningSocket>();
    return new Promise((resolve) => {
      process.on('message', (value: unknown, handle: unknown) => {
        if (typeof value !== 'object' || value === null || !('kind' in value)) return;
        const { kind, name, address, state } = {
          ...{ name: '', address: undefined, state: undefined },
          ...value,
        };
        if (kind === 'go') resolve({ listening, state });
        if (kind !== 'listening') return;
        const found = isAddress(address) ? address : undefined;
        if (found !== undefined && typeof handle === 'object' && handle !== null) {
          listening.set(String(name), { address: found, handle });
        }
        this.#say({ kind: 'got' });
      });
      // The old one has ended before it let go: the start goes on, because nobody else would serve.
      process.once('disconnect', () => resolve({ listening, state: undefined }));
      this.#say({ kind: 'loaded' });
    });
  }

  /** It may go. */
  serving(): void {
    process.removeAllListeners('disconnect');
    process.removeAllListeners('message');
    this.#say({ kind: 'serving' });
    process.channel?.unref();
  }

  failed(error: unknown): void {
    this.#say({ kind: 'failed', message: messageOf(error) });
  }

  #say(message: FromSuccessor): void {
    if (process.connected) process.send?.(message, undefined, {}, () => {});
  }
}

function isAddress(value: unknown): value is Address {
  if (typeof value !== 'object' || value === null || !('host' in value)) return false;
  return typeof value.host === 'string' && 'port' in value && typeof value.port === 'number';
}
