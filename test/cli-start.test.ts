// What the command loads before it knows its verb: every start pays for it, and clients' harnesses wait for one.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { COMMAND } from './support/cli/process.ts';

const run = promisify(execFile);

/** Prints the folders of src/ that were loaded. */
const SPY = `import { registerHooks } from 'node:module';
const seen = new Set();
registerHooks({ load(url, context, next) {
  const [, folder] = /\\/src\\/(\\w+)/.exec(url) ?? [];
  if (folder !== undefined) seen.add(folder);
  return next(url, context);
} });
process.on('exit', () => process.stderr.write([...seen].join()));`;

for (const argv of [['--version'], ['deploy', '--help'], ['consul', 'version']]) {
  test(`sluice ${argv.join(' ')} loads neither engine nor daemon`, async () => {
    const spy = `data:text/javascript,${encodeURIComponent(SPY)}`;
    const { stderr } = await run(process.execPath, ['--import', spy, COMMAND, ...argv]);
    const heavy = /^(release|gateway|gateways|registry|control|daemon|workers|config|health)$/;
    const loaded = stderr.split(',');
    assert(loaded.includes('cli'), stderr);
    assert.deepEqual(
      loaded.filter((folder) => heavy.test(folder)),
      [],
    );
  });
}
