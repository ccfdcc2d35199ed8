// What a launch really ran: real paths in place of links, and how the code looked then. A link such
// as `current` leads elsewhere after the next version was unpacked, and code may be replaced where it
// is: a revert by the configured names would run the new code under the old version's name.

import { basename, delimiter, dirname, extname, join, resolve } from 'node:path';
import { isInstanceReference } from '../../../base/secrets.ts';
import type { Host } from '../../hosts.ts';
import type { CommandLaunch, Pin } from './command-launch.ts';
import { findProgram, isFolder, isProgram, launchProblem, realPathOf } from './launch.ts';

const STAMPED_MAX = 500;
const DEPTH_MAX = 5;
const LOOKED_AT_MAX = 5000;
/** What an application, or a release, writes while it runs (logs, databases, JSON) is no code. */
const CODE =
  /^\.(?:[cm]?[jt]sx?|py|rb|php|pl|lua|sh|jar|war|class|so|wasm|exs?|beam|go|node|html|css)$/;
/** Runtimes and tools of the system: an update of theirs is not another version of the application. */
const OF_THE_SYSTEM = /^\/(?:usr|bin|sbin|lib|nix|snap)\//;
/** What can be a path in a shell's command, and an absolute one that is no part of a name or a URL. */
const NAMES_IN_TEXT = /[\w@%+.,/-]+/g;
const PATHS_IN_TEXT = /(?<![\w@%+.,:/~$*?{}\]-])\/[\w@%+.,/-]+/g;
const SAFE_IN_TEXT = /^[\w@%+.,/-]+$/;

/** Taken at the start, with the PATH of then; not for a launch that has one already. */
export async function pinOf(host: Host, launch: CommandLaunch, path: string): Promise<Pin> {
  const cwd = (await realPathOf(host, launch.cwd)) || launch.cwd;
  const [program = '', ...rest] = launch.argv;
  const file = await findProgram(host, program, launch.cwd, path);
  const name = await namedOf(host, program, launch.cwd, cwd);
  const argv = [name, ...(await Promise.all(rest.map((word) => realWord(host, word, cwd))))];
  const entries = Object.entries(launch.env).map(async ([key, text]) => {
    return [key, await realList(host, text)] as const;
  });
  const env = Object.fromEntries(await Promise.all(entries));
  // What a reference leads to is no code: it may change, and the instance gets what it is then.
  const plain = Object.values(env).filter((text) => !isInstanceReference(text));
  const texts = [...argv.slice(1), ...plain];
  return {
    file,
    argv,
    cwd,
    env,
    path: await realList(host, launch.path),
    stamps: await stampsOf(host, program.includes('/') ? file : '', rest, cwd, texts),
  };
}

/** The launch by its real paths, and the program's file; as it is when nothing is known of them. */
export async function pinned(
  host: Host,
  launch: CommandLaunch,
): Promise<{ readonly launch: CommandLaunch; readonly file: string }> {
  const { pin } = launch;
  const [program = ''] = launch.argv;
  if (pin === undefined) return { launch, file: program };
  const { argv, cwd, env, path } = pin;
  // A program of the PATH that is gone was updated: then its name leads to the new one.
  const isGone = !program.includes('/') && (await host.look(pin.file)) === null;
  const file = isGone ? program : pin.file || program;
  return { launch: { ...launch, argv, cwd, env, path }, file };
}

/** Why a revert to this launch cannot bring back what ran; '' when nothing speaks against it. */
export async function backProblem(host: Host, launch: CommandLaunch): Promise<string> {
  if (launch.argv.length === 0) return 'its command is not known';
  const { launch: real, file } = await pinned(host, launch);
  if (!(await isFolder(host, real.cwd))) return `the folder ${real.cwd} is gone`;
  const argv = [file, ...real.argv.slice(1)];
  const problem = await launchProblem(host, { ...real, argv });
  if (problem !== '') return problem;
  const stamps = Object.entries(launch.pin?.stamps ?? {});
  const now = await host.stamps(stamps.map(([path]) => path));
  for (const [at, [path, stamp]] of stamps.entries()) {
    if (now[at] === stamp) continue;
    if (now[at] === '') return `${path} is gone`;
    const isLink = (await realPathOf(host, path)) !== path;
    return isLink ? `${path} leads to other code now` : `the code was replaced in place (${path})`;
  }
  return '';
}

/** Its folder's real path, its own name: what it is called by (busybox, venv) stays. */
async function namedOf(host: Host, program: string, cwd: string, real: string): Promise<string> {
  if (!program.includes('/')) return program;
  const folder = await realPathOf(host, dirname(resolve(cwd, program)));
  const name = join(folder, basename(program));
  return folder === '' || name === resolve(real, program) ? program : name;
}

