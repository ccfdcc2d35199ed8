// The machine that we run on.

import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, open, readdir, realpath, rename, stat } from 'node:fs/promises';
import { makeFolder, storageError, writeWhole } from '../journal/files.ts';
import { type HostClaim, notTakenOver } from './claim.ts';
import type {
  Command,
  CommandEnd,
  FileFacts,
  FolderEntry,
  Host,
  ProcessName,
  SignalName,
  Spawned,
} from './host.ts';
import {
  claimedCommand,
  endOfClaimed,
  putScript,
  signalScript,
  spawnClaimed,
} from './local-claimed.ts';
import {
  commandOf,
  identityAtStart,
  isAlive,
  ownerOf,
  processesWith,
  userOf,
  variableOf,
} from './process-table.ts';
import { withArguments } from './shell/quote.ts';
import { CLAIM } from './shell/scripts.ts';
import { holderOf, isListening, listeningSockets } from './sockets.ts';

const OUTPUT_BYTES_MAX = 64 * 1024;
/** Somebody may be at work under the claim: as long as a stop may last. */
const CLAIM_TIMEOUT_MS = 60_000;

export const localHost: Host = {
  isLocal: true,
  name: 'this machine',
  environment: process.env,
  connect: async () => {},
  close: async () => {},
  run,
  spawn: spawnDetached,
  look,
  stamps: (paths) => Promise.all(paths.map(stampOf)),
  list,
  read,
  put,
  rename: (from, to) =>
    rename(from, to).catch((error: unknown) => {
      throw storageError(from, error);
    }),
  makeFolder,
  claim,
  isAlive: async (process) => isAlive(process),
  processes: processesWith,
  variableOf,
  signal,
  commandOf,
  ownerOf,
  userName: userOf,
  sockets: listeningSockets,
  holderOf,
  isListening,
};

async function run(command: Command, timeoutMs: number): Promise<CommandEnd> {
  const { claim } = command;
  if (claim === undefined) return runPlain(command, { timeoutMs, killSignal: 'SIGKILL' });
  const claimed = { ...command, claim };
  // The shell ends what it has started.
  const options = { timeoutMs, killSignal: 'SIGTERM' } as const;
  return endOfClaimed(claimed, await runPlain(claimedCommand(claimed), options));
}

async function runPlain(
  command: Command,
  options: { readonly timeoutMs: number; readonly killSignal: NodeJS.Signals },
): Promise<CommandEnd> {
  const { file, args, name, cwd, env, stdin } = command;
  const child = spawn(file, args, {
    argv0: name ?? file,
    cwd,
    env,
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs,
    killSignal: options.killSignal,
  });
  const texts = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      texts[stream] = (texts[stream] + text).slice(0, OUTPUT_BYTES_MAX);
    });
  }
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      // Not `close`: a child of its own may hold its output open for ever.
      child.on('exit', (status) => setImmediate(() => resolve(status)));
      feed(child, stdin, reject);
    });
    return { code, ...texts };
  } finally {
    for (const stream of child.stdio) stream?.destroy();
    if (typeof stdin === 'object') stdin.destroy();
  }
}

/** Gives a command what it reads. That it does not want all of it is its own matter. */
function feed(
  child: ChildProcess,
  stdin: Command['stdin'],
  onFailure: (error: Error) => void,
): void {
  if (stdin === undefined || child.stdin === null) return;
  child.stdin.on('error', () => {}); // It ended, or has closed its stdin: its code says why.
  if (typeof stdin === 'string') {
    child.stdin.end(stdin);
    return;
  }
  stdin.on('error', (error) => {
    child.kill('SIGKILL');
    onFailure(error);
  });
  stdin.pipe(child.stdin);
}

