// `sluice doctor`: is everything there that a release of a service needs?

import type { Command } from 'commander';
import { exitCode } from '../../base/errors.ts';
import type { Finding } from '../../release.ts';
import { configOf, controlOf, type GlobalOptions } from '../client/target.ts';
import { paint, print, printJson, table, visible, widthOf } from '../output.ts';
import { serviceOf } from './service.ts';

export function defineDoctor(verb: Command): void {
  verb
    .summary('check the hosts and gateways of a service')
    .description('Check what a release of a service needs: its hosts and every gateway.')
    .argument('<service>', 'a service of the configuration')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      `
Of each host: the way there by ssh, user, clock, free disk, programs, and who
has the ports of the instances, and whether they are started again when they
end. Of the gateways: whether they answer, which are
silent, their versions. Each line is ok, warn or fail, with what to do.

Changes nothing, but removes what uploads have left that were cut off an hour
ago.

Exits 3 when something fails, which would end a release before its first step.

Example:
  $ sluice doctor app`,
    )
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { closeHosts, examine } = await import('../../release.ts');
      const service = serviceOf(await configOf(options), name);
      const control = await controlOf(options);
      const findings = await examine(service, control).finally(() => closeHosts(service));
      if (options.json === true) printJson(findings);
      else print(findingsText(findings, widthOf(process.stdout)));
      if (findings.some(({ state }) => state === 'fail')) {
        process.exitCode = exitCode('preflight_failed');
      }
    });
}

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

function findingsText(findings: readonly Finding[], width: number): string {
  const rows = findings.map(({ of, what, state, text }) => [state, of, what, visible(text)]);
  const lines = table(rows, width);
  return findings
    .flatMap(({ state, advice }, index) => {
      const line = (lines[index] ?? '').replace(state, paint(COLOURS[state], state));
      return advice === '' ? [line] : [line, `      -> ${visible(advice)}`];
    })
    .join('\n');
}
