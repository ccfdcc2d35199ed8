// `sluice plan`: what a deploy would do, from the same plan that a deploy carries out.

import type { Command } from 'commander';
import { exitCode, SluiceError } from '../../base/errors.ts';
import type { ServiceConfig } from '../../config.ts';
import { paint, print, printJson, widthOf } from '../output.ts';
import { rollbackRun } from './releases/rollback-run.ts';
import {
  addReleaseOptions,
  type ReleaseTarget,
  type ReleaseVerbOptions,
  releaseTarget,
} from './service.ts';

const EXIT_CHANGES = 20;

type PlanVerbOptions = ReleaseVerbOptions & {
  readonly detailedExitcode?: boolean;
  readonly rollback?: boolean;
};

export function definePlan(verb: Command): void {
  addReleaseOptions(verb)
    .summary('show what a deploy would do')
    .description('Show what a deploy would do, step by step. Changes nothing.')
    .option('--rollback', 'what a rollback would do; --version is its --to')
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
      const { force = false, allowDowntime = false, rollback: isRollback = false } = options;
      if (isRollback && (force || options.artifact !== undefined)) {
        throw new SluiceError('usage', '--rollback: --force and --artifact mean nothing to it');
      }
      const kind = isRollback ? 'rollback' : 'deploy';
      const { service, version, control, isBuilt } = await (isRollback
        ? wayBack(name, options)
        : wayOn(name, options));
      const found = await survey({ service, control, version, self: '' }).finally(() =>
        closeHosts(service),
      );
      const whole = planRelease(service, found, { version, force, allowDowntime, kind });
      const before = isBuilt ? [] : pipelineNotes(service);
      const noted = { ...whole, notes: [...before, ...whole.notes] };
      const plan = masked(noted, await secretsIn(found, service, version));
      if (options.json === true) printJson(plan);
      else {
        const { planText } = await import('../views/plan-view.ts');
        print(planText(plan, paint, widthOf(process.stdout)));
      }
      const [problem] = plan.problems;
      const hasChanges = plan.instances.some(
        ({ action }) => action === 'release' || action === 'retire',
      );
      if (problem !== undefined) process.exitCode = exitCode(problem.code);
      else if (hasChanges && options.detailedExitcode === true) process.exitCode = EXIT_CHANGES;
    });
}

/** What is to be planned; `isBuilt`: nothing is built before it. */
type Planned = Pick<ReleaseTarget, 'service' | 'version' | 'control'> & {
  readonly isBuilt: boolean;
};

async function wayOn(name: string, options: PlanVerbOptions): Promise<Planned> {
  const { seenArtifact } = await import('../../release.ts');
  const { control, ...given } = await releaseTarget(name, options);
  const seen = await seenArtifact(given.service, { ...given, file: given.artifactFile });
  return { ...seen, control, isBuilt: given.artifactFile !== '' };
}

async function wayBack(name: string, options: PlanVerbOptions): Promise<Planned> {
  const { inRelease } = await import('../../release.ts');
  const run = await rollbackRun(name, options.version ?? '', options);
  const { service, version, control, artifactRelease: placed } = run;
  return {
    service: placed === '' ? service : inRelease(service, placed),
    ...{ version, control, isBuilt: true },
  };
}

/** What a deploy does before it touches a host; the plan is of what is there now. */
function pipelineNotes({ pipeline, artifact }: ServiceConfig): readonly string[] {
  if (pipeline.length === 0) return [];
  const commands = pipeline.map(({ part, command }) => `${part} "${command}"`).join(', ');
  const now = artifact === null ? '' : '; this is the plan for the artifact that is there now';
  return [`first runs ${commands} (not with --skip-build)${now}`];
}
