// `sluice serve`: gateway, registry and control API in one process tree, until it is told to end.

import type { Command } from 'commander';
import { messageOf } from '../../base/errors.ts';
import { type Address, formatAddress } from '../../base/units.ts';
import type { Config } from '../../config.ts';
import { configOf, type GlobalOptions, reachable } from '../client/target.ts';
import { keepGoingWithoutReaders, paint, remark, warn } from '../output.ts';
import { Primary } from '../primary.ts';
import { LongRun } from '../process-end.ts';
import { reloadView } from '../views/reload-view.ts';

export function defineServe(verb: Command): void {
  verb
    .summary('run gateway, registry, checks and control API')
    .description('Run gateway, embedded registry, health checks and control API.')
    .addHelpText(
      'after',
      `
Without a configuration it serves one upstream "app" on 127.0.0.1:8080, the
registry on 127.0.0.1:8500 and the control API on 127.0.0.1:8700. SIGTERM,
SIGINT or SIGQUIT finishes what is in flight (shutdown_timeout); a second one
ends at once. SIGHUP reads the configuration again (sluice reload), SIGUSR2 lets
the program that is on the disk now take over (sluice upgrade), SIGUSR1 opens
access and audit log anew. Others: docs/signals.md.

Examples:
  $ sluice serve
  $ sluice -c /etc/sluice.yaml serve`,
    )
    .action(async (_: unknown, command: Command) =>
      serve(command.optsWithGlobals<GlobalOptions>()),
    );
}

async function serve(options: GlobalOptions): Promise<void> {
  keepGoingWithoutReaders();
  let openLogAnew = (): string => 'starting; there is no log file to open anew yet';
  let readAgain = (): string => 'starting; the configuration is the one that is being read now';
  let beFollowed = (): string => 'starting; this is the program that is on the disk now';
  const run = new LongRun({
    SIGUSR1: () => openLogAnew(),
    SIGUSR2: () => beFollowed(),
    SIGHUP: () => readAgain(),
  });
  const config = await configOf(options).catch(async (error: unknown) => {
    const { Predecessor } = await import('../../daemon.ts');
    Predecessor.find()?.failed(error);
    throw error;
  });
  for (const warning of config.warnings) warn(warning);
  const { createLog } = await import('../../base/log.ts');
  const { ServiceManager } = await import('../../daemon.ts');
  const log = createLog(config.logLevel);
  const primary = await Primary.start({
    ...{ config, log, manager: new ServiceManager(log), load: () => configOf(options) },
    onWorkers: (finish) => run.beforeEarlyEnd(finish),
  });
  readAgain = () => {
    primary.daemon.reload({ dryRun: false }).then(
      (reloaded) => {
        for (const warning of reloaded.warnings) warn(warning);
        remark(reloadView(reloaded, paint));
      },
      (error: unknown) => warn(`not taken, nothing has changed: ${messageOf(error)}`),
    );
    return 'reading the configuration again';
  };
  beFollowed = () => {
    primary.upgrade().catch((error: unknown) => warn(messageOf(error)));
    return 'starting the program that is on the disk now';
  };
  openLogAnew = () => {
    primary.daemon.reopenLogs();
    return remarkOnLogs(primary.daemon.config);
  };
  // Signals are handled before it says that it is ready: whoever waits for that may send one at once.
  const ended = run.untilEnded({
    timeoutMs: config.shutdownTimeoutMs,
    kill: () => primary.kill(),
    close: () => primary.close(),
  });
  remark(welcome(config, primary.daemon.addresses));
  await ended;
}

function remarkOnLogs({ gateway: { accessLog }, admin: { auditLog } }: Config): string {
  const access = remarkOnLog(accessLog);
  return auditLog === '' ? access : `${access}; the audit log is opened anew, too`;
}

function remarkOnLog(accessLog: string): string {
  if (accessLog === '') return 'there is no access log (proxy.access_log) to open anew';
  if (accessLog === '-') return 'the access log is standard output, which cannot be opened anew';
  return `the workers open ${accessLog} anew`;
}

type Addresses = {
  readonly gateway: readonly (Address & { readonly tls?: object })[];
  readonly admin: Address;
  readonly registry?: Address | undefined;
};

/** The addresses, and the one command that gets a newcomer further. */
function welcome(config: Config, { gateway, admin, registry }: Addresses): string {
  const scheme = config.admin.tls === null ? 'http' : 'https';
  const control = `${scheme}://${formatAddress(reachable(admin))}`;
  const isDefaultControl = formatAddress(admin) === '127.0.0.1:8700';
  const option =
    config.file === '' ? (isDefaultControl ? '' : ` --control ${control}`) : ` -c ${config.file}`;
  const name = config.upstreams[0]?.name ?? 'app';
  const lines = [
    `sluice is ready (pid ${process.pid}, ${config.file === '' ? 'no configuration file: defaults' : config.file})`,
    ...gateway.map(
      ({ tls, ...address }) =>
        `  gateway   ${tls === undefined ? 'http' : 'https'}://${formatAddress(address)}`,
    ),
    `  control   ${control}`,
    `  status    ${control}/upstream_status`,
    ...(registry === undefined ? [] : [`  registry  http://${formatAddress(registry)}/v1/kv/`]),
    ...(registry === undefined || config.upstreams.some((upstream) => upstream.servers.length > 0)
      ? [`  try       sluice${option} status`]
      : [
          '  try       curl -X PUT -d \'{"weight":1}\' \\',
          `              http://${formatAddress(reachable(registry))}/v1/kv/${config.registry.prefix}${name}/127.0.0.1:9001`,
        ]),
  ];
  return lines.join('\n');
}
