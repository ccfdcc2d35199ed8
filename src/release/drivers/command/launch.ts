// The start command of an instance, from the service's configuration: `{version}`, `{host}`,
// `{port}`, `{id}` and `{service}` are filled in, in argv and in the environment. No shell reads it,
// so a version with blanks or quotes in it stays one argument.

import { delimiter, join, resolve } from 'node:path';
import type { Address } from '../../../base/units.ts';
import type { ServiceConfig } from '../../../config.ts';
import type { Host } from '../../hosts.ts';
import type { DriverScope } from '../driver.ts';
import { environmentOf } from '../environment.ts';
import { filledEnv, filler } from '../template.ts';
import type { CommandLaunch } from './command-launch.ts';
import { userSwitch } from './user.ts';

export function launchOf({ service, address, host }: DriverScope, version: string): CommandLaunch {
  const fill = filler(service, address, version);
  return {
    version,
    argv: service.start.map(fill),
    cwd: fill(service.cwd),
    env: filledEnv(service, address, version),
    inherit: service.inheritEnv,
    path: host.environment['PATH'] ?? '',
    ...(service.user === '' ? {} : { user: service.user }),
  };
}

/**
 * Why the version is not where the configuration says that versions are; '' when it is. Of
 * `/srv/{version}/app.js` what the version's own name leads to has to be below /srv: a link there
 * may lead anywhere. Links inside the version's folder are its own matter.
 */
export async function escapeProblem(
  host: Host,
  service: ServiceConfig,
  address: Address,
  version: string,
): Promise<string> {
  const fill = filler(service, address, version);
  for (const template of [service.cwd, ...service.start]) {
    const [, text = ''] = /^(?:-[\w-]+=)?(.*)$/s.exec(template) ?? [];
    const named = /^(.*\/)?[^/]*\{version\}[^/]*/.exec(text);
    if (named === null) continue;
    const folder = resolve(fill(service.cwd), fill(named[1] ?? ''));
    const own = resolve(fill(service.cwd), fill(named[0]));
    const [realFolder, real] = [await realPathOf(host, folder), await realPathOf(host, own)];
    if (realFolder === '' || real === '' || real.startsWith(join(realFolder, '/'))) continue;
    return `${own} leads out of ${folder}, to ${real}; put the version itself there`;
  }
  return '';
}

/** Why the launch cannot work, before anything is touched; '' when nothing speaks against it. */
export async function launchProblem(host: Host, launch: CommandLaunch): Promise<string> {
  const [program] = launch.argv;
  if (program === undefined || program === '') return 'the start command is empty';
  const { values, problem } = await environmentOf(launch, { base: host.environment });
  if (problem !== '') return problem;
  const who = await userSwitch(host, launch.user ?? '');
  if (who.problem !== '') return who.problem;
  if (!(await isFolder(host, launch.cwd))) return `the folder ${launch.cwd} (cwd) does not exist`;
  if (program.includes('/')) {
    const file = resolve(launch.cwd, program);
    return (await isProgram(host, file)) ? '' : `${file} is not an executable file`;
  }
  const found = await findProgram(host, program, launch.cwd, values['PATH'] ?? '');
  return found === '' ? `the program "${program}" is not on the PATH` : '';
}

/** The real path of the file that a program's name stands for; '' when there is none. */
export async function findProgram(
  host: Host,
  program: string,
  cwd: string,
  path: string,
): Promise<string> {
  const files = program.includes('/')
    ? [resolve(cwd, program)]
    : path.split(delimiter).map((folder) => resolve(cwd, folder, program));
  for (const file of files) {
    if (await isProgram(host, file)) return realPathOf(host, file);
  }
  return '';
}

/** '' when there is no such thing. */
export async function realPathOf(host: Host, path: string): Promise<string> {
  return (await host.look(path))?.realPath ?? '';
}

export async function isFolder(host: Host, path: string): Promise<boolean> {
  return (await host.look(path))?.kind === 'folder';
}

export async function isProgram(host: Host, path: string): Promise<boolean> {
  const found = await host.look(path);
  return found?.kind === 'file' && found.isExecutable;
}
