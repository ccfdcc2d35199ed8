// `sluice deploy`: carries out a plan and shows it as it goes. The last block says who serves what; the
// exit code says the same to scripts.

import type { Command } from 'commander';
import { addOutputOptions, type OutputOptions, runShown } from './release-run.ts';
import { addReleaseOptions, type ReleaseVerbOptions, releaseTarget } from './service.ts';

type DeployOptions = ReleaseVerbOptions &
  OutputOptions & { readonly skipBuild?: boolean; readonly message?: string };

export function defineDeploy(verb: Command): void {
  addOutputOptions(addReleaseOptions(verb))
    .summary('release a version, instance by instance')
    .description(
      'Release a version, instance by instance: each is drained before it is stopped, so that no request through this gateway is lost.',
    )
    .option('--skip-build', 'do not run build, test and scan: that was done before')
    .option('-m, --message <why>', 'why; kept in the history')
    .addHelpText(
      'after',
      `
First build, test and scan run, as configured; then the artifact is brought to
all hosts. What fails there changes nothing (exit 3).

Per instance: guard, drain until nothing is in flight, stop, activate, start,
check, admit. An instance that fails is brought back to the version that served
before; the others are not touched. Ctrl-C stops at the next safe point, twice
at once; run the same command again to go on.

Drained, counted and "in pool" hold for all gateways that share the registry. A
gateway that could not be heard is named, and the receipt is INCOMPLETE then.

Exit codes: 0 released or nothing to do, 1 failed (see the last block), 3
refused by preflight, 4 another release runs, or the lock was lost, 5 too little
capacity, 6 rolled back, 7 the old version could not be brought back, 8 nobody
approved it in time, 9 control plane not reachable, 130 interrupted.

Example:
  $ sluice deploy app --version v2
  $ sluice deploy app --artifact build/app.tgz`,
    )
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<DeployOptions>();
      const {
        force = false,
        allowDowntime = false,
        skipBuild = false,
        message: why = '',
      } = options;
      await runShown(options, async () => {
        const target = await releaseTarget(name, options);
        return { ...target, force, allowDowntime, skipBuild, why };
      });
    });
}
