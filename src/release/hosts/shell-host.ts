// A host that is asked by shell scripts: one behind ssh. What it takes is a POSIX shell (dash, busybox, bash),
// Linux's /proc and the usual small programs. Nothing of a command or of its environment is in a list of
// processes but what the command itself shows there.
//
// Relative paths start in the home of its user.

import { randomBytes } from 'node:crypto';
import { SluiceError } from '../../base/errors.ts';
import { type Address, isLoopback } from '../../base/units.ts';
import { type HostClaim, notTakenOver, takenOver, underClaim } from './claim.ts';
import type {
  Command,
  CommandEnd,
  FileFacts,
  FolderEntry,
  Host,
  HostProcess,
  Keep,
  Keepers,
  ListeningSockets,
  ProcessName,
  SignalName,
  Spawned,
} from './host.ts';
import { FACTS, type HostFacts, readFacts } from './shell/facts.ts';
import {
  ASK_KEEPER,
  keeperScript,
  keptSpawnScript,
  readKeeper,
  TELL_KEEPER,
} from './shell/keeper.ts';
import { existsWords, notRefused, programOf } from './shell/program.ts';
import { exports, q, withArguments } from './shell/quote.ts';
import * as scripts from './shell/scripts.ts';
import { SessionCut, type ShellEnd } from './shell/session.ts';
import { socketsIn } from './sockets.ts';

/** The way to the shells of a host. */
export interface Shell {
  /** Of the host, for messages: `host "app-1" (deploy@10.0.0.11)`. */
  readonly name: string;
  /** Of a script that may run twice: it is asked again after a cut. @throws host_unreachable */
  ask(script: string): Promise<ShellEnd>;
  /**
   * At most once, in a shell of its own that ends with it.
   * @throws SessionCut when nobody knows what became of it; host_unreachable when it did not begin;
   *   what the stream of stdin failed with
   */
  once(
    script: string,
    options: { readonly timeoutMs: number; readonly stdin?: Command['stdin'] },
  ): Promise<ShellEnd>;
  close(): Promise<void>;
}

