// The start command of an instance, from the service's configuration: `{version}`, `{host}`,
// `{port}`, `{id}` and `{service}` are filled in, in argv and in the environment. No shell reads it,
// so a version with blanks or quotes in it stays one argument.

import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { type Address, formatAddress } from '../../base/units.ts';
import type { ServiceConfig } from '../../config.ts';
import type { Launch } from '../journal/instance-record.ts';
import { environmentOf } from './environment.ts';

export function launchOf(service: ServiceConfig, address: Address, version: string): Launch {
  const fill = filler(service, address, version);
  return {
    version,
    argv: service.start.map(fill),
    cwd: fill(service.cwd),
    env: Object.fromEntries(Object.entries(service.env).map(([name, text]) => [name, fill(text)])),
    inherit: service.inheritEnv,
    path: process.env['PATH'] ?? '',
  };
}

function filler(
  service: ServiceConfig,
  address: Address,
  version: string,
): (text: string) => string {
  const values: Record<string, string> = {
    version,
    host: address.host,
    port: String(address.port),
    id: formatAddress(address),
    service: service.name,
  };
  return (text) =>
    text.replace(/\{(version|host|port|id|service)\}/g, (whole, name: string) => {
      return values[name] ?? whole;
    });
}

/**
 * Why the version is not where the configuration says that versions are; '' when it is. Of
 * `/srv/{version}/app.js` what the version's own name leads to has to be below /srv: a link there
 * may lead anywhere. Links inside the version's folder are its own matter.
 */
export function escapeProblem(service: ServiceConfig, address: Address, version: string): string {
  const fill = filler(service, address, version);
  for (const template of [service.cwd, ...service.start]) {
    const [, text = ''] = /^(?:-[\w-]+=)?(.*)$/s.exec(template) ?? [];
    const named = /^(.*\/)?[^/]*\{version\}[^/]*/.exec(text);
    if (named === null) continue;
    const folder = resolve(fill(service.cwd), fill(named[1] ?? ''));
    const own = resolve(fill(service.cwd), fill(named[0]));
    const [realFolder, real] = [realPathOf(folder), realPathOf(own)];
    if (realFolder === '' || real === '' || real.startsWith(join(realFolder, '/'))) continue;
    return `${own} leads out of ${folder}, to ${real}; put the version itself there`;
  }
  return '';
}

/** '' when there is no such thing. */
export function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return '';
  }
}

/** Why the launch cannot work, before anything is touched; '' when nothing speaks against it. */
export function launchProblem(launch: Launch): string {
  const [program] = launch.argv;
  if (program === undefined || program === '') return 'the start command is empty';
  const { values, problem } = environmentOf(launch);
  if (problem !== '') return problem;
  if (!isFolder(launch.cwd)) return `the folder ${launch.cwd} (cwd) does not exist`;
  if (program.includes('/')) {
    const file = resolve(launch.cwd, program);
    return isProgram(file) ? '' : `${file} is not an executable file`;
  }
  const found = findProgram(program, launch.cwd, values['PATH'] ?? '');
  return found === '' ? `the program "${program}" is not on the PATH` : '';
}

/** The real path of the file that a program's name stands for; '' when there is none. */
export function findProgram(program: string, cwd: string, path: string): string {
  const files = program.includes('/')
    ? [resolve(cwd, program)]
    : path.split(delimiter).map((folder) => resolve(cwd, folder, program));
  const file = files.find(isProgram);
  return file === undefined ? '' : realPathOf(file);
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

export function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
