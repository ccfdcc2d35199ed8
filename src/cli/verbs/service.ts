// What `plan` and `deploy` have in common: the service of the configuration, and the arguments.

import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { SluiceError } from '../../base/errors.ts';
import { versionProblem } from '../../base/version-name.ts';
import type { Config, ServiceConfig } from '../../config.ts';
import type { ReleaseControl, ReleaseOptions } from '../../release.ts';
import { configOf, controlOf, type GlobalOptions } from '../client/target.ts';

export type ReleaseVerbOptions = GlobalOptions & {
  /** Absent: as the artifact says. */
  readonly version?: string;
  readonly artifact?: string;
  readonly force?: boolean;
  readonly allowDowntime?: boolean;
};

export function addReleaseOptions(command: Command): Command {
  return command
    .argument('<service>', 'a service of the configuration')
    .option(
      '--version <version>',
      'the version to release, as the app names it; default: as the artifact says',
      parseVersion,
    )
    .option(
      '--artifact <file>',
      'an archive that was built already, in place of the configured one',
    )
    .option('--force', 'restart instances that are at this version already')
    .option('--allow-downtime', 'let the last eligible server go');
}

export type ReleaseTarget = {
  readonly service: ServiceConfig;
  /** '' = as the artifact says. */
  readonly version: string;
  /** '' = as the configuration says. */
  readonly artifactFile: string;
  readonly control: ReleaseControl;
  readonly origin: NonNullable<ReleaseOptions['origin']>;
};

export async function releaseTarget(
  name: string,
  options: ReleaseVerbOptions,
): Promise<ReleaseTarget> {
  const config = await configOf(options);
  const service = serviceOf(config, name);
  const { version = '', artifact } = options;
  if (service.artifact === null && (version === '' || artifact !== undefined)) {
    const what =
      artifact === undefined
        ? "option '--version <version>' is required"
        : '--artifact means nothing';
    const remedy = artifact === undefined ? 'give one, or' : '';
    throw new SluiceError(
      'usage',
      `${what}: service "${name}" has no artifact; ${remedy} write services.${name}.artifact`,
    );
  }
  const artifactFile = artifact === undefined ? '' : resolve(artifact);
  const origin = originOf(config, service);
  return { service, version, artifactFile, control: await controlOf(options), origin };
}

/** What of the configuration a release of the service needs, as it stands in the file: kept in its journal. */
export function originOf(
  { file, document }: Config,
  { name, upstream }: ServiceConfig,
): NonNullable<ReleaseOptions['origin']> {
  const { state_dir, hosts } = document;
  const check = entryOf(entryOf(document, 'upstreams'), upstream)['check'];
  return {
    file: resolve(file === '' ? 'sluice.yaml' : file),
    document: {
      ...(state_dir === undefined ? {} : { state_dir }),
      ...(hosts === undefined ? {} : { hosts }),
      upstreams: { [upstream]: check === undefined ? {} : { check } },
      services: { [name]: entryOf(entryOf(document, 'services'), name) },
    },
  };
}

function entryOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  const found = new Map<string, unknown>(Object.entries(value ?? {})).get(name);
  return typeof found === 'object' && found !== null ? { ...found } : {};
}

export function serviceOf(config: Config, name: string): ServiceConfig {
  const service = config.services.find((candidate) => candidate.name === name);
  if (service !== undefined) return service;
  const file = config.file === '' ? 'the built-in configuration' : config.file;
  const known = config.services.map((candidate) => candidate.name).join(', ');
  const remedy = known === '' ? 'add it under services' : `known: ${known}`;
  throw new SluiceError('not_found', `service "${name}": not in ${file}; ${remedy}`);
}

function parseVersion(text: string): string {
  const problem = versionProblem(text);
  if (problem === '') return text;
  throw new InvalidArgumentError(`${problem}.`);
}
