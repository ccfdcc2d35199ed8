// Commands of the configuration at the points of a release: where each runs, what it gets, and what is
// kept of what it prints. What its failure means is decided by whoever runs it.
//
// A local one has the environment of whoever deploys, as a step of the CI job would, without the token of
// the control API. One on a host has PATH and what is said of the release, and nothing else.

import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatDuration } from '../base/units.ts';
import type { HookConfig, ServiceConfig } from '../config.ts';
import type { Host } from './hosts.ts';
import { journalFolder, storageError } from './journal/files.ts';
import { masked } from './masking.ts';
import type { Release } from './run.ts';
import { runShell } from './shell.ts';
import { pause } from './wait.ts';

/** Points of the release as a whole. */
export type ReleasePoint = 'before_release' | 'after_release' | 'on_failure';
export type HookPoint = ReleasePoint | 'before_stop' | 'after_start';

export type HookCall = {
  readonly point: HookPoint;
  readonly hook: HookConfig;
  /** Where one of `on: host` runs; null of the whole release. */
  readonly place: { readonly host: Host; readonly cwd: string } | null;
  /** Beside what all hooks get. */
  readonly variables: Readonly<Record<string, string>>;
  /** Ends it early; it has failed then. */
  readonly stop: AbortSignal;
  readonly onLine: (line: string) => void;
};

/** `trouble`: how it ended, in words; '' when it succeeded. */
export type HookEnd = { readonly trouble: string; readonly evidence: readonly string[] };

/** Of what a failed command printed. */
const LAST_LINES = 20;
const HOST_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** What says to a program on our own machine where and who it is. */
const OWN = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'TZ'];

export async function runHook(release: Release, call: HookCall): Promise<HookEnd> {
  const { point, hook, place, onLine } = call;
  const { service, id, options, secrets } = release;
  const kept: string[] = [`$ ${hook.command}   (${point})`];
  const last: string[] = [];
  const take = (raw: string): void => {
    const line = masked(raw, secrets);
    kept.push(line);
    last.push(line);
    if (last.length > LAST_LINES) last.shift();
    onLine(line);
  };
  const env = {
    SLUICE_HOOK: point,
    SLUICE_RELEASE: id,
    SLUICE_SERVICE: service.name,
    SLUICE_VERSION: options.version,
    ...call.variables,
  };
  const trouble =
    hook.on === 'host' && place !== null
      ? await runOnHost(call, place, env, take)
      : await runHere(service, call, env, { take, hard: options.interrupts.hard });
  await release.keep(() => keepOutput(service, id, masked(kept, secrets)));
  return { trouble, evidence: last.map((line) => `${point}: ${line}`) };
}

async function runHere(
  service: ServiceConfig,
  { hook, stop }: HookCall,
  own: Readonly<Record<string, string>>,
  { take, hard }: { readonly take: (line: string) => void; readonly hard: AbortSignal },
): Promise<string> {
  const late = AbortSignal.timeout(hook.timeoutMs);
  const { SLUICE_TOKEN: _, ...env } = process.env;
  const command = { command: hook.command, cwd: service.folder, env: { ...env, ...own } };
  const end = await runShell(command, take, { stop: AbortSignal.any([stop, late]), hard });
  if (end === '' || stop.aborted || !late.aborted) return end;
  return `did not end within ${formatDuration(hook.timeoutMs)}`;
}

/** What it prints comes when it is over. One that is given up early runs on there, until its time is over. */
async function runOnHost(
  { hook, stop }: HookCall,
  { host, cwd }: NonNullable<HookCall['place']>,
  own: Readonly<Record<string, string>>,
  take: (line: string) => void,
): Promise<string> {
  const base = host.isLocal ? ownVariables() : { PATH: HOST_PATH };
  const command = {
    file: '/bin/sh',
    args: ['-c', hook.command],
    cwd,
    env: { ...base, ...own },
  };
  const given = new AbortController();
  const givenUp = pause(2 ** 30, stop, given.signal).then(() => null);
  try {
    const end = await Promise.race([host.run(command, hook.timeoutMs), givenUp]);
    if (end === null) return 'was given up';
    for (const text of [end.stdout, end.stderr]) {
      for (const line of text.split('\n')) if (line !== '') take(line);
    }
    if (end.code === null) return `did not end within ${formatDuration(hook.timeoutMs)}`;
    return end.code === 0 ? '' : `exited with code ${end.code}`;
  } finally {
    given.abort();
  }
}

function ownVariables(): Record<string, string> {
  return Object.fromEntries(
    OWN.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Beside the journal, where the output of other commands of the release is. */
async function keepOutput(
  service: ServiceConfig,
  release: string,
  lines: readonly string[],
): Promise<void> {
  const file = join(journalFolder(service), `${release}.log`);
  await appendFile(file, `${lines.join('\n')}\n`, { mode: 0o600 }).catch((error: unknown) => {
    throw storageError(file, error);
  });
}
