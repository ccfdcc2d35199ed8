// `sluice deploy` as a CI job runs it, and a job that is cancelled as GitHub does it: SIGINT, 7.5 s later
// SIGTERM, 2.5 s later SIGKILL.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PROJECT } from '../../../demo/stack/gateway.ts';
import type { ReleaseEvent, ReleaseResult } from '../../../src/release.ts';
import type { ReleaseStack } from './stack.ts';

const TERM_AFTER_MS = 7500;
const KILL_AFTER_MS = 2500;
/** What a whole deploy of two instances takes on a machine on which those times are fair. */
const FAIR_DEPLOY_MS = 5000;

/** On a machine that is busy with other tests, so many times the time of GitHub. */
export function slownessOf(deployMs: number): number {
  return Math.min(6, Math.max(1, deployMs / FAIR_DEPLOY_MS));
}

export type Job = {
  readonly code: number | null;
  /** The signal that ended it; null when it ended by itself. */
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** Variables of CI systems that a job of ours must not inherit from the one that tests us. */
const CI = /^(GITHUB_|GITLAB_|CI$|CI_|SLUICE_|NO_COLOR|FORCE_COLOR)/;

/** A verb of the CLI with these variables and none of a CI system besides. */
export function startJob(
  { stack }: ReleaseStack,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { readonly child: ChildProcess; readonly ended: Promise<Job> } {
  const own = Object.entries(process.env).filter(([name]) => !CI.test(name));
  const command = [join(PROJECT, 'bin/sluice.js'), '-c', stack.configFile, ...argv];
  const child = spawn(process.execPath, command, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...Object.fromEntries(own), ...env },
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
    });
  }
  const ended = once(child, 'close').then(([code, signal]): Job => ({ code, signal, ...texts }));
  return { child, ended };
}

/** Deploys with events as JSON, and cancels the job when one is `at`. The result is null when none came. */
export async function cancelledDeploy(
  it: ReleaseStack,
  version: string,
  slowness: number,
  at: (event: ReleaseEvent) => boolean,
): Promise<{
  readonly job: Job;
  readonly release: string;
  readonly result: ReleaseResult | null;
}> {
  const { child, ended } = startJob(it, ['deploy', 'app', '--version', version, '--json']);
  const timers: NodeJS.Timeout[] = [];
  let release = '';
  let result: ReleaseResult | null = null;
  if (child.stdout === null) throw new Error('no output to read');
  createInterface(child.stdout).on('line', (line) => {
    // The events of our own program, of the same version: taken as they are.
    const event = JSON.parse(line) as ReleaseEvent;
    release = event.release;
    if (event.type === 'result') result = event.result;
    if (timers.length > 0 || !at(event)) return;
    child.kill('SIGINT');
    timers.push(setTimeout(() => child.kill('SIGTERM'), TERM_AFTER_MS * slowness));
    timers.push(
      setTimeout(() => child.kill('SIGKILL'), (TERM_AFTER_MS + KILL_AFTER_MS) * slowness),
    );
  });
  const job = await ended;
  for (const timer of timers) clearTimeout(timer);
  return { job, release, result };
}
