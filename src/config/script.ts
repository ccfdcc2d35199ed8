// A configuration in TypeScript or JavaScript → the data of a file in YAML, which is what everything behind
// this knows. Node strips the types itself. The file may compute what it likes; what it exports is data:
// a plan that is stored and a daemon that reloads cannot call functions of it.
//
// Problems name the key as it is written there, in camelCase; a line is not known, because a value may have
// come from anywhere.

import { registerHooks } from 'node:module';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { messageOf } from '../base/errors.ts';
import { type ConfigDocument, type ConfigProblem, formatPath, type Path } from './document.ts';
import { camelCase, camelWords, snakeData } from './script/names.ts';

const EXTENSIONS: ReadonlySet<string> = new Set(['.ts', '.mts', '.js', '.mjs']);
/** The name under which such a file imports defineConfig. */
const OWN_NAME = 'sluice/config';

let loads = 0;

export function isScript(file: string): boolean {
  return EXTENSIONS.has(extname(file));
}

/** What the file exports. Read anew each time. */
export async function readScript(file: string): Promise<ConfigDocument> {
  const url = pathToFileURL(file);
  loads += 1;
  url.searchParams.set('sluice', String(loads));
  // It resolves without an installed package, too, and then to this very program.
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === OWN_NAME ? { url: ownUrl(), shortCircuit: true } : next(specifier, context),
  });
  let exported: unknown;
  try {
    const module: Readonly<Record<string, unknown>> = await import(url.href);
    exported = await module['default'];
  } catch (error) {
    return failed(`could not be run: ${oneLine(error)}${placeIn(file, error)}`);
  } finally {
    hooks.deregister();
  }
  if (typeof exported === 'function') {
    return failed('exports a function; export what it returns: export default defineConfig({ … })');
  }
  if (typeof exported !== 'object' || exported === null || Array.isArray(exported)) {
    return failed(
      'has no configuration as its default export; write export default defineConfig({ … })',
    );
  }
  return documentOf(exported);
}

/** Data that was made by code, as a document. */
export function documentOf(exported: object): ConfigDocument {
  const { data, names, flaws } = snakeData(exported);
  const problemAt = (path: Path, message: string): ConfigProblem => {
    // The names as they are written, as far as they are; a missing key as it would be.
    let depth = path.length;
    while (depth > 0 && !names.has(keyOf(path.slice(0, depth)))) depth -= 1;
    const written = names.get(keyOf(path.slice(0, depth))) ?? [];
    const rest = path
      .slice(depth)
      .map((step) => (typeof step === 'string' ? camelCase(step) : step));
    return problem(formatPath([...written, ...rest]), camelWords(message));
  };
  const problems = flaws.map(({ path, message }) => problem(formatPath(path), message));
  return { data: problems.length > 0 ? undefined : data, problems, problemAt };
}

function keyOf(path: Path): string {
  return JSON.stringify(path);
}

/** Line 0: none is known. */
function problem(path: string, message: string): ConfigProblem {
  return { line: 0, column: 0, path, message };
}

function failed(message: string): ConfigDocument {
  const only = problem('', message);
  return { data: undefined, problems: [only], problemAt: () => only };
}

function ownUrl(): string {
  return new URL(`./define${extname(import.meta.url)}`, import.meta.url).href;
}

function oneLine(error: unknown): string {
  return messageOf(error).replaceAll(/\s+/g, ' ').trim();
}

/** ` (line 7)`, from the stack of what it threw. */
function placeIn(file: string, error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const at = stack.indexOf(pathToFileURL(file).href);
  const line = at === -1 ? undefined : /^[^\s:]*:\/\/[^\s:]*:(\d+)/.exec(stack.slice(at))?.[1];
  return line === undefined ? '' : ` (line ${line})`;
}
