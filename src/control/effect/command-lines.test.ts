// The lines that a person copies: a shell reads every name and reason as one word, whatever is in it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { type Asked, cliLine, curlLine, shellWord } from './command-lines.ts';

const PLAIN: Asked = {
  ...{ upstream: 'app', server: '127.0.0.1:9001', action: 'drain', weight: 0, keep: 1 },
  ...{ reason: '', by: 'user:me', control: '127.0.0.1:8700', isClosed: false },
};
const HOSTILE = ["'; rm -rf / #", '$(id)', '`id`', '"', "it's", 'two\nlines', '*', '--help', '\\'];

/** What a shell makes of a line. */
function wordsOf(line: string): readonly string[] {
  const print = (name: string): string => `${name}() { printf '%s\\0' ${name} "$@"; };`;
  const script = `${print('sluice')} ${print('curl')} ${line}`;
  const env = { ...process.env, SLUICE_TOKEN: 'of a person' };
  return execFileSync('sh', ['-c', script], { encoding: 'utf8', env }).split('\0').slice(0, -1);
}

test('the usual lines are as a person would write them', () => {
  assert.equal(cliLine(PLAIN), 'sluice drain app 127.0.0.1:9001 --keep 1');
  assert.equal(
    curlLine(PLAIN),
    `curl -X POST http://127.0.0.1:8700/api/upstreams/app/servers/127.0.0.1:9001/admin -d '{"state":"drain","owner":"user:me","reason":"","keepEligible":1}'`,
  );
  const lines = (['maint', 'undrain', 'weight', 'deregister'] as const).map((action) =>
    cliLine({ ...PLAIN, action, weight: 3, keep: 0, reason: 'new kernel' }),
  );
  assert.deepEqual(lines, [
    "sluice maint app 127.0.0.1:9001 '--message=new kernel'",
    'sluice undrain app 127.0.0.1:9001',
    'sluice weight app 127.0.0.1:9001 3',
    'sluice instance leave app 127.0.0.1:9001',
  ]);
  const far = { ...PLAIN, control: 'https://10.0.0.5:8700', isClosed: true };
  assert.match(cliLine(far), / --control https:\/\/10\.0\.0\.5:8700$/);
  assert.match(
    curlLine(far),
    /^curl -X POST -H "authorization: Bearer \$SLUICE_TOKEN" https:\/\/10/,
  );
});

test('hostile names and reasons are one word each', () => {
  for (const text of HOSTILE) {
    assert.deepEqual(wordsOf(`sluice ${shellWord(text)}`), ['sluice', text]);
    const asked = {
      ...PLAIN,
      upstream: text,
      server: text,
      reason: text,
      by: text,
      isClosed: true,
    };
    const cli = wordsOf(cliLine(asked));
    assert.equal(cli.filter((word) => word === text).length, 2, text);
    assert(cli.includes(`--message=${text}`));
    // Names that look like options stand behind what ends the options.
    if (text.startsWith('-')) assert.deepEqual(cli.slice(-3), ['--', text, text]);
    const curl = wordsOf(curlLine(asked));
    assert.equal(curl.length, 8);
    assert.equal(curl[4], 'authorization: Bearer of a person');
    const body: unknown = JSON.parse(curl[7] ?? '');
    assert.deepEqual(body, { state: 'drain', owner: text, reason: text, keepEligible: 1 });
  }
});
