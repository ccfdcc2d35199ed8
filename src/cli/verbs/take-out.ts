// What drain and maint have in common: a server takes no new requests from now on. The verb waits until
// every worker of every live gateway has acknowledged and nothing is in flight: then the exit code is 0.

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AdminRequest, Control, DrainDocument } from '../../admin.ts';
import { SluiceError } from '../../base/errors.ts';
import { givenBackMeaning, idleMeaning, isPartial, notHeard } from '../../base/scope.ts';
import { formatDuration, parseDuration } from '../../base/units.ts';
import { operator } from '../client/operator.ts';
import { assertServer, controlOf, type GlobalOptions } from '../client/target.ts';
import { paint, print, printJson, warn } from '../output.ts';

const WAIT_MS = 30_000;

type OutOptions = GlobalOptions & {
  readonly message?: string;
  /** Milliseconds; false with --no-wait. */
  readonly wait: number | false;
  readonly keep?: number;
};

export function defineTakeOut(verb: Command, state: 'drain' | 'maint', about: string): Command {
  // Both set the same option: the last one would win silently.
  const given = new Set<string>();
  for (const name of ['wait', 'no-wait']) verb.on(`option:${name}`, () => given.add(name));
  verb.hook('preAction', () => {
    if (given.size < 2) return;
    const message = `--wait and --no-wait exclude each other; see "sluice ${state} --help"`;
    throw new SluiceError('usage', message);
  });
  return verb
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
    .option('--json', 'print the result as JSON')
    .action((upstream: string, server: string, _: unknown, command: Command) =>
      takeOut(state, upstream, server, command.optsWithGlobals<OutOptions>()),
    );
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
  if (options.wait !== false && !drain.idle) {
    throw notIdle(drain, {
      upstream,
      state,
      waitMs: options.wait,
      waitedMs: performance.now() - startedAt,
    });
  }
  if (options.json === true) return;
  if (drain.idle) {
    const took = formatDuration(performance.now() - startedAt);
    print(
      `${server} of ${upstream}: ${paint('green', 'idle')} after ${took}, ${idleMeaning(drain.scope)}`,
    );
  } else if (isPartial(drain.scope)) {
    print(`${server} of ${upstream}: ${notHeard(drain.scope)}`);
  }
  await warnWhenEmpty(control, upstream);
}

function progress(drain: DrainDocument): string {
  const acknowledged = drain.acknowledged ? 'acknowledged by all' : 'not yet acknowledged by all';
  return `${drain.admin.state}, generation ${drain.generation} ${acknowledged}, ${inFlightText(drain)}`;
}

function inFlightText({ inFlight, tunnels, streams }: DrainDocument, still = ''): string {
  const text = `${inFlight} ${still}in flight`;
  const parts = [
    tunnels > 0 ? `${tunnels} of them open ${tunnels === 1 ? 'tunnel' : 'tunnels'}` : '',
    streams > 0 ? `${streams} of them ${streams === 1 ? 'a stream' : 'streams'}` : '',
  ].filter(Boolean);
  return [text, ...parts].join(', ');
}

/** The wait ends early when somebody takes the word back. */
function notIdle(
  drain: DrainDocument,
  asked: {
    readonly upstream: string;
    readonly state: 'drain' | 'maint';
    readonly waitMs: number;
    readonly waitedMs: number;
  },
): SluiceError {
  const { server, admin } = drain;
  const { upstream, state, waitMs, waitedMs } = asked;
  const details = { details: { ...drain } };
  if (drain.givenBack) {
    const what = givenBackMeaning(admin.state);
    return new SluiceError(
      'conflict',
      `${server} of ${upstream}: somebody has given it back, ${what}`,
      details,
    );
  }
  if (admin.state !== state) {
    const by = admin.owner === '' ? '' : ` by ${admin.owner}`;
    const after = formatDuration(Math.ceil(waitedMs));
    return new SluiceError(
      'conflict',
      `${server} of ${upstream}: set to ${admin.state}${by} after ${after}, ${inFlightText(drain, 'still ')}; see "sluice status ${upstream}"`,
      details,
    );
  }
  const what = drain.acknowledged
    ? inFlightText(drain, 'still ')
    : `generation ${drain.generation} is not acknowledged by all`;
  return new SluiceError(
    'timeout',
    `${server} of ${upstream}: ${what} after ${formatDuration(waitMs)}; it stays in ${state}: wait longer with --wait, or put it back with "sluice undrain ${upstream} ${server}"`,
    details,
  );
}

/** The operator may want it, so it is not refused, but said. */
async function warnWhenEmpty(control: Control, upstream: string): Promise<void> {
  const status = await control.status();
  const found = status.upstreams.find((document) => document.name === upstream);
  if (found !== undefined && found.eligible === 0) {
    warn(`upstream "${upstream}" has no eligible server; its requests get 503`);
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
