// A `systemctl` and a `journalctl` for machines where systemd is not the first process: units of one
// folder, each a process. A unit file has the few keys that are read here: ExecStart (no specifiers but
// %i), EnvironmentFile, Restart, KillSignal, TimeoutStopSec. Every run has an InvocationID of its own.
//
//   node systemctl.ts FOLDER systemctl|journalctl words…

import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { endKept, isKept, keep, readKept } from './keeper.ts';

const [folder = '', program = '', ...given] = process.argv.slice(2);
const words = given.filter((word) => word !== '--user' && word !== '--no-block');

function unitFile(unit: string): string {
  const own = join(folder, unit);
  return existsSync(own) ? own : join(folder, unit.replace(/@.*\./, '@.'));
}

function settingsOf(unit: string): Map<string, string> | undefined {
  if (!existsSync(unitFile(unit))) return undefined;
  const [, instance = ''] = /@(.*)\.\w+$/.exec(unit) ?? [];
  const lines = readFileSync(unitFile(unit), 'utf8').replaceAll('%i', instance).split('\n');
  return new Map(
    lines.flatMap((line) => {
      const at = line.indexOf('=');
      return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const];
    }),
  );
}

/** As systemd reads it: quoted values, in which a backslash stands before a special character. */
function environmentOf(path: string): Record<string, string> {
  const text = readFileSync(path, 'utf8');
  const found = text.matchAll(/^(\w+)="((?:[^"\\]|\\[\s\S])*)"$/gm);
  return Object.fromEntries(
    [...found].map(([, name, value = '']) => [name, value.replace(/\\([\s\S])/g, '$1')]),
  );
}

function show(unit: string): void {
  const settings = settingsOf(unit);
  const kept = readKept(stateOf(unit));
  const isThere = isKept(kept);
  const isFailed =
    kept !== undefined && (kept.error !== '' || (kept.code ?? 1) !== 0) && !kept.isRunning;
  const active = isThere
    ? kept.isRunning
      ? 'active'
      : 'activating'
    : isFailed
      ? 'failed'
      : 'inactive';
  const facts: Record<string, string | number> = {
    LoadState: settings === undefined ? 'not-found' : 'loaded',
    ActiveState: active,
    SubState: active === 'active' ? 'running' : active === 'activating' ? 'auto-restart' : 'dead',
    MainPID: kept?.isRunning === true ? kept.pid : 0,
    InvocationID: kept?.run ?? '',
    ExecMainCode: kept === undefined ? 0 : kept.signal === null ? 1 : 2,
    ExecMainStatus: kept?.signal ? constants.signals[kept.signal] : (kept?.code ?? 0),
    NRestarts: kept?.restarts ?? 0,
    Restart: settings?.get('Restart') ?? 'no',
    UnitFileState: settings?.get('Fake-State') ?? 'enabled',
    ControlGroup: '',
  };
  const file = settings?.get('EnvironmentFile') ?? '';
  if (file !== '') facts['EnvironmentFiles'] = `${file} (ignore_errors=no)`;
  for (const [name, value] of Object.entries(facts)) console.log(`${name}=${value}`);
}

function stateOf(unit: string): string {
  return join(folder, `${unit}.kept`);
}

async function start(unit: string): Promise<void> {
  const settings = settingsOf(unit);
  if (settings === undefined) {
    console.error(`Failed to start ${unit}: Unit ${unit} not found.`);
    process.exit(5);
  }
  if (isKept(readKept(stateOf(unit)))) return;
  const file = settings.get('EnvironmentFile') ?? '';
  const task = {
    argv: (settings.get('ExecStart') ?? '').split(' '),
    cwd: '/',
    env: file === '' ? {} : environmentOf(file),
    restart:
      settings.get('Restart') === 'always'
        ? 'always'
        : settings.get('Restart') === 'on-failure'
          ? 'on-failure'
          : 'no',
    // The names of the system's signals, as a unit file has them.
    stopSignal: (settings.get('KillSignal') ?? 'SIGTERM') as NodeJS.Signals,
    stopTimeoutMs: Number(settings.get('TimeoutStopSec') ?? 90) * 1000,
    log: join(folder, `${unit}.log`),
  } as const;
  const kept = await keep(stateOf(unit), task);
  if (kept.error === '') return;
  console.error(`Job for ${unit} failed: ${kept.error}`);
  process.exit(1);
}

/** With --no-block it is only told. */
async function stop(name: string): Promise<void> {
  const kept = readKept(stateOf(name));
  if (!given.includes('--no-block')) await endKept(stateOf(name), 'SIGTERM');
  else if (isKept(kept)) process.kill(kept.keeper, 'SIGTERM');
}

const [verb = '', ...rest] = words;
const unit = rest.find((word) => !word.startsWith('-') && /\.service$/.test(word)) ?? '';
if (program === 'journalctl') {
  // By invocation: the log is one file, so only whose it was last is told.
  console.log(
    readFileSync(
      join(folder, `${words.find((word) => /\.service$/.test(word))}.log`),
      'utf8',
    ).trimEnd(),
  );
} else if (verb === 'show') show(unit);
else if (verb === 'start') await start(unit);
else if (verb === 'stop') await stop(unit);
else if (verb === 'kill') await endKept(stateOf(unit), 'SIGUSR2');
else if (verb !== 'reset-failed') {
  console.error(`Unknown command verb ${verb}.`);
  process.exit(1);
}