/** `app.js`, `--config=current/app.conf`: a word that is a path, where links are in it. */
async function realWord(host: Host, word: string, cwd: string): Promise<string> {
  const [, option = '', path = ''] = /^(-[\w-]+=)?(.*)$/s.exec(word) ?? [];
  const real = path === '' ? '' : await realOf(host, resolve(cwd, path));
  if (real === '') return realText(host, word);
  return real === resolve(cwd, path) ? word : `${option}${real}`;
}

/** `cd /srv/current && exec node app.js`: what cannot be taken for something else by the shell. */
async function realText(host: Host, text: string): Promise<string> {
  const paths = [...new Set(text.match(PATHS_IN_TEXT) ?? [])];
  const found = await Promise.all(
    paths.map(async (path) => [path, await realOf(host, path)] as const),
  );
  const reals = new Map(found);
  return text.replace(PATHS_IN_TEXT, (path) => {
    const real = reals.get(path) ?? '';
    return SAFE_IN_TEXT.test(real) && real !== resolve(path) ? real : path;
  });
}

/** Of a program its own name stays: by it busybox, or the python of a venv, knows what it is. */
async function realOf(host: Host, path: string): Promise<string> {
  const real = await realPathOf(host, path);
  if (real === '' || !(await isProgram(host, real))) return real;
  return join(await realPathOf(host, dirname(path)), basename(path));
}

/** Absolute paths in a value, which may be a list of them as PATH is. */
async function realList(host: Host, text: string): Promise<string> {
  // `http://host/path` has parts like it, and is none.
  if (!text.startsWith('/')) return text;
  const parts = text.split(delimiter).map(async (part) => {
    return /^\/[^/]/.test(part) ? (await realPathOf(host, part)) || part : part;
  });
  return (await Promise.all(parts)).join(delimiter);
}

/**
 * The folder as such, the program's file, the code files around what is started, and the links that
 * the texts still go through: relative ones in a shell's command, whose folder is not known.
 */
async function stampsOf(
  host: Host,
  file: string,
  rest: readonly string[],
  cwd: string,
  texts: readonly string[],
): Promise<Record<string, string>> {
  const isOurs = (path: string): boolean =>
    path !== '' && !OF_THE_SYSTEM.test(path) && !/\/node_modules\//.test(path);
  const words = await Promise.all(
    rest.map((word) => (word === '' ? '' : realPathOf(host, resolve(cwd, word)))),
  );
  const files = [file, ...words].filter(isOurs);
  const paths = [cwd, ...files];
  const named: string[] = [];
  for (const name of texts.flatMap(namesIn)) {
    const path = resolve(cwd, name);
    const direct = await realPathOf(host, path);
    // `python -m app.main`: a module's name.
    const module = `${resolve(cwd, name.replaceAll('.', '/'))}.py`;
    const real = direct || (await realPathOf(host, module));
    if (!isOurs(real)) continue;
    named.push(real);
    if (real !== path) paths.push(direct === '' ? real : path);
  }
  const manifest = await realPathOf(host, join(cwd, 'package.json'));
  if (manifest !== '') paths.push(join(cwd, 'package.json'));
  // The first one is the application; what follows may be data.
  const known = [...files, ...named].filter((path) => path !== cwd);
  const areFolders = await Promise.all(known.map((path) => isFolder(host, path)));
  const first = known.find((_, at) => areFolders[at] !== true) ?? known[0] ?? manifest;
  if (first !== '') {
    const folder = (await isFolder(host, first)) ? first : dirname(first);
    await walk(host, folder, paths, DEPTH_MAX, { left: LOOKED_AT_MAX });
  }
  const unique = [...new Set(paths)];
  const stamps = await host.stamps(unique);
  const entries = unique.map((path, at) => [path, stamps[at] ?? ''] as const);
  return Object.fromEntries(entries.filter(([, stamp]) => stamp !== '').slice(0, STAMPED_MAX));
}

/** `-Ccurrent`, `-C/srv/current`: what a short option is glued to may be a path, too. */
function namesIn(text: string): string[] {
  const names = text.match(NAMES_IN_TEXT) ?? [];
  return names.flatMap((name) => (/^-\w./.test(name) ? [name, name.slice(2)] : [name]));
}

async function walk(
  host: Host,
  folder: string,
  paths: string[],
  depth: number,
  budget: { left: number },
): Promise<void> {
  if (depth === 0 || folder === '/') return;
  for (const { name, kind } of await host.list(folder)) {
    budget.left -= 1;
    if (budget.left < 0) return;
    if (name.startsWith('.') || name === 'node_modules') continue;
    const path = join(folder, name);
    if (kind === 'folder') await walk(host, path, paths, depth - 1, budget);
    else if (kind === 'file' && CODE.test(extname(name))) paths.push(path);
  }
}
