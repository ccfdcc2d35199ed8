// YAML text → plain data that remembers where each value stood. Reports what YAML itself gets
// wrong (tabs, duplicate keys, unknown aliases, too much of anything); knows no key of ours.

import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { messageOf } from '../base/errors.ts';

export type Path = readonly (string | number)[];

/** One thing wrong with the file. Line and column count from 1. */
export type ConfigProblem = {
  readonly line: number;
  readonly column: number;
  /** `upstreams.app.servers[0].weight`, '' for the file as a whole. */
  readonly path: string;
  /** What is wrong; what to do. */
  readonly message: string;
};

/** `key`: point at the key itself (it should not be there), `value`: at what it holds. */
export type Where = 'key' | 'value';

export type ConfigDocument = {
  readonly data: unknown;
  readonly problems: readonly ConfigProblem[];
  /** A problem at a path; where the file has no such value, at the nearest value around it. */
  problemAt(path: Path, message: string, where?: Where): ConfigProblem;
};

/** Values that aliases may expand to, in all; a bomb of nested aliases stops here. */
const ALIASES_MAX = 1000;

export function readDocument(text: string): ConfigDocument {
  const lines = new LineCounter();
  const at = (offset: number, path: Path, message: string): ConfigProblem => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1), path: formatPath(path), message };
  };
  const failed = (message: string): ConfigDocument => {
    const problem = { line: 1, column: 1, path: '', message };
    return { data: undefined, problems: [problem], problemAt: () => problem };
  };

  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      merge: true,
      logLevel: 'error',
    });
  } catch (error) {
    // The parser recurses: thousands of nested brackets overflow the stack.
    if (error instanceof RangeError) return failed(TOO_DEEP);
    throw error;
  }
  if (document.errors.some(({ code }) => code === 'RESOURCE_EXHAUSTION')) return failed(TOO_DEEP);
  const problems = firstOfKind(
    document.errors.map((error) =>
      at(error.pos[0], [], yamlMessage(error.code, error.message, lineAt(text, error.pos[0]))),
    ),
  ).slice(0, SYNTAX_PROBLEMS_MAX);
  const root: unknown = document.contents;
  // A key that is given twice can be read, and what else is wrong is told with it.
  let isReadable = problems.length === 0;
  if (isReadable)
    walk(root, [], {
      problem: (node, path, text) => {
        isReadable = false;
        problems.push(at(offsetOf(node), path, text));
      },
      duplicate: (node, path, line) => {
        const text = `is given twice, first in line ${line}; keep one of the two`;
        problems.push(at(offsetOf(node), path, text));
      },
      lineOf: (node) => lines.linePos(offsetOf(node)).line,
      anchors: anchorsOf(root),
    });

  let data: unknown;
  if (isReadable) {
    try {
      data = document.toJS({ maxAliasCount: ALIASES_MAX });
    } catch (error) {
      if (!(error instanceof ReferenceError) && !(error instanceof RangeError)) throw error;
      problems.push(
        at(
          0,
          [],
          `aliases expand to too much (${messageOf(error).toLowerCase()}); write the values out`,
        ),
      );
    }
  }
  return {
    data,
    problems,
    problemAt(path, message, where = 'value') {
      const found = find(root, path, where);
      return at(found.offset, found.path, message);
    },
  };
}

/** One broken bracket makes the rest of a file look broken: the first few are the true ones. */
const SYNTAX_PROBLEMS_MAX = 5;
const TOO_DEEP = 'is nested too deeply; flatten it';
const UNKNOWN_FAULT = 'is not YAML from here on; check the brackets, quotes and indentation here';

/** What is not closed is reported at each end that it runs into; the first is the one to mend. */
function firstOfKind(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const kinds = problems.filter(
    ({ message }, index) => problems.findIndex((other) => other.message === message) === index,
  );
  // A message that names the fault is better than one that only says where reading stopped.
  const told = kinds.filter(({ message }) => message !== UNKNOWN_FAULT);
  return told.length > 0 ? told : kinds;
}

type Walk = {
  problem(node: unknown, path: Path, message: string): void;
  /** The key is given before, in `line`. */
  duplicate(node: unknown, path: Path, line: number): void;
  lineOf(node: unknown): number;
  readonly anchors: ReadonlySet<string>;
};

