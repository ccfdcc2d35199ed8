// The sluice command as a real child process, for whole-program tests: one verb to its end, or
// `serve` until it is told to end. Everything is ended by its own pid in t.after.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

type Scope = Pick<TestContext, 'after'>;

export const COMMAND = join(import.meta.dirname, '../../../bin/sluice.js');

export type Ended = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type RunOptions = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Before the command's file: options of node. */
  readonly node?: readonly string[];
};

/** A child with pipes, out of this process's own settings; what was compiled before is no setting. */
export function start(args: readonly string[], options: RunOptions = {}): ChildProcess {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(SLUICE_|CONSUL_|NODE_(?!COMPILE_CACHE$)|NO_COLOR|FORCE_COLOR|GITHUB_|GITLAB_)/.test(name),
  );
  return spawn(process.execPath, [...(options.node ?? []), COMMAND, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { ...Object.fromEntries(inherited), ...options.env },
    stdio: 'pipe',
    // A process group of its own, so that a test can send what Ctrl-C sends.
    detached: true,
  });
}

/** One verb to its end. */
export async function sluice(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = start(args, options);
  const output = collect(child);
  // It may end before it has read everything.
  child.stdin?.on('error', () => {}).end(options.input ?? '');
  const [code, signal] = await once(child, 'close');
  return { code, signal, ...output() };
}

export type Serving = {
  readonly child: ChildProcess;
  readonly gateway: string;
  /** Options that lead a verb to this daemon. */
  readonly here: readonly string[];
  readonly control: string;
  /** host:port of the embedded one, '' for another. */
  readonly registry: string;
  readonly folder: string;
  readonly stderr: () => string;
  /** Code and signal once it has ended. */
  readonly ended: Promise<readonly [number | null, NodeJS.Signals | null]>;
};

/** `sluice serve` on free ports; `yaml` says the rest. Resolves when it says that it is ready. */
export async function serve(t: Scope, yaml: string, options: RunOptions = {}): Promise<Serving> {
  const folder = temporaryFolder(t);
  const file = join(folder, 'sluice.yaml');
  const free = '127.0.0.1:0';
  const defaults = [
    `listen: ${free}`,
    `admin: { listen: "${free}" }`,
    `registry: { embedded: { listen: "${free}" } }`,
    'log_level: warn',
  ].filter((line) => !new RegExp(`^${line.split(':')[0]}:`, 'm').test(yaml));
  writeFileSync(file, `${defaults.join('\n')}\n${yaml}`);
  const child = start(['serve', '-c', file], { cwd: folder, ...options });
  const output = collect(child);
  const ended = once(child, 'close').then(([code, signal]) => [code, signal] as const);
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  });
  const ready = Promise.withResolvers<void>();
  child.stderr?.on('data', () => {
    if (/^ {2}try /m.test(output().stderr)) ready.resolve();
  });
  void ended.then(([code]) => ready.reject(new Error(`ended with ${code}: ${output().stderr}`)));
  await ready.promise;
  const urlOf = (name: string): string => {
    const found = new RegExp(`^  ${name} +(https?://[^\\s/]+)`, 'm').exec(output().stderr)?.[1];
    if (found === undefined) throw new Error(`no ${name} in: ${output().stderr}`);
    return found;
  };
  const control = urlOf('control');
  const registry = /^ {2}registry +http/m.test(output().stderr)
    ? urlOf('registry').replace('http://', '')
    : '';
  return {
    child,
    gateway: urlOf('gateway'),
    control,
    registry,
    here: ['--control', control, ...(registry === '' ? [] : ['--registry', registry])],
    folder,
    stderr: () => output().stderr,
    ended,
  };
}

export function temporaryFolder(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function collect(child: ChildProcess): () => { stdout: string; stderr: string } {
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      texts[name] += chunk;
    });
  }
  return () => ({ ...texts });
}
