// The program as commander sees it: global options, verbs, help that fits 80 columns.

import { Command, type CommanderError, Option } from 'commander';
import { packageVersion } from '../base/version.ts';
import { addVerbs } from './verbs.ts';

const HELP_WIDTH = 80;

export function createProgram(): Command {
  const program = new Command('sluice')
    .description('Dynamic load balancer, service registry and smooth releases in one program.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    // Options after a verb belong to it: `deploy --version v2` must not print the version of sluice.
    .enablePositionalOptions()
    // Arguments are in each verb's own help; here they would leave no room for what it does.
    .configureHelp({ helpWidth: HELP_WIDTH, subcommandTerm: (command) => command.name() })
    // Usage errors are thrown; error-report.ts says them, as text or as JSON.
    .configureOutput({ outputError: () => {} });
  addVerbs(program);
  for (const option of globalOptions()) program.addOption(option);
  for (const command of program.commands) acceptGlobals(command);
  rememberVerb(program);
  return program.addHelpText('after', EXAMPLES);
}

const verbs = new WeakMap<Error, string>();

/** The verb whose arguments were wrong: its help is the one to read. */
export function verbOf(error: CommanderError): string {
  return verbs.get(error) ?? 'sluice';
}

/** Commander's errors do not say which command they are of. */
function rememberVerb(command: Command): void {
  command.exitOverride((error) => {
    verbs.set(error, nameOf(command));
    throw error;
  });
  for (const nested of command.commands) rememberVerb(nested);
}

/** `sluice kv put` */
export function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

function globalOptions(): Option[] {
  return [
    new Option(
      '-c, --config <file>',
      'configuration file (default: ./sluice.yaml or ./sluice.config.ts if present)',
    ),
    new Option(
      '--control <url>',
      'control API: host:port, https://…, ssh://user@host; several with commas between, the next when one is away (default: SLUICE_CONTROL, else the file)',
    ),
    new Option('--ca <file>', 'authorities that https:// trusts (default: SLUICE_CA)'),
    new Option(
      '--registry <addresses>',
      '[etcd://]host:port[,…] or a name of the file (default: SLUICE_REGISTRY, else the file)',
    ),
  ];
}

/** The global options are understood after the verb too, where people write them. */
function acceptGlobals(command: Command): void {
  for (const option of globalOptions()) {
    const isTaken = command.options.some(
      (own) => own.long === option.long || (own.short !== undefined && own.short === option.short),
    );
    if (!isTaken) command.addOption(option.hideHelp());
  }
  for (const nested of command.commands) acceptGlobals(nested);
}

const EXAMPLES = `
Examples:
  $ sluice serve                             gateway, registry and control API
  $ sluice kv put upstreams/app/127.0.0.1:9001 '{"weight":1}'
  $ sluice status                            who takes traffic, who not and why
  $ sluice drain app 127.0.0.1:9001 -m "kernel update" && reboot
  $ sluice deploy app --version v2           each instance is drained first

Environment: SLUICE_CONTROL, SLUICE_TOKEN, SLUICE_CA, SLUICE_CERT, SLUICE_KEY,
SLUICE_REGISTRY, SLUICE_BY (who a release is by), NO_COLOR, FORCE_COLOR; for
--registry those of Consul (CONSUL_HTTP_TOKEN, CONSUL_CACERT, …) and etcd
(ETCDCTL_USER, …). Exit codes: docs/errors.md (0 good, 1 failed, 2 usage or
configuration, 9 not reachable, …).`;
