// `sluice plan`: what a deploy would do, from the same plan that a deploy carries out.

import type { Command } from 'commander';
import { exitCode } from '../../base/errors.ts';
import { paint, print, printJson, widthOf } from '../output.ts';
import { planText } from '../views/plan-view.ts';
import { addReleaseOptions, type ReleaseVerbOptions, releaseTarget } from './service.ts';

const EXIT_CHANGES = 20;

type PlanVerbOptions = ReleaseVerbOptions & { readonly detailedExitcode?: boolean };

export function definePlan(verb: Command): void {
  addReleaseOptions(verb)
    .summary('show what a deploy would do')
    .description('Show what a deploy would do, step by step. Changes nothing.')
    .option('--detailed-exitcode', 'exit 20 when there is something to do')
    .option('--json', 'print the plan as JSON')
    .addHelpText(
      'after',
      `
Exits 0 when a deploy would run, 3, 4 or 5 when it would be refused (preflight,
another release runs, capacity), 9 when the control plane cannot be reached.

Example:
  $ sluice plan app --version v2`,
    )
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<PlanVerbOptions>();
      const { closeHosts, masked, planRelease, secretsIn, survey } = await import(
        '../../release.ts'
      );
      const { service, control } = await releaseTarget(name, options);
      const { version, force = false, allowDowntime = false } = options;
      const found = await survey({ service, control, version, self: '' }).finally(() =>
        closeHosts(service),
      );
      const whole = planRelease(service, found, { version, force, allowDowntime });
      const plan = masked(whole, await secretsIn(found, service, version));
      if (options.json === true) printJson(plan);
      else print(planText(plan, paint, widthOf(process.stdout)));
      const [problem] = plan.problems;
      const hasChanges = plan.instances.some((instance) => instance.action === 'release');
      if (problem !== undefined) process.exitCode = exitCode(problem.code);
      else if (hasChanges && options.detailedExitcode === true) process.exitCode = EXIT_CHANGES;
    });
}
