// What `plan` and `deploy` have in common: the service of the configuration, and the arguments.

import { type Command, InvalidArgumentError } from 'commander';
import { SluiceError } from '../../base/errors.ts';
import { versionProblem } from '../../base/version-name.ts';
import type { Config, ServiceConfig } from '../../config.ts';
import type { ReleaseControl } from '../../release.ts';
import { configOf, controlOf, type GlobalOptions } from '../client/target.ts';

export type ReleaseVerbOptions = GlobalOptions & {
  readonly version: string;
  readonly force?: boolean;
  readonly allowDowntime?: boolean;
};

export function addReleaseOptions(command: Command): Command {
  return command
    .argument('<service>', 'a service of the configuration')
    .requiredOption(
      '--version <version>',
      'the version to release, as the app names it',
      parseVersion,
    )
    .option('--force', 'restart instances that are at this version already')
    .option('--allow-downtime', 'let the last eligible server go');
}

export async function releaseTarget(
  name: string,
  options: ReleaseVerbOptions,
): Promise<{ readonly service: ServiceConfig; readonly control: ReleaseControl }> {
  const config = await configOf(options);
  return { service: serviceOf(config, name), control: await controlOf(options) };
}

function serviceOf(config: Config, name: string): ServiceConfig {
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
