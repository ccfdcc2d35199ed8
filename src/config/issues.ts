// What zod found, as problems with positions and with what to do: the nearest known key, the map to
// write, where a key belongs. A path that ends in a missing key says so.

import type { z } from 'zod';
import { didYouMean, nearest } from '../base/suggest.ts';
import { formatAddress, parseAddress } from '../base/units.ts';
import { foreignWord, keyMeant } from './advice/foreign-words.ts';
import { mapAdvice } from './advice/map-advice.ts';
import { type ConfigDocument, type ConfigProblem, formatPath, type Path } from './document.ts';
import { keysIn, placesOf } from './reference.ts';

/** Maps that hold a token; so may each kind of registry. */
const SECRET_PLACES: ReadonlySet<string> = new Set([
  'admin',
  'services.<name>.env',
  'services.<name>.notify[]',
  'upstreams.<name>.check.headers',
  'services.<name>.check.headers',
]);

/** Unknown keys of one map that are listed; the rest are counted. */
const KEYS_SHOWN_MAX = 9;

export function problemsOfIssues(
  issues: readonly z.core.$ZodIssue[],
  document: ConfigDocument,
): ConfigProblem[] {
  // zod allows symbols in paths; YAML has none.
  const found = issues.map((issue) => ({
    issue,
    path: issue.path.map((step) => (typeof step === 'number' ? step : String(step))),
  }));
  const advised = new Set(
    found.flatMap(({ issue, path }) =>
      issue.code === 'unrecognized_keys' ? keysAdvised(issue, path) : [],
    ),
  );
  return found.flatMap(({ issue, path }) => {
    if (issue.code === 'unrecognized_keys') return unknownKeys(issue, path, document);
    if (isSplitAddress(path, document)) return [];
    const value = valueAt(document.data, path);
    if (value === undefined) {
      // The same mistake once: `command` is unknown, `start` is missing.
      if (advised.has(formatPath(path))) return [];
      return [document.problemAt(path, missing(path, document))];
    }
    return [document.problemAt(path, withMap(issue, path, value))];
  });
}

function missing(path: Path, document: ConfigDocument): string {
  const around = path.slice(0, -1);
  if (valueAt(document.data, around) !== null) return 'is missing; write it';
  const advice = mapAdvice(placeOf(around), String(around.at(-1) ?? ''), undefined);
  return `has nothing in it; ${advice ?? `write ${path.at(-1)} under it`}`;
}

/** The schema's message; where a map is missing, with the map to write. */
function withMap(issue: z.core.$ZodIssue, path: Path, value: unknown): string {
  const isShape =
    issue.code === 'invalid_type' && ['object', 'record', 'array'].includes(issue.expected);
  const key = String(path.findLast((step) => typeof step === 'string') ?? '');
  const advice = isShape ? mapAdvice(placeOf(path), key, value) : undefined;
  if (advice === undefined) return issue.message;
  const [what = ''] = issue.message.split('; ');
  // A bare text there may be the token.
  const isSecret =
    (SECRET_PLACES.has(placeOf(path)) || /^registr(y|ies\.<name>)\./.test(placeOf(path))) &&
    typeof value === 'string' &&
    !/^(on|off|[^ ]+:\d+|[^ ]+\.(ya?ml|json))$/.test(value);
  return `${isSecret ? what.replace(/^.*? where /, 'text where ') : what}; ${advice}`;
}

function unknownKeys(
  issue: z.core.$ZodIssueUnrecognizedKeys,
  path: Path,
  document: ConfigDocument,
): ConfigProblem[] {
  const place = placeOf(path);
  const split = splitAddress(valueAt(document.data, path), place);
  const keys = issue.keys.filter((key) => !split.keys.includes(key));
  const problemOf = (key: string, message: string): ConfigProblem => {
    const problem = document.problemAt([...path, key], message, 'key');
    // A long or odd key is no typing error; it is not shown.
    return /^[\w.@/+-]{1,40}$/.test(key) ? problem : { ...problem, path: formatPath(path) };
  };
  let isListed = false;
  const problems = keys.slice(0, KEYS_SHOWN_MAX).map((key) => {
    const advice = adviceOn(key, place);
    // The list of all that is known helps once.
    const isRepeated = advice.isList && isListed;
    isListed ||= advice.isList;
    return problemOf(key, isRepeated ? 'unknown key' : advice.text);
  });
  const [first] = split.keys;
  if (first !== undefined) problems.push(problemOf(first, `unknown key; ${split.advice}`));
  const next = keys[KEYS_SHOWN_MAX];
  if (next !== undefined) {
    const message = `and ${count(keys.length - KEYS_SHOWN_MAX, 'more unknown key')}`;
    problems.push({ ...problemOf(next, message), path: formatPath(path) });
  }
  return problems;
}

