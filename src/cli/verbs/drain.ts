// `sluice drain|maint|undrain`: what an operator wants of one server. Drain and maint wait until
// every worker has acknowledged and nothing is in flight: exit code 0 means idle on this gateway.

import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AdminRequest, Control, DrainDocument } from '../../admin.ts';
import { SluiceError } from '../../base/errors.ts';
import { idleMeaning, isShared, notAsked } from '../../base/scope.ts';
import { formatDuration, parseDuration } from '../../base/units.ts';
import { assertServer, controlOf, type GlobalOptions } from '../client/target.ts';
import { paint, print, printJson, warn } from '../output.ts';

const WAIT_MS = 30_000;
/** How long undrain waits for the workers' acknowledgement. */
const ACKNOWLEDGE_MS = 5_000;

type OutOptions = GlobalOptions & {
  readonly message?: string;
  /** Milliseconds; false with --no-wait. */
  readonly wait: number | false;
  readonly keep?: number;
};

export function addDrain(program: Command): void {
  addOut(program, 'drain', 'take a server out; what is in flight finishes')
    .addHelpText(
      'after',
      `
Exits 0 when nothing is in flight on this gateway any more, so that the next
command may stop the server; 1 when requests are still in flight after --wait.
Other gateways that follow the same registry (a Consul, or an embedded registry
beyond loopback) are not asked: drain the server on each of them.

Examples:
  $ sluice drain app 127.0.0.1:9001 -m "kernel update" && systemctl stop app
  $ sluice drain app 127.0.0.1:9001 --wait 2m --keep 1`,
    )
    .action((upstream: string, server: string, _: unknown, command: Command) =>
      takeOut('drain', upstream, server, command.optsWithGlobals<OutOptions>()),
    );
  addOut(program, 'maint', 'like drain, and stop its health checks too')
    .addHelpText('after', '\nExample:\n  $ sluice maint app 127.0.0.1:9001 -m "disk replaced"')
    .action((upstream: string, server: string, _: unknown, command: Command) =>
      takeOut('maint', upstream, server, command.optsWithGlobals<OutOptions>()),
    );
  program
    .command('undrain')
    .summary('put a server back after drain or maint')
    .description('Put a server back after drain or maint.')
    .argument('<upstream>')
    .argument('<server>', 'host:port')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ sluice undrain app 127.0.0.1:9001')
    .action((upstream: string, server: string, _: unknown, command: Command) =>
      putBack(upstream, server, command.optsWithGlobals<GlobalOptions>()),
    );
}

function addOut(program: Command, verb: string, about: string): Command {
  const command = program.command(verb);
  // Both set one option, so the last would win without a word.
  const given = new Set<string>();
  for (const name of ['wait', 'no-wait']) command.on(`option:${name}`, () => given.add(name));
  command.hook('preAction', () => {
    if (given.size < 2) return;
    const message = `--wait and --no-wait exclude each other; see "sluice ${verb} --help"`;
    throw new SluiceError('usage', message);
  });
  return command
    .summary(about)
    .description(`${about.charAt(0).toUpperCase()}${about.slice(1)}.`)
    .argument('<upstream>')
    .argument('<server>', 'host:port')
    .option('-m, --message <reason>', 'why; shown by status')
    .addOption(
      new Option('--wait <duration>', 'wait until nothing is in flight')
        .argParser(parseWait)
        .default(WAIT_MS, '30s'),
    )
    .option('--no-wait', 'do not wait')
    .option('--keep <n>', 'refuse if fewer than this many others stay eligible', parseCount)
    .option('--json', 'print the result as JSON');
}