const SPAWN_TIMEOUT_MS = 30_000;
/** How long after its time a command may take to be reported as ended. */
const GRACE_MS = 15_000;
/** How long the answer that a process lives is good for. */
const ALIVE_FOR_MS = 100;
const COMMAND_LENGTH_MAX = 120;
const TRIES = 3;
/** The variable by which the processes of an instance are known: a keeper looks for them, too. */
const KEPT_BY = 'SLUICE_INSTANCE';
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class ShellHost implements Host {
  readonly isLocal = false;
  readonly #shell: Shell;
  #facts: HostFacts | undefined;

  constructor(shell: Shell) {
    this.#shell = shell;
  }

  get name(): string {
    return this.#shell.name;
  }

  get environment(): Readonly<Record<string, string>> {
    return this.#facts?.environment ?? {};
  }

  get user(): string {
    return this.#facts?.user ?? '';
  }

  async connect(): Promise<void> {
    if (this.#facts !== undefined) return;
    const facts = readFacts((await this.#shell.ask(FACTS)).stdout.toString());
    if (facts.problem !== '')
      throw new SluiceError('preflight_failed', `${this.name} ${facts.problem}`);
    this.#facts = facts;
  }

  close(): Promise<void> {
    this.#facts = undefined;
    return this.#shell.close();
  }

  async run(command: Command, timeoutMs: number): Promise<CommandEnd> {
    const { stdin, claim } = command;
    const inner = scripts.runScript({
      ...bodyOf(command),
      seconds: timeoutMs / 1000,
      readsStdin: stdin !== undefined,
      end: mark(),
    });
    const text = `${underClaim(claim)}${scripts.EXISTS}${inner}`;
    const script = withArguments(text, existsWords(command));
    const options = { timeoutMs: timeoutMs + GRACE_MS, ...(stdin === undefined ? {} : { stdin }) };
    try {
      const end = this.#ours(claim, await this.#shell.once(script, options));
      const { code, stdout, stderr } = notRefused(command, end);
      // Of a signal the shell says 128 and its number.
      const isSignal = code > 128 && code < 160;
      return { code: isSignal ? null : code, stdout: stdout.toString(), stderr };
    } catch (error) {
      if (!(error instanceof SessionCut)) throw error;
      throw this.#cut(`while "${command.file}" ran, and whether it ended is not known`, error);
    }
  }

  /** Never twice: a start of which nobody knows is looked for before it is tried again. */
  async spawn(command: Command, log: string, keep?: Keep): Promise<Spawned> {
    const { claim } = command;
    for (let tries = 1; ; tries += 1) {
      const ticket = mark();
      const text = `${scripts.EXISTS}${this.#start(command, { log, ticket, keep })}`;
      const start = `${underClaim(claim)}${text}`;
      const ready = await this.#ask(scripts.TICKET, [log, ticket], claim);
      if (ready.code !== 0) throw await this.#storage(log, ready.stderr);
      const words = [...existsWords(command), log, ticket];
      let line: string;
      try {
        const script = withArguments(start, words);
        const given = await this.#shell.once(script, { timeoutMs: SPAWN_TIMEOUT_MS });
        const end = notRefused(command, this.#ours(claim, given));
        if (end.code !== 0) throw await this.#storage(log, end.stderr);
        line = end.stdout.toString();
      } catch (error) {
        if (!(error instanceof SessionCut)) throw error;
        const known = await this.#ask(scripts.OUTCOME, [log, ticket]);
        const [word, own, ...rest] = known.stdout.toString().split(' ');
        line = word === 'done' && own === ticket ? rest.join(' ') : '';
        if (line === '' && tries < TRIES) continue;
        if (line === '') throw this.#cut(`each time "${command.file}" was to be started`, error);
      }
      const [pid = '', identity = ''] = line.trim().split(' ');
      return this.#spawned({ pid: Number(pid), identity });
    }
  }

  #start(
    command: Command,
    { log, ticket, keep }: { log: string; ticket: string; keep: Keep | undefined },
  ): string {
    const first = bodyOf(command);
    if (keep === undefined) {
      return scripts.spawnScript(scripts.daemonScript(first, q(log)), mark());
    }
    const { again, delayS = 1 } = keep;
    const path = this.environment['PATH'] || DEFAULT_PATH;
    const options = { first, again: bodyOf(again), log, ticket, path, delayS, end: mark() };
    const keptMark = `${KEPT_BY}=${command.env[KEPT_BY] ?? ''}`;
    return keptSpawnScript(keeperScript({ ...options, mark: keptMark }), mark());
  }

  readonly keepers: Keepers = {
    ask: async (log) => {
      const { code, stdout } = await this.#ask(ASK_KEEPER, [log]);
      return code === 0 ? readKeeper(stdout.toString()) : null;
    },
    tell: async (log, order, { fence = 0, holdS = 0 } = {}) => {
      const words = [log, order, String(fence), String(Math.ceil(holdS))];
      const { code, stdout, stderr } = await this.#ask(TELL_KEEPER, words);
      if (code === 75) throw takenOver(this.name, fence, stdout.toString());
      if (code !== 0) throw await this.#storage(log, stderr);
    },
  };

  async look(path: string): Promise<FileFacts | null> {
    const { code, stdout } = await this.#ask(scripts.LOOK, [path]);
    if (code !== 0) return null;
    const [, kind = '', x, size, realPath = ''] =
      /^(\w+) (.) (\d*) ([\s\S]*)\n$/.exec(stdout.toString()) ?? [];
    return { kind: kindOf(kind), isExecutable: x === 'x', realPath, size: Number(size) };
  }

  async stamps(paths: readonly string[]): Promise<readonly string[]> {
    const asked = paths.filter((path) => path !== '' && !path.includes('\n'));
    if (asked.length === 0) return paths.map(() => '');
    const lines = (await this.#ask(scripts.STAMPS, asked)).stdout.toString().split('\n');
    const known = new Map<string, string>();
    for (const line of lines) {
      const [kind, file = '', content = '', ...path] = line.split('|');
      // A folder is the same while it is the same folder, a file while nobody wrote to it.
      known.set(path.join('|'), kind === 'directory' ? file : `${file}${content}`);
    }
    return paths.map((path) => known.get(path) ?? '');
  }

  async list(folder: string): Promise<readonly FolderEntry[]> {
    const entries = (await this.#ask(scripts.LIST, [folder])).stdout.toString().split('\0');
    return entries.filter(Boolean).map((entry) => {
      const [kind = ''] = entry.split(' ', 1);
      return { name: entry.slice(kind.length + 1), kind: kind === 'link' ? kind : kindOf(kind) };
    });
  }

  async read(path: string, from: number, most: number): Promise<Buffer | null> {
    const { code, stdout } = await this.#ask(scripts.READ, [path, String(from), String(most)]);
    return code === 0 ? stdout : null;
  }

  async put(path: string, content: string, claim?: HostClaim): Promise<void> {
    const { code, stderr } = await this.#ask(scripts.PUT, [path, content], claim);
    if (code !== 0) throw await this.#storage(path, stderr);
  }

  async rename(from: string, to: string): Promise<void> {
    const { code, stderr } = await this.#ask(scripts.RENAME, [from, to]);
    if (code !== 0) throw await this.#storage(from, stderr);
  }

  async makeFolder(path: string): Promise<void> {
    const { code, stderr } = await this.#ask(scripts.MAKE_FOLDER, [path]);
    if (code !== 0) throw await this.#storage(path, stderr);
  }

  async claim(folder: string, fence: number): Promise<void> {
    const end = await this.#ask(scripts.CLAIM, [folder, String(fence)]);
    const { code, stderr } = notTakenOver(this.name, fence, end);
    if (code !== 0) throw await this.#storage(folder, stderr);
  }

  async isAlive({ pid, identity }: ProcessName): Promise<boolean> {
    return (await this.#ask(scripts.ALIVE, [String(pid), identity])).code === 0;
  }

  async signal(
    { pid, identity }: ProcessName,
    name: SignalName,
    claim?: HostClaim,
  ): Promise<boolean> {
    return (await this.#ask(scripts.SIGNAL, [String(pid), identity, name], claim)).code === 0;
  }

  async processes(variable: string): Promise<readonly HostProcess[]> {
    const text = (await this.#ask(scripts.PROCESSES, [variable])).stdout.toString();
    const at = text.indexOf('\n\n');
    const boot = text.slice(0, text.indexOf('\n'));
    const found = text.slice(at).matchAll(/^\/proc\/(\d+)\/environ (.*)$/gm);
    const values = new Map([...found].map(([, pid, value = '']) => [Number(pid), value]));
    const stats = text.slice(0, at).matchAll(/^(\d+) \([\s\S]*?\) ([A-Za-z]) (-?\d[-\d ]*)$/gm);
    return [...stats].flatMap(([, number, state = '', rest = '']) => {
      if (state === 'Z' || state === 'X') return [];
      const columns = rest.split(' ');
      const [parent, , session] = columns;
      const pid = Number(number);
      const name = { pid, identity: `${boot}/${columns[18]}` };
      const value = values.get(pid) ?? '';
      return [{ ...name, parent: Number(parent), session: Number(session), value }];
    });
  }

  async variableOf(pid: number, name: string): Promise<string> {
    const { stdout } = await this.#ask(scripts.VARIABLE, [String(pid), name]);
    return stdout.toString().replace(/\n$/, '');
  }

  async commandOf(pid: number): Promise<string> {
    const text = (await this.#ask(scripts.COMMAND, [String(pid)])).stdout.toString().trim();
    return text.length > COMMAND_LENGTH_MAX ? `${text.slice(0, COMMAND_LENGTH_MAX - 1)}…` : text;
  }

  async ownerOf(pid: number): Promise<string> {
    return (await this.#ask(scripts.OWNER, [String(pid)])).stdout.toString().trim();
  }

  async userName(uid: number): Promise<string> {
    return (await this.#ask(scripts.USER_NAME, [String(uid)])).stdout.toString().trim();
  }

  async sockets(address: Address): Promise<ListeningSockets> {
    await this.connect();
    const text = (await this.#ask(scripts.SOCKETS, [])).stdout.toString();
    // An address that is translated on the way is none of the host's own.
    const isOwn = this.#facts?.addresses.has(address.host) === true || isLoopback(address.host);
    return socketsIn(text, isOwn ? address : { ...address, host: 'any' });
  }

  async holderOf(
    sockets: ListeningSockets,
    among?: readonly number[],
  ): Promise<number | undefined> {
    if (sockets.size === 0 || among?.length === 0) return undefined;
    const folders = (among ?? []).map((pid) => `/proc/${pid}/fd`);
    const words = [[...sockets.keys()].join(' '), ...folders];
    const text = (await this.#ask(scripts.HOLDERS, words)).stdout.toString();
    const holders = new Set(text.split('\n').filter(Boolean).map(Number));
    const inOrder = among ?? [...holders].sort((a, b) => a - b);
    return inOrder.find((pid) => holders.has(pid));
  }

  /** Seen on the host: between it and us may be a filter. */
  async isListening(address: Address): Promise<boolean> {
    return (await this.sockets(address)).size > 0;
  }

  async #ask(script: string, words: readonly string[], claim?: HostClaim): Promise<ShellEnd> {
    const text = withArguments(`exec </dev/null\n${underClaim(claim)}${script}`, words);
    return this.#ours(claim, await this.#shell.ask(text));
  }

  /** @throws locked */
  #ours(claim: HostClaim | undefined, end: ShellEnd): ShellEnd {
    return notTakenOver(this.name, claim?.fence, end);
  }

  /** Some shells say of a full disk that there was an error, and no more. */
  async #storage(file: string, said: string): Promise<SluiceError> {
    const free = (await this.#ask(scripts.FREE, [file])).stdout.toString().trim();
    return storage(file, free === '0' ? 'No space left on device' : said);
  }

  #spawned(process: ProcessName): Spawned {
    let isOver = false;
    let seenMs = Number.NEGATIVE_INFINITY;
    const ended = async (): Promise<string> => {
      if (!isOver && performance.now() - seenMs > ALIVE_FOR_MS) {
        isOver = !(await this.isAlive(process));
        seenMs = performance.now();
      }
      return isOver ? 'ended' : '';
    };
    return { process, ended };
  }

  #cut(when: string, cause: SessionCut): SluiceError {
    const message = `${this.name}: ${cause.message} ${when}`;
    return new SluiceError('host_unreachable', message, { cause });
  }
}

function bodyOf(command: Command): scripts.Body {
  return { exports: exports(command.env), cwd: q(command.cwd), program: programOf(command) };
}

function mark(): string {
  return randomBytes(9).toString('hex');
}

function kindOf(word: string): FileFacts['kind'] {
  return word === 'file' || word === 'folder' ? word : 'other';
}

function storage(file: string, said: string): SluiceError {
  const isFull = /no space left|quota exceeded/i.test(said);
  const why = said.trim().split('\n').at(-1) ?? '';
  const remedy = isFull ? 'free some space there' : 'see the run_dir of the service';
  return new SluiceError(
    isFull ? 'storage_full' : 'storage_failed',
    `${file}: cannot be written on its host (${why === '' ? 'it does not say why' : why}); ${remedy}`,
  );
}
