// What a launch really ran: real paths in place of links, and how the code looked then. A link such
// as `current` leads elsewhere after the next version was unpacked, and code may be replaced where it
// is: a revert by the configured names would run the new code under the old version's name.

import { type Dirent, readdirSync, statSync } from 'node:fs';
import { basename, delimiter, dirname, extname, join, resolve } from 'node:path';
import type { Launch, Pin } from '../journal/instance-record.ts';
import { environmentOf } from './environment.ts';
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

/** Taken at the start; not for a launch that has one already. */
export function pinOf(launch: Launch): Pin {
  const cwd = realPathOf(launch.cwd) || launch.cwd;
  const [program = '', ...rest] = launch.argv;
  const { values } = environmentOf(launch);
  const file = findProgram(program, launch.cwd, values['PATH'] ?? '');
  const argv = [namedOf(program, launch.cwd, cwd), ...rest.map((word) => realWord(word, cwd))];
  const env = Object.fromEntries(
    Object.entries(launch.env).map(([name, text]) => [name, realList(text)]),
  );
  const texts = [...argv.slice(1), ...Object.values(env)];
  return {
    file,
    argv,
    cwd,
    env,
    path: realList(launch.path),
    stamps: stampsOf(program.includes('/') ? file : '', rest, cwd, texts),
  };
}

/** The launch by its real paths, and the program's file; as it is when nothing is known of them. */
export function pinned(launch: Launch): { readonly launch: Launch; readonly file: string } {
  const { pin } = launch;
  const [program = ''] = launch.argv;
  if (pin === undefined) return { launch, file: program };
  const { argv, cwd, env, path } = pin;
  // A program of the PATH that is gone was updated: then its name leads to the new one.
  const file = !program.includes('/') && stampOf(pin.file) === '' ? program : pin.file || program;
  return { launch: { ...launch, argv, cwd, env, path }, file };
}

/** Why a revert to this launch cannot bring back what ran; '' when nothing speaks against it. */
export function backProblem(launch: Launch): string {
  if (launch.argv.length === 0) return 'its command is not known';
  const { launch: real, file } = pinned(launch);
  if (!isFolder(real.cwd)) return `the folder ${real.cwd} is gone`;
  const problem = launchProblem({ ...real, argv: [file, ...real.argv.slice(1)] });
  if (problem !== '') return problem;
  for (const [path, stamp] of Object.entries(launch.pin?.stamps ?? {})) {
    const now = stampOf(path);
    if (now === '') return `${path} is gone`;
    if (now === stamp) continue;
    const isLink = realPathOf(path) !== path;
    return isLink ? `${path} leads to other code now` : `the code was replaced in place (${path})`;
  }
  return '';
}

/** Its folder's real path, its own name: what it is called by (busybox, venv) stays. */
function namedOf(program: string, cwd: string, real: string): string {
  if (!program.includes('/')) return program;
  const folder = realPathOf(dirname(resolve(cwd, program)));
  const name = join(folder, basename(program));
  return folder === '' || name === resolve(real, program) ? program : name;
}

/** `app.js`, `--config=current/app.conf`: a word that is a path, where links are in it. */
function realWord(word: string, cwd: string): string {
  const [, option = '', path = ''] = /^(-[\w-]+=)?(.*)$/s.exec(word) ?? [];
  const real = path === '' ? '' : realOf(resolve(cwd, path));
  if (real === '') return word.replace(PATHS_IN_TEXT, realInText);
  return real === resolve(cwd, path) ? word : `${option}${real}`;
}

/** `cd /srv/current && exec node app.js`: what cannot be taken for something else by the shell. */
function realInText(path: string): string {
  const real = realOf(path);
  return SAFE_IN_TEXT.test(real) && real !== resolve(path) ? real : path;
}

/** Of a program its own name stays: by it busybox, or the python of a venv, knows what it is. */
function realOf(path: string): string {
  const real = realPathOf(path);
  return isProgram(real) ? join(realPathOf(dirname(path)), basename(path)) : real;
}

/** Absolute paths in a value, which may be a list of them as PATH is. */
function realList(text: string): string {
  // `http://host/path` has parts like it, and is none.
  if (!text.startsWith('/')) return text;
  const parts = text.split(delimiter);
  const real = (part: string): string => (/^\/[^/]/.test(part) ? realPathOf(part) : '');
  return parts.map((part) => real(part) || part).join(delimiter);
}

/**
 * The folder as such, the program's file, the code files around what is started, and the links that
 * the texts still go through: relative ones in a shell's command, of which nobody knows from where.
 */
function stampsOf(
  file: string,
  rest: readonly string[],
  cwd: string,
  texts: readonly string[],
): Record<string, string> {
  const stamps = new Map<string, string>();
  const add = (path: string): void => {
    const stamp = stampOf(path);
    if (stamp !== '' && stamps.size < STAMPED_MAX) stamps.set(path, stamp);
  };
  add(cwd);
  const isOurs = (path: string): boolean =>
    path !== '' && !OF_THE_SYSTEM.test(path) && !/\/node_modules\//.test(path);
  const words = rest.map((word) => (word === '' ? '' : realPathOf(resolve(cwd, word))));
  const files = [file, ...words].filter(isOurs);
  for (const path of files) add(path);
  const named: string[] = [];
  for (const name of texts.flatMap((text) => text.match(NAMES_IN_TEXT) ?? [])) {
    const path = resolve(cwd, name);
    const real = realPathOf(path) || realPathOf(`${resolve(cwd, name.replaceAll('.', '/'))}.py`);
    if (!isOurs(real)) continue;
    named.push(real);
    if (real !== path) add(realPathOf(path) === '' ? real : path);
  }
  const manifest = join(cwd, 'package.json');
  if (stampOf(manifest) !== '') add(manifest);
  // The first one is the application; what follows may be data.
  const known = [...files, ...named].filter((path) => path !== cwd);
  const first = known.find((path) => !isFolder(path)) ?? known[0] ?? realPathOf(manifest);
  const budget = { left: LOOKED_AT_MAX };
  if (first !== '') walk(isFolder(first) ? first : dirname(first), add, DEPTH_MAX, budget);
  return Object.fromEntries(stamps);
}

function walk(
  folder: string,
  add: (path: string) => void,
  depth: number,
  budget: { left: number },
): void {
  if (depth === 0 || folder === '/') return;
  for (const entry of entriesOf(folder)) {
    budget.left -= 1;
    if (budget.left < 0) return;
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) walk(path, add, depth - 1, budget);
    else if (entry.isFile() && CODE.test(extname(entry.name))) add(path);
  }
}

function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // Not readable: nothing can be said of it.
  }
}

/** A folder is the same while it is the same folder, a file while nobody wrote to it; '' = gone. */
function stampOf(path: string): string {
  const found = path === '' ? undefined : statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return '';
  const base = `${found.dev}:${found.ino}`;
  return found.isDirectory() ? base : `${base}:${found.size}:${found.mtimeMs}`;
}