async function takeOut(
  state: 'drain' | 'maint',
  upstream: string,
  server: string,
  options: OutOptions,
): Promise<void> {
  const control = await controlOf(options);
  await assertServer(control, upstream, server, state);
  const request: AdminRequest = {
    state,
    owner: operator(),
    reason: options.message ?? '',
    ...(options.keep === undefined ? {} : { keepEligible: options.keep }),
  };
  const startedAt = performance.now();
  let drain = await control.setAdmin(upstream, server, request);
  if (options.json !== true) print(`${server} of ${upstream}: ${progress(drain)}`);
  if (options.wait !== false && !drain.idle) {
    drain = await control.awaitIdle(upstream, server, options.wait);
  }
  if (options.json === true) printJson(drain);
  if (options.wait !== false && !drain.idle) throw notIdle(drain, upstream, options.wait);
  if (options.json === true) return;
  if (drain.idle) {
    const took = formatDuration(performance.now() - startedAt);
    print(
      `${server} of ${upstream}: ${paint('green', 'idle')} after ${took}, ${idleMeaning(drain.scope)}`,
    );
  } else if (isShared(drain.scope)) {
    print(`${server} of ${upstream}: ${notAsked(drain.scope)}`);
  }
  await warnWhenEmpty(control, upstream);
}

async function putBack(upstream: string, server: string, options: GlobalOptions): Promise<void> {
  const control = await controlOf(options);
  await assertServer(control, upstream, server, 'undrain');
  const request: AdminRequest = { state: 'ready', owner: operator(), reason: '' };
  let drain = await control.setAdmin(upstream, server, request);
  // The wait ends at once when the server is idle; what counts here is the acknowledgement.
  if (!drain.acknowledged) drain = await control.awaitIdle(upstream, server, ACKNOWLEDGE_MS);
  if (options.json === true) printJson(drain);
  if (drain.admin.state !== 'ready') {
    const remedy =
      drain.admin.owner === 'kv'
        ? `its registry record says down; sluice kv put the record of ${server} with "down":0`
        : drain.admin.owner === 'config'
          ? 'the config file says "down: on"; remove it there and restart'
          : `${drain.admin.owner} holds it`;
    throw new SluiceError(
      'conflict',
      `${server} of ${upstream}: still ${drain.admin.state}; ${remedy}`,
    );
  }
  if (options.json === true) return;
  const eligible =
    drain.eligibility === 'ok'
      ? 'takes traffic'
      : `not eligible yet (${drain.eligibility}); see "sluice status ${upstream}"`;
  const others = isShared(drain.scope) ? `; ${notAsked(drain.scope)}` : '';
  const acknowledged = drain.acknowledged ? 'acknowledged' : 'not yet acknowledged';
  print(
    `${server} of ${upstream}: ready, generation ${drain.generation} ${acknowledged}, ${eligible}${others}`,
  );
}

function progress(drain: DrainDocument): string {
  const acknowledged = drain.acknowledged
    ? 'acknowledged by every worker'
    : 'not yet acknowledged by every worker';
  return `${drain.admin.state}, generation ${drain.generation} ${acknowledged}, ${inFlightText(drain)}`;
}

function inFlightText({ inFlight, tunnels }: DrainDocument, still = ''): string {
  const text = `${inFlight} ${still}in flight`;
  if (tunnels === 0) return text;
  return `${text}, ${tunnels} of them open ${tunnels === 1 ? 'tunnel' : 'tunnels'}`;
}

function notIdle(drain: DrainDocument, upstream: string, waitMs: number): SluiceError {
  const what = drain.acknowledged
    ? inFlightText(drain, 'still ')
    : `generation ${drain.generation} is not acknowledged by every worker`;
  return new SluiceError(
    'timeout',
    `${drain.server} of ${upstream}: ${what} after ${formatDuration(waitMs)}; it stays in ${drain.admin.state}: wait longer with --wait, or put it back with "sluice undrain ${upstream} ${drain.server}"`,
    { details: { ...drain } },
  );
}

/** Not refused: an operator may want it. Not silent either. */
async function warnWhenEmpty(control: Control, upstream: string): Promise<void> {
  const status = await control.status();
  const found = status.upstreams.find((document) => document.name === upstream);
  if (found !== undefined && found.eligible === 0) {
    warn(`upstream "${upstream}" has no eligible server on this gateway; its requests get 503`);
  }
}

function operator(): string {
  try {
    return `user:${userInfo().username}`;
  } catch {
    // A container's user id may have no name.
    return `user:${process.env['USER'] ?? process.getuid?.() ?? 'unknown'}`;
  }
}

function parseWait(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('Write a duration with its unit, like 30s.');
  return ms;
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Write a whole number.');
  return Number(text);
}