async function spawnDetached(command: Command, logFile: string): Promise<Spawned> {
  const log = await open(logFile, 'a', 0o600).catch((error: unknown) => {
    throw storageError(logFile, error);
  });
  try {
    const { claim } = command;
    const child =
      claim === undefined
        ? await spawnPlain(command, log.fd)
        : await spawnClaimed({ ...command, claim }, log.fd);
    let ended = endOf(child);
    child.on('exit', () => {
      ended = endOf(child);
    });
    const pid = child.pid ?? 0;
    const identity = identityAtStart(pid);
    child.unref();
    return { process: { pid, identity }, ended: async () => ended };
  } finally {
    await log.close();
  }
}

async function spawnPlain(command: Command, log: number): Promise<ChildProcess> {
  const { file, args, name, cwd, env } = command;
  const child = spawn(file, args, {
    argv0: name ?? file,
    cwd,
    env,
    detached: true,
    stdio: ['ignore', log, log],
  });
  await new Promise<void>((resolve, reject) => {
    child.on('spawn', resolve);
    child.on('error', reject);
  });
  return child;
}

/** In words; '' while it runs. */
function endOf({ exitCode, signalCode }: ChildProcess): string {
  if (signalCode !== null) return `was ended by ${signalCode}`;
  return exitCode === null ? '' : `exited with code ${exitCode}`;
}

/** By the same script as on any other host: the lock is the shell's. */
async function claim(folder: string, fence: number): Promise<void> {
  const { code, stderr } = await script(withArguments(CLAIM, [folder, String(fence)]), fence);
  if (code !== 0) throw storageError(folder, new Error(stderr.trim() || 'no answer in time'));
}

async function put(path: string, content: string, held?: HostClaim): Promise<void> {
  if (held === undefined) return writeWhole(path, content);
  const { code, stderr } = await script(putScript(path, content, held), held.fence);
  if (code !== 0) throw storageError(path, new Error(stderr.trim() || 'no answer in time'));
}

async function signal(target: ProcessName, name: SignalName, held?: HostClaim): Promise<boolean> {
  if (!isAlive(target)) return false;
  if (held !== undefined) {
    return (await script(signalScript(target, name, held), held.fence)).code === 0;
  }
  try {
    process.kill(target.pid, `SIG${name}`);
    return true;
  } catch {
    return false; // Gone in the meantime, or another user's.
  }
}

/** Its values are on no list of processes. @throws locked */
async function script(text: string, fence: number): Promise<CommandEnd> {
  const env = { PATH: process.env['PATH'] ?? '' };
  const command = { file: '/bin/sh', args: ['-s'], cwd: '/', env, stdin: text };
  const options = { timeoutMs: CLAIM_TIMEOUT_MS, killSignal: 'SIGKILL' } as const;
  return notTakenOver('this machine', fence, await runPlain(command, options));
}

async function look(path: string): Promise<FileFacts | null> {
  try {
    const [found, realPath, isExecutable] = await Promise.all([
      stat(path),
      realpath(path),
      access(path, constants.X_OK).then(
        () => true,
        () => false,
      ),
    ]);
    const kind = found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';
    return { kind, isExecutable, realPath, size: found.size };
  } catch {
    return null;
  }
}

/** A folder is the same while it is the same folder, a file while nobody wrote to it. */
async function stampOf(path: string): Promise<string> {
  const found = path === '' ? null : await stat(path).catch(() => null);
  if (found === null) return '';
  const base = `${found.dev}:${found.ino}`;
  return found.isDirectory() ? base : `${base}:${found.size}:${found.mtimeMs}`;
}

async function list(folder: string): Promise<readonly FolderEntry[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.map((entry) => {
    const kind = entry.isDirectory()
      ? 'folder'
      : entry.isFile()
        ? 'file'
        : entry.isSymbolicLink()
          ? 'link'
          : 'other';
    return { name: entry.name, kind };
  });
}

async function read(path: string, from: number, most: number): Promise<Buffer | null> {
  try {
    const handle = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(most), 0, most, from);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch {
    return null;
  }
}