/** Paths of the keys that should stand there instead of the unknown ones. */
function keysAdvised(issue: z.core.$ZodIssueUnrecognizedKeys, path: Path): string[] {
  return issue.keys.slice(0, KEYS_SHOWN_MAX).flatMap((key) => {
    const { meant } = adviceOn(key, placeOf(path));
    return meant === undefined ? [] : [formatPath([...path, meant])];
  });
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

type Advice = {
  readonly text: string;
  /** The key of this map that should stand there. */
  readonly meant?: string | undefined;
  /** It names all keys of the map. */
  readonly isList: boolean;
};

function adviceOn(key: string, place: string): Advice {
  const foreign = foreignWord(key, place);
  if (foreign !== undefined) {
    return { text: `unknown key; ${foreign}`, meant: keyMeant(foreign), isList: false };
  }
  const known = keysIn(place);
  const near = nearest(key, known);
  if (near === undefined) {
    const places = placesOf(key).filter((other) => other !== '');
    const where = places.length > 0 ? places.slice(0, 3).join(' or ') : 'the top of the file';
    if (placesOf(key).length > 0)
      return { text: `unknown key here; it belongs to ${where}`, isList: false };
  }
  return {
    text: `unknown key; ${didYouMean(key, known)}`,
    meant: near,
    isList: near === undefined,
  };
}

/** Maps of names. */
const NAMED: ReadonlySet<string> = new Set(['upstreams', 'services', 'registries', 'hosts']);

/** `upstreams.<name>.servers[]` for `upstreams.app.servers[0]`. */
function placeOf(path: Path): string {
  let place = '';
  for (const [depth, step] of path.entries()) {
    if (typeof step === 'number') place += '[]';
    else if (depth === 1 && NAMED.has(String(path[0]))) place += '.<name>';
    else place += place === '' ? step : `.${step}`;
  }
  return place;
}

const NO_SPLIT = { keys: [], advice: '' };

/** `{ host: 10.0.0.1, port: 80 }` for a server: one mistake, and what it should be. */
function splitAddress(
  value: unknown,
  place: string,
): { readonly keys: readonly string[]; readonly advice: string } {
  if (place !== 'upstreams.<name>.servers[]' || typeof value !== 'object' || value === null)
    return NO_SPLIT;
  const fields = new Map<string, unknown>(Object.entries(value));
  const port = fields.get('port');
  const named = [...fields.keys()].find(
    (key) => key.length <= 80 && parseAddress(key) !== undefined,
  );
  if (named !== undefined) {
    return {
      keys: [named],
      advice: `write { address: ${named}, weight: 1 }: the attributes beside it`,
    };
  }
  const keys = ['host', 'ip', 'hostname', 'port'].filter((key) => fields.has(key));
  if (keys.length === 0 || (port === undefined && fields.has('address'))) return NO_SPLIT;
  const host = fields.get('address') ?? keys.map((key) => fields.get(key))[0];
  const text = `${String(host).includes(':') ? `[${String(host)}]` : String(host)}:${String(port)}`;
  const parsed = text.length > 80 ? undefined : parseAddress(text);
  const example = parsed === undefined ? '10.0.0.1:9001' : formatAddress(parsed);
  return {
    keys,
    advice: `host and port are one: write address: ${example.startsWith('[') ? `"${example}"` : example}`,
  };
}

/** A problem with the address of such a server says nothing more. */
function isSplitAddress(path: Path, document: ConfigDocument): boolean {
  if (path.at(-1) !== 'address') return false;
  const server = path.slice(0, -1);
  return splitAddress(valueAt(document.data, server), placeOf(server)).advice !== '';
}

function valueAt(data: unknown, path: Path): unknown {
  let value: unknown = data;
  for (const step of path) {
    // `127.0.0.1:80` in place of a map: the value is there, as text.
    if (value === null) return undefined;
    if (typeof value !== 'object') return value;
    if (!Object.hasOwn(value, step)) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}
