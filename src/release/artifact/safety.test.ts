import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArchiveSafety } from './safety.ts';
import type { TarEntry } from './tar/read.ts';

/** `a` a file, `a/` a folder, `a>b` a link, `a=b` a hard link, `a!` a pipe. */
function problemOf(...texts: readonly string[]): string {
  const safety = new ArchiveSafety();
  for (const text of texts) {
    const [, name = '', sign = '', target = ''] = /^([^>=!]*)([>=!]?)(.*)$/.exec(text) ?? [];
    const kinds: Record<string, TarEntry['kind']> = { '>': 'link', '=': 'hard link', '!': 'other' };
    const kind = kinds[sign] ?? (name.endsWith('/') ? 'folder' : 'file');
    const problem = safety.add({ name, kind, what: 'a pipe', size: 0, target, content: null });
    if (problem !== '') return problem;
  }
  return safety.leadingOut();
}

const GOOD: readonly (readonly string[])[] = [
  ['./', './a', 'b/', 'b/c', 'b//d', 'b/./e'],
  ['a/x>../b', 'b'],
  ['node_modules/.bin/tool>../tool/cli.js', 'node_modules/tool/cli.js'],
  ['a>b', 'b>c', 'c/d'],
  ['a>b', 'b>a'],
  ['a>nowhere'],
  ['a', 'b=a', 'c=b', 'a'],
  ['a..b', '..c/d', 'x>..c'],
];
for (const entries of GOOD) {
  test(`unpacks ${entries.join(' ')}`, () => assert.equal(problemOf(...entries), ''));
}

const BAD: readonly (readonly [RegExp, ...string[]])[] = [
  [/whole path/, '/etc/passwd'],
  [/"..\/a" leads out/, '../a'],
  [/leads out/, 'a/../b'],
  [/leads out/, 'a/..'],
  [/is no name/, '.'],
  [/"a" is a link that leads out of it, to "\/etc"/, 'a>/etc'],
  [/leads out/, 'a>..'],
  [/leads out/, 'a/b>../../c'],
  [/leads out/, 'a>'],
  // By the text alone it stays inside: the detour leads to the parent of a folder far up.
  [/leads out/, 'a/b/up>../..', 'l>a/b/up/..'],
  [/leads out/, 'l>m/../x', 'm>.'],
  [/goes through the link a/, 'a>b', 'b/', 'a/c'],
  [/goes through the link a/, 'a>.', 'a/b/c'],
  [/twice, once as a link/, 'a>b', 'a'],
  [/twice, once as a link/, 'a', 'a>b'],
  [/twice, once as a link/, 'a/b', 'a>c'],
  [/twice, once as a link/, 'a>b', 'a>c'],
  [/no file before it/, 'a=/etc/passwd'],
  [/no file before it/, 'a=../x'],
  [/no file before it/, 'a=b', 'b'],
  [/no file before it/, 'l>x', 'a=l'],
  [/no file before it/, 'a/', 'b=a'],
  [/twice, once as a link/, 'a/', 'a>b'],
  [/"a\/b" is a pipe/, 'a/b!'],
];
for (const [reason, ...entries] of BAD) {
  test(`refuses ${entries.join(' ')}`, () => assert.match(problemOf(...entries), reason));
}
