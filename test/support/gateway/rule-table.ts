// Reads the tables of cases, requests.txt and responses.txt; what their columns mean is said there.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const NAMED: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '\\': '\\' };

function unescaped(text: string): string {
  return text.replace(
    /\\(?:\((.*?)\\\)([0-9]+)\.|x([0-9a-f]{2})|(.))/g,
    (_all, unit?: string, times?: string, hex?: string, name?: string) => {
      if (unit !== undefined) return unescaped(unit).repeat(Number(times));
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      const named = NAMED[name ?? ''];
      assert(named !== undefined, `unknown escape \\${name} in ${text}`);
      return named;
    },
  );
}

/** What a case expects beyond a status: `has` and `lacks` may stand there several times. */
export type Expected = {
  readonly body: string | undefined;
  readonly has: readonly string[];
  readonly lacks: readonly string[];
  readonly interims: readonly number[] | undefined;
  /** The columns that are one word. */
  readonly marks: ReadonlySet<string>;
};

export type Row = {
  readonly section: string;
  readonly rule: string;
  readonly name: string;
  /** The columns behind the name, in number as asked for. */
  readonly columns: readonly string[];
  readonly expected: Expected;
};

export function readTable(file: string, columns: number): Row[] {
  const [, ...parts] = readFileSync(
    join(import.meta.dirname, '../../gateway-rules', file),
    'utf8',
  ).split('\n\n');
  const rows: Row[] = [];
  let section = '';
  for (const line of parts.join('\n').split('\n')) {
    if (line.startsWith('# ')) section = line.slice(2);
    if (line === '' || line.startsWith('# ')) continue;
    const [rule = '', name = '', ...others] = line.split('\t');
    assert.match(rule, /^[1-9][0-9]?$/, line);
    assert(others.length >= columns, `too few columns: ${line}`);
    rows.push({
      section,
      rule,
      name,
      columns: others.slice(0, columns).map(unescaped),
      expected: expectedOf(others.slice(columns)),
    });
  }
  return rows;
}

function expectedOf(options: readonly string[]): Expected {
  const all = (word: string): string[] =>
    options
      .filter((option) => option === word || option.startsWith(`${word} `))
      .map((option) => unescaped(option.slice(word.length + 1)));
  const [interims] = all('interims');
  return {
    body: all('body')[0],
    has: all('has'),
    lacks: all('lacks'),
    interims: interims?.split(' ').filter(Boolean).map(Number),
    marks: new Set(options),
  };
}
