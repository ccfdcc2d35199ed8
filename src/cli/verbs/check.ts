// `sluice check`: is the configuration right? Reads it, and the certificates
// and tokens that it names, as `serve` would, and starts nothing.

import type { Command } from 'commander';
import { formatAddress } from '../../base/units.ts';
import type { Config, RegistryConfig } from '../../config.ts';
import { configOf, type GlobalOptions } from '../client/target.ts';
import { paint, print, printJson, warn } from '../output.ts';

export function defineCheck(verb: Command): void {
  verb
    .summary('check the configuration; name every problem')
    .description(
      'Check the configuration; name every problem as file:line:col. Certificates, keys and tokens that it names are read as well.',
    )
    .argument('[file]', 'configuration file (default: as -c)')
    .option('--json', 'print the configuration with all defaults as JSON, without secrets')
    .option('--schema', 'print the JSON Schema of the file, for editors')
    .addHelpText(
      'after',
      `
Examples:
  $ sluice check
  $ sluice check /etc/sluice.yaml && systemctl reload sluice
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
      const { checkFiles } = await import('../../daemon.ts');
      const warnings = [...config.warnings, ...checkFiles(config)];
      for (const warning of warnings) warn(warning);
      const { kindOf } = await import('../../registry.ts');
      const shown = ({ settings, ...registry }: RegistryConfig): unknown => ({
        ...kindOf(settings).withoutSecrets(settings),
        ...registry,
      });
      if (options.json === true) printJson(withoutSecrets(config, shown));
      else print(summary(config, ({ settings }) => kindOf(settings).describe(settings)));
    });
}

function withoutSecrets(
  { document: _, ...config }: Config,
  shown: (registry: RegistryConfig) => unknown,
): unknown {
  return {
    ...config,
    admin: { ...config.admin, token: config.admin.token === '' ? '' : '(set)' },
    registry: shown(config.registry),
    registries: config.registries.map(shown),
  };
}

function summary(config: Config, describe: (registry: RegistryConfig) => string): string {
  const registries = [config.registry, ...config.registries];
  const lines = [
    `${config.file === '' ? 'no file, defaults' : config.file}: ${paint('green', 'ok')}`,
    `  gateway    ${config.gateway.listen.map((one) => `${formatAddress(one)}${one.tls === undefined ? '' : ' (TLS)'}`).join(', ')}`,
    `  admin      ${formatAddress(config.admin.listen)}${config.admin.token === '' ? '' : ' (token)'}`,
    ...registries.map(
      (one, at) => `  registry   ${at === 0 ? '' : `${one.name}: `}${describe(one)}`,
    ),
  ];
  for (const upstream of config.upstreams) {
    const count = upstream.servers.length;
    const checked = upstream.check === null ? 'not checked' : `${upstream.check.type} checks`;
    const places = upstream.follows.flatMap(({ registry }) => {
      const one = registries.find(({ name }) => name === registry);
      if (one === undefined) return [];
      const place = one.serversIn ?? `${one.prefix}${upstream.name}/`;
      return one === config.registry ? place : `${place} in ${one.name}`;
    });
    const records = places.map((place) => ` and ${place}`).join('');
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
