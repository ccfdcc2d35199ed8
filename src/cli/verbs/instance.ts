// `sluice instance join|leave`: for the unit file of an instance, behind its start and before its stop.

import { hostname } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { isPartial, notHeard } from '../../base/scope.ts';
import { formatDuration, parseDuration } from '../../base/units.ts';
import { controlOf, type GlobalOptions } from '../client/target.ts';
import { print, printJson, visible, warn } from '../output.ts';

const JOIN_MS = 60_000;
const LEAVE_MS = 30_000;
const WEIGHT_MAX = 65_535;

type InstanceOptions = GlobalOptions & {
  readonly check?: string;
  readonly weight?: number;
  readonly timeout: number;
};

export function defineInstance(verb: Command): void {
  verb
    .summary('bring an instance into traffic, or take it out for good')
    .description('Bring an instance into traffic when it is healthy, or take it out for good.');
  common(verb.command('join'), JOIN_MS)
    .description('Register an instance, wait until it is healthy, and let it into traffic.')
    .option('--check <path>', 'a path of it that answers 2xx or 3xx (default: its port opens)')
    .option('--weight <n>', `1 to ${WEIGHT_MAX}`, parseWeight)
    .addHelpText(
      'after',
      `
Its record says down until it answers here and the gateways' checks pass; then
it gets its share, by slow_start. Exits 0 when every gateway sends it requests,
also when they did before, or when a person has taken it out; 1 when it is not
in after --timeout: it is registered and down then.

Example, in a unit file:
  ExecStartPost=sluice instance join app 10.0.0.7:9001 --check /ping`,
    )
    .action((upstream: string, server: string, _: unknown, command: Command) =>
      joinInstance(upstream, server, command.optsWithGlobals<InstanceOptions>()),
    );
  common(verb.command('leave'), LEAVE_MS)
    .description('Drain an instance on all gateways, wait until it is idle, and deregister it.')
    .addHelpText(
      'after',
      `
Exits 0 when nothing is in flight any more and its record is gone, also when
there was none; 1 when requests are still in flight after --timeout: it stays
drained.

Example, in a unit file:
  ExecStop=sluice instance leave app 10.0.0.7:9001 --timeout 60s`,
    )
    .action((upstream: string, server: string, _: unknown, command: Command) =>
      leaveInstance(upstream, server, command.optsWithGlobals<InstanceOptions>()),
    );
}

function common(verb: Command, timeoutMs: number): Command {
  return verb
    .argument('<upstream>')
    .argument('<server>', 'host:port, as the gateways reach it')
    .addOption(
      new Option('--timeout <duration>', 'for all of it')
        .argParser(parseTimeout)
        .default(timeoutMs, formatDuration(timeoutMs)),
    )
    .option('--json', 'print the result as JSON');
}

async function joinInstance(
  upstream: string,
  server: string,
  options: InstanceOptions,
): Promise<void> {
  const { admit, answersAt } = await import('../../instance.ts');
  const answers = answersAt(server, options.check ?? '');
  const startedMs = performance.now();
  const end = await admit({
    ...(await targetOf(upstream, server, options)),
    answers,
    ...(options.weight === undefined ? {} : { weight: options.weight }),
  });
  if (options.json === true) return printJson({ upstream, server, ...end });
  const took = formatDuration(performance.now() - startedMs);
  switch (end.kind) {
    case 'admitted':
      return print(`${server} of ${upstream}: takes traffic on all gateways after ${took}`);
    case 'was in':
      return print(`${server} of ${upstream}: takes traffic already`);
    case 'held': {
      const why = end.reason === '' ? '' : ` (${end.reason})`;
      return warn(visible(`${server} of ${upstream}: healthy, but taken out by ${end.by}${why}`));
    }
  }
}

async function leaveInstance(
  upstream: string,
  server: string,
  options: InstanceOptions,
): Promise<void> {
  const { answersAt, withdraw } = await import('../../instance.ts');
  answersAt(server, '');
  const startedMs = performance.now();
  const end = await withdraw(await targetOf(upstream, server, options));
  if (options.json === true) return printJson({ upstream, server, ...end });
  if (end.kind === 'was out') return print(`${server} of ${upstream}: is not there`);
  print(
    `${server} of ${upstream}: left after ${formatDuration(performance.now() - startedMs)}, nothing in flight`,
  );
  if (isPartial(end.scope)) warn(notHeard(end.scope));
}

async function targetOf(upstream: string, server: string, options: InstanceOptions) {
  const control = await controlOf(options);
  const owner = `instance:${hostname()}`;
  return { control, upstream, server, owner, timeoutMs: options.timeout };
}

function parseTimeout(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('Write a duration with its unit, like 60s.');
  return ms;
}

function parseWeight(text: string): number {
  const weight = Number(text);
  if (/^\d{1,5}$/.test(text) && weight >= 1 && weight <= WEIGHT_MAX) return weight;
  throw new InvalidArgumentError(`It is a whole number from 1 to ${WEIGHT_MAX}.`);
}
