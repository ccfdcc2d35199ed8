// `sluice pause`, `sluice approve` and `sluice abort`: what a release that runs is told, wherever it runs.

import type { Command } from 'commander';
import type { CommandKind } from '../../../admin/contract.ts';
import { SluiceError } from '../../../base/errors.ts';
import { controlOf, type GlobalOptions } from '../../client/target.ts';
import { print, printJson } from '../../output.ts';
import { tellRunner } from './tell.ts';

type Options = GlobalOptions & { readonly message?: string; readonly now?: boolean };

export function definePause(verb: Command): void {
  verb
    .summary('pause a release before its next instance')
    .description('Pause a release before its next instance, wherever it runs.')
    .argument('<service>')
    .option('-m, --message <why>', 'why; the release says it')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ sluice pause app -m "looking at the errors"')
    .action((name: string, _: unknown, command: Command) =>
      tell(name, 'pause', command, `goes on with: sluice resume ${name}`),
    );
}

export function defineApprove(verb: Command): void {
  verb
    .summary('let a release go on that waits for an approval')
    .description('Let a release go on that waits for an approval, wherever it runs.')
    .argument('<service>')
    .argument('[release]', 'r42: that one and no other; default: the one that runs')
    .option('-m, --message <why>', 'why; kept in the history')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Where a release waits is "approve" of the service. "sluice history" says that
it waits; "sluice abort" refuses it. Exit 1 when it does not wait.

Example:
  $ sluice approve app r42 -m "looked at the first instance"`,
    )
    .action((name: string, release: string | undefined, _: unknown, command: Command) =>
      tell(name, 'approve', command, `see: sluice show ${name}`, release),
    );
}

export function defineAbort(verb: Command): void {
  verb
    .summary('end a release at the next safe point')
    .description('End a release at the next safe point, wherever it runs (its exit code is 1).')
    .argument('<service>')
    .option('--now', 'do not wait for the check under way: bring that instance back at once')
    .option('-m, --message <why>', 'why; kept in the history')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  $ sluice abort app --now -m "wrong version"')
    .action((name: string, _: unknown, command: Command) => {
      const { now = false } = command.optsWithGlobals<Options>();
      const kind = now ? 'abort_now' : 'abort';
      return tell(name, kind, command, `see: sluice show ${name}`);
    });
}

async function tell(name: string, kind: CommandKind, command: Command, next: string, only = '') {
  const options = command.optsWithGlobals<Options>();
  const control = await controlOf(options);
  const { message: why = '' } = options;
  const asked = { command: kind, why, release: only };
  const { release, runner, isAlive } = await tellRunner(control, name, asked);
  if (!isAlive) {
    const what = `release ${release} has no runner any more (${runner} gave no sign of life), so nobody obeys`;
    const advice = `go on with: sluice resume ${name}, or deploy again`;
    throw new SluiceError('conflict', `service "${name}": ${what}; ${advice}`);
  }
  if (options.json === true) printJson({ service: name, release, command: kind });
  else if (kind === 'approve') print(`release ${release} of ${name}: approved; ${next}`);
  else print(`release ${release} of ${name}: told to ${kind.replace('_', ' ')}; ${next}`);
}
