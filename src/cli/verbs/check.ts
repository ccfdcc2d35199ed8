// `sluice check`: is the configuration right? Reads it as `serve` would and starts nothing.

import type { Command } from 'commander';
import { formatAddress } from '../../base/units.ts';
import type { Config } from '../../config.ts';
import type { RegistrySettings } from '../../registry.ts';
import { configOf, type GlobalOptions } from '../client/target.ts';
import { paint, print, printJson, warn } from '../output.ts';

export function defineCheck(verb: Command): void {
  verb
    .summary('check the configuration; name every problem')
    .description('Check the configuration; name every problem as file:line:col.')
    .argument('[file]', 'configuration file (default: as -c)')
    .option('--json', 'print the configuration with all defaults as JSON, without secrets')
    .option('--schema', 'print the JSON Schema of the file, for editors')
    .addHelpText(
      'after',
      `
Examples:
  $ sluice check
  $ sluice check /etc/sluice.yaml && systemctl restart sluice
  $ sluice check --schema > sluice.schema.json`,
    )
    .action(async (file: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { schema?: boolean }>();
      if (options.schema === true) {
        const { configSchema } = await import('../../config.ts');
        printJson(configSchema());
        return;
      }
      const config = await configOf({
        ...options,
        ...(file === undefined ? {} : { config: file }),
      });
      for (const warning of config.warnings) warn(warning);
      const { settings } = config.registry;
      const { kindOf } = await import('../../registry.ts');
      const kind = kindOf(settings);
      if (options.json === true) printJson(withoutSecrets(config, kind.withoutSecrets(settings)));
      else print(summary(config, kind.describe(settings)));
    });
}

function withoutSecrets(config: Config, settings: RegistrySettings): unknown {
  const { settings: _, ...registry } = config.registry;
  return {
    ...config,
    admin: { ...config.admin, token: config.admin.token === '' ? '' : '(set)' },
    registry: { ...settings, ...registry },
  };
}

function summary(config: Config, registry: string): string {
  const { settings, prefix, serversIn } = config.registry;
  const lines = [
    `${config.file === '' ? 'no file, defaults' : config.file}: ${paint('green', 'ok')}`,
    `  gateway    ${config.gateway.listen.map(formatAddress).join(', ')}`,
    `  admin      ${formatAddress(config.admin.listen)}${config.admin.token === '' ? '' : ' (token)'}`,
    `  registry   ${registry}`,
  ];
  for (const upstream of config.upstreams) {
    const count = upstream.servers.length;
    const checked = upstream.check === null ? 'not checked' : `${upstream.check.type} checks`;
    const follows = upstream.followRegistry && settings.kind !== 'none';
    const records = follows ? ` and ${serversIn ?? `${prefix}${upstream.name}/`}` : '';
    lines.push(
      `  upstream   ${upstream.name}: ${count} ${count === 1 ? 'server' : 'servers'}${records}, ${checked}`,
    );
  }
  for (const service of config.services) {
    const count = service.instances.length;
    lines.push(`  service    ${service.name}: ${count} ${count === 1 ? 'instance' : 'instances'}`);
  }
  return lines.join('\n');
}
