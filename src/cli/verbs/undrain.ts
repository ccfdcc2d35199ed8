// `sluice undrain`: puts a server back, whether drain or maint took it out, and says when it takes
// traffic again and when it does not.

import type { Command } from 'commander';
import type { AdminRequest, Control } from '../../admin.ts';
import { SluiceError } from '../../base/errors.ts';
import { givenBackMeaning, isPartial, notHeard } from '../../base/scope.ts';
import { parseOwner } from '../../model.ts';
import { operator } from '../client/operator.ts';
import { assertServer, controlOf, type GlobalOptions } from '../client/target.ts';
import { print, printJson, visible } from '../output.ts';

export function defineUndrain(verb: Command): void {
  verb
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

async function putBack(upstream: string, server: string, options: GlobalOptions): Promise<void> {
  const control = await controlOf(options);
  await assertServer(control, upstream, server, 'undrain');
  const request: AdminRequest = { state: 'ready', owner: operator(), reason: '' };
  const drain = await control.setAdmin(upstream, server, request);
  if (options.json === true) printJson(drain);
  if (drain.givenBack) {
    throw new SluiceError(
      'timeout',
      `${server} of ${upstream}: ${givenBackMeaning(drain.admin.state)}`,
    );
  }
  if (drain.admin.state !== 'ready') {
    const { kind } = parseOwner(drain.admin.owner);
    const remedy =
      kind === 'registry'
        ? await downAdvice(control, upstream, server)
        : kind === 'config'
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
  const others = isPartial(drain.scope) ? `; ${notHeard(drain.scope)}` : '';
  const acknowledged = drain.acknowledged ? 'acknowledged' : 'not yet acknowledged';
  print(
    `${server} of ${upstream}: ready, generation ${drain.generation} ${acknowledged}, ${eligible}${others}`,
  );
}

/** What lets a server in that its record says to be down. */
async function downAdvice(control: Control, upstream: string, server: string): Promise<string> {
  const { registry, registries, upstreams } = await control.status();
  const { servers = [] } = upstreams.find(({ name }) => name === upstream) ?? {};
  const own = servers.find(({ id }) => id === server)?.registry;
  const { address, recordPrefix } = registries.find(({ name }) => name === own) ?? registry;
  return recordPrefix === ''
    ? `${visible(address)} says that it is down; change it there`
    : `its registry record says down; sluice kv put ${visible(`${recordPrefix}${upstream}/${server}`)} with "down":0`;
}
