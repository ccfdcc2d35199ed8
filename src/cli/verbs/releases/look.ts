// `sluice history`, `sluice show` and `sluice logs`: what the releases of a service were, what one of
// them did, and what the instances print.

import { type Command, InvalidArgumentError } from 'commander';
import { SluiceError } from '../../../base/errors.ts';
import { configOf, controlOf, type GlobalOptions } from '../../client/target.ts';
import { paint, print, printJson, widthOf } from '../../output.ts';
import { historyView, journalView } from '../../views/history-view.ts';
import { serviceOf } from '../service.ts';

/** Of `sluice logs`. */
const LINES_MAX = 1000;

export function defineHistory(verb: Command): void {
  verb
    .summary('show the releases of a service')
    .description('Show the newest hundred releases of a service, the newest first.')
    .argument('<service>')
    .option('--json', 'print them as JSON')
    .addHelpText(
      'after',
      `
OUTCOME is succeeded, unchanged, failed, rolled_back, aborted, interrupted or
refused; running; or died: its runner is gone, go on with: sluice resume.

Example:
  $ sluice history app`,
    )
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { past } = await releasesOf(name, options);
      if (options.json === true) printJson(past);
      else
        print(
          historyView(name, past, { nowMs: Date.now(), paint, width: widthOf(process.stdout) }),
        );
    });
}

export function defineShow(verb: Command): void {
  verb
    .summary('show what a release did')
    .description('Show what a release did, step by step.')
    .argument('<service>')
    .argument('[release]', 'r42; default: the newest')
    .option('--json', 'print its records as JSON')
    .addHelpText('after', '\nExample:\n  $ sluice show app r42')
    .action(async (name: string, release: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { past, read } = await releasesOf(name, options);
      const found = release === undefined ? past[0] : past.find(({ id }) => id === release);
      if (found === undefined) {
        const known = past.slice(0, 5).map(({ id }) => id);
        const advice = known.length === 0 ? 'it has none yet' : `the newest: ${known.join(', ')}`;
        throw new SluiceError(
          'not_found',
          `service "${name}": no release ${release ?? ''}; ${advice}`,
        );
      }
      const records = await read(found.id);
      if (options.json === true) printJson({ release: found, records });
      else print(journalView(name, found, records, paint));
    });
}

export function defineLogs(verb: Command): void {
  verb
    .summary('show the last lines that instances printed')
    .description('Show the last lines that the instances of a service printed.')
    .argument('<service>', 'a service of the configuration')
    .argument('[instance]', 'host:port; default: each')
    .option('--last <n>', `how many lines of each, ${LINES_MAX} at most; default: 30`, parseCount)
    .option('--json', 'print them as JSON')
    .addHelpText('after', '\nExample:\n  $ sluice logs app 127.0.0.1:9001')
    .action(async (name: string, instance: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { readonly last?: number }>();
      const service = serviceOf(await configOf(options), name);
      const { releases } = await controlOf(options);
      const { closeHosts, instanceLogs } = await import('../../../release.ts');
      const read = instanceLogs(service, releases, instance ?? '', options.last);
      const logs = await read.finally(() => closeHosts(service));
      if (options.json === true) return printJson(logs);
      for (const { instance: id, place, lines, trouble } of logs) {
        const head = `${id}  ${[trouble, place].filter(Boolean).join('; ')}`;
        print([paint('dim', head), ...lines].join('\n'));
      }
    });
}

/** As the gateways share them; else those of this machine. */
async function releasesOf(name: string, options: GlobalOptions) {
  const { pastOf, readHistory, readRelease } = await import('../../../release.ts');
  const config = await configOf(options);
  const service = config.services.find((one) => one.name === name);
  const control = await controlOf(options);
  const document = await control.releases.history(name);
  if (service !== undefined) {
    return {
      past: await readHistory(service, control.releases),
      read: (release: string) =>
        readRelease(service, release, document.shared ? control.releases : null),
    };
  }
  if (!document.shared) serviceOf(config, name);
  return {
    past: pastOf(document),
    read: async (release: string) => (await control.releases.journal(name, release)).records,
  };
}

function parseCount(text: string): number {
  const count = Number(text);
  if (/^[1-9]\d*$/.test(text) && count <= LINES_MAX) return count;
  throw new InvalidArgumentError(`write a whole number from 1 to ${LINES_MAX}.`);
}
