// The log of a process whose standard error cannot be written: it never ends the program.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';

test('a log on a full disk does not end the program, however much it says', () => {
  const program = `
    import { createLog } from ${JSON.stringify(new URL('./log.ts', import.meta.url).href)};
    const log = createLog('info');
    for (let line = 0; line < 50; line++) {
      log.error({ filler: 'x'.repeat(50_000) }, 'said in vain');
      await new Promise((resolve) => setImmediate(resolve));
    }
    console.log('alive');`;
  // Every write to /dev/full fails with ENOSPC.
  const full = openSync('/dev/full', 'w');
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', full],
    encoding: 'utf8',
  });
  closeSync(full);
  assert.equal(child.stdout, 'alive\n');
  assert.equal(child.status, 0);
});

test('another level holds for the log and for the children that it has', () => {
  const program = `
    import { createLog } from ${JSON.stringify(new URL('./log.ts', import.meta.url).href)};
    const log = createLog('warn');
    const child = log.child({ component: 'a' }).child({ part: 'b' });
    child.info({}, 'one');
    log.setLevel('info');
    child.info({}, 'two');
    child.debug({}, 'three');
    log.setLevel('silent');
    log.error({}, 'four');`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  const lines = child.stderr.trimEnd().split('\n');
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /"component":"a","part":"b","msg":"two"/);
});