/** Reports duplicate keys, keys that are not words, and aliases without an anchor. */
function walk(node: unknown, path: Path, to: Walk): void {
  if (isAlias(node)) {
    if (!to.anchors.has(node.source)) {
      const shown = node.source.slice(0, 40);
      to.problem(
        node,
        path,
        `*${shown} is an alias without an anchor; quote it to mean the text: "*${shown}"`,
      );
    }
  } else if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) walk(item, [...path, index], to);
  } else if (isMap(node)) {
    /** Name → its line. */
    const seen = new Map<string, number>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? (typeof key.value === 'symbol' ? '<<' : String(key.value)) : '';
      const line = seen.get(name);
      if (!isScalar(key))
        to.problem(key, path, 'a key must be one word; quote it if it holds : { } [ ] *');
      else if (line !== undefined) to.duplicate(key, [...path, name], line);
      else seen.set(name, to.lineOf(key));
      walk(value, [...path, name], to);
    }
  }
}

function anchorsOf(root: unknown, found: Set<string> = new Set()): ReadonlySet<string> {
  if (isMap(root) || isSeq(root) || isScalar(root)) {
    if (root.anchor !== undefined) found.add(root.anchor);
  }
  if (isSeq(root)) for (const item of root.items) anchorsOf(item, found);
  if (isMap(root)) for (const pair of root.items) anchorsOf(pair.value, found);
  return found;
}

/** The offset of the value (or key) at `path`, and as much of the path as the file has. */
function find(root: unknown, path: Path, where: Where): { offset: number; path: Path } {
  let node = root;
  let offset = offsetOf(root);
  for (const [depth, step] of path.entries()) {
    const isLast = depth === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(step),
      );
      // A key that is missing: the map around it is the place, the whole path its name.
      if (pair === undefined) return { offset, path };
      const isAtKey = (isLast && where === 'key') || isNothing(pair.value);
      offset = offsetOf(isAtKey ? pair.key : pair.value);
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      if (node === undefined) return { offset, path };
      offset = offsetOf(node);
    } else {
      // The path goes on inside a value that the schema read as a map: `127.0.0.1:80`.
      return { offset, path: isAlias(node) || node === null ? path : path.slice(0, depth) };
    }
  }
  return { offset, path };
}

/** `key:` with nothing after it: the place is the key. */
function isNothing(node: unknown): boolean {
  if (isScalar(node)) return node.source === '' && node.type === 'PLAIN';
  return !isMap(node) && !isSeq(node) && !isAlias(node);
}

function offsetOf(node: unknown): number {
  const hasRange = isMap(node) || isSeq(node) || isScalar(node) || isAlias(node);
  return hasRange ? (node.range?.[0] ?? 0) : 0;
}

/** `upstreams.app.servers[0].weight`; names with other characters in quotes. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w-]{1,64}$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step.length > 64 ? `${step.slice(0, 40)}…` : step)}]`;
  }
  return text;
}

/** What the YAML parser found, in our words where they help more than its own. */
function yamlMessage(code: string, message: string, line: string): string {
  if (/(^|[\s,[])\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]:\d/.test(line)) {
    return 'an IPv6 address must be in quotes; write "[::1]:9001"';
  }
  // The parser gives these two the codes of other mistakes, so only its words tell them apart.
  if (message.startsWith('Flow')) return 'a [ or { before this is not closed; close it';
  if (message.startsWith('Missing closing')) return 'a quote before this is not closed; close it';
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'a tab cannot indent YAML; use two spaces';
    case 'MULTIPLE_DOCS':
      return 'a second document begins here; keep one document per file';
    case 'BAD_INDENT':
      return 'is not indented like its neighbours; line it up with them';
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'a second "key:" begins on one line; put it on its own line, or quote the value';
    case 'MISSING_CHAR':
      if (/^\s*-[^\s-]/.test(line)) return 'a dash begins an item; write a blank after it';
      return 'something is missing before this, like a : after a key; check the brackets and quotes too';
    default:
      // The parser's own words quote the file, which may be none of ours.
      return UNKNOWN_FAULT;
  }
}

function lineAt(text: string, offset: number): string {
  const end = text.indexOf('\n', offset);
  return text.slice(text.lastIndexOf('\n', offset - 1) + 1, end === -1 ? text.length : end);
}
