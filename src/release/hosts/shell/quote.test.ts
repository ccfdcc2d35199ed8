import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { findPeer } from '../../../../test/support/peers/programs.ts';
import { exports, q, withArguments } from './quote.ts';

const SHELLS = ['/bin/sh', '/bin/bash', findPeer('busybox')].filter((path) => path !== undefined);
const SIGNS = [
  ...["'", '"', '\\', '$', '`', '!', '\n', '\r', '\t', ' ', '*', '?', '[', '~', '#', '&', ';', '|'],
  ...[
    '<',
    '>',
    '(',
    ')',
    '{',
    '}',
    '=',
    '%',
    '-',
    '',
    'a',
    'é',
    '漢',
    '😀',
    '\x01',
    '\x7f',
    '\x1e',
  ],
];

/** Seeded: the same words each time. */
function* words(count: number): Generator<string> {
  let seed = 7;
  const next = (most: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * most);
  };
  for (let at = 0; at < count; at += 1) {
    yield Array.from({ length: next(12) }, () => SIGNS[next(SIGNS.length)]).join('');
  }
}

for (const shell of SHELLS) {
  const run = (script: string): string => {
    const argv = shell.endsWith('busybox') ? ['sh', '-s'] : ['-s'];
    return execFileSync(shell, argv, { input: script, encoding: 'utf8', maxBuffer: 2 ** 26 });
  };

  test(`${shell} reads every word as it is`, () => {
    const all = [...words(2000), "'; touch /tmp/x; '", '$(id)', '-n', '--', 'a'.repeat(100_000)];
    const script = withArguments(`for p; do printf '%s\\0' "$p"; done`, all);
    assert.deepEqual(run(script).split('\0').slice(0, -1), all);
  });

  test(`${shell} exports every value as it is, and none of its own`, () => {
    const values = [...words(300)];
    const env = Object.fromEntries(values.map((value, at) => [`V_${at}`, value]));
    const print = values.map((_, at) => `printf '%s\\0' "$V_${at}"`).join('\n');
    const odd = { 'a-b': 'x', 'BASH_FUNC_x%%': '() { :; }', UID: '7', SHELLOPTS: 'x', '': 'y' };
    const script = `${exports({ ...odd, ...env })}${print}\n`;
    assert.deepEqual(run(script).split('\0').slice(0, -1), values);
  });
}

test('a NUL is refused, as no shell can hold it', () => {
  assert.throws(() => q('a\0b'), RangeError);
});
