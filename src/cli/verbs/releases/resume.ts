// `sluice resume`: a paused release goes on; one whose runner is gone is gone on with from here, by its
// journal and with its own configuration.

import type { Command } from 'commander';
import { SluiceError } from '../../../base/errors.ts';
import { mayBeResumed } from '../../../base/release-outcome.ts';
import type { Config, ServiceConfig } from '../../../config.ts';
import { configOf, controlOf, type GlobalOptions } from '../../client/target.ts';
import { print } from '../../output.ts';
import { addOutputOptions, type OutputOptions, runShown, type ToRun } from '../release-run.ts';
import { originOf, serviceOf } from '../service.ts';
import { placeOf } from './place.ts';
import { tellRunner } from './tell.ts';

type Options = GlobalOptions & OutputOptions;

export function defineResume(verb: Command): void {
  addOutputOptions(verb.argument('<service>'))
    .summary('go on with a release that was paused, ended early or lost its runner')
    .description(
      'Go on with a release that was paused, interrupted or aborted, or whose runner is gone.',
    )
    .addHelpText(
      'after',
      `
From any machine: the journal and the configuration of the release are in the
registry that the gateways share. What was begun and not finished is looked at
and done again; a version that had failed is not tried again. A runner that is
gone counts as dead 15 s after its last sign of life, which is waited for; at
once where it ran.

Exit codes are those of deploy.

Example:
  $ sluice resume app`,
    )
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const control = await controlOf(options);
      const config = await configOf(options);
      const { readHistory } = await import('../../../release.ts');
      const local = config.services.find((service) => service.name === name);
      const { shared, lock, stale } = await control.releases.history(name);
      const own = local === undefined ? [] : await readHistory(local, control.releases);
      const isDead = stale || own.some(({ id, over }) => id === lock?.holder?.release && over);
      if (lock !== null && lock.holder !== null && !isDead) {
        const told = await tellRunner(control, name, { command: 'resume', why: '' });
        if (told.isAlive) {
          print(`release ${told.release} of ${name} runs (${told.runner}): told to go on`);
          if (lock.holder.waits !== undefined) {
            print(`it waits for an approval: sluice approve ${name} ${told.release}`);
          }
          return;
        }
      }
      await runShown(options, () =>
        shared
          ? sharedRelease(name, config, control)
          : ownRelease(serviceOf(config, name), control),
      );
    });
}

/** By what the gateways share. */
async function sharedRelease(
  name: string,
  config: Config,
  control: Awaited<ReturnType<typeof controlOf>>,
): Promise<ToRun> {
  const { begunWith } = await import('../../../release.ts');
  const { parseConfig } = await import('../../../config.ts');
  const { release, summary, records } = await control.releases.journal(name, '');
  const { outcome, version, kind, of, why } = summary;
  if (!mayBeResumed(outcome)) throw ended(name, release, outcome);
  const { origin, ...flags } = begunWith(records);
  const local = config.services.find((service) => service.name === name);
  const recorded = origin === null ? config : parseConfig(origin.text, origin.file);
  const known = serviceOf(recorded, name);
  // Its folder of logs is this machine's own.
  const service = local === undefined ? known : { ...known, runDir: local.runDir };
  return {
    ...{ service, control, version, kind, of, why, ...flags, resume: release },
    artifactRelease: placeOf(service, release, records),
    origin: originOf(recorded, service),
  };
}

async function ownRelease(
  service: ServiceConfig,
  control: Awaited<ReturnType<typeof controlOf>>,
): Promise<ToRun> {
  const { begunWith, readHistory, readRelease } = await import('../../../release.ts');
  const [last] = await readHistory(service);
  if (last === undefined) {
    throw new SluiceError('not_found', `service "${service.name}": no release is known here`);
  }
  const { id, outcome, version, kind, of, why } = last;
  if (!mayBeResumed(outcome)) throw ended(service.name, id, outcome);
  const records = await readRelease(service, id, null);
  const { force, allowDowntime } = begunWith(records);
  return {
    ...{ service, control, version, kind, of, why, force, allowDowntime, resume: id },
    artifactRelease: placeOf(service, id, records),
  };
}

function ended(name: string, release: string, outcome: string): SluiceError {
  const what = `release ${release} has ended (${outcome}); nothing is to be resumed`;
  return new SluiceError('conflict', `service "${name}": ${what}`);
}
