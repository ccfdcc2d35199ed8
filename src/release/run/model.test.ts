// The engine under schedules that nobody would write: releases that fail, die, stand still and overlap, people who
// take servers meanwhile, a control plane that goes away. Time is simulated; SLUICE_MODEL_SEEDS=FROM-TO plays others.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const PLAY = join(import.meta.dirname, '../../../test/support/release/model/play.ts');
const SEEDS = process.env['SLUICE_MODEL_SEEDS'] ?? '1-100';
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

test('whatever happens, no release breaks a promise, and the next one puts all right', async (t) => {
  const broken = await new Promise<string>((resolve) => {
    const options = { signal: t.signal, maxBuffer: OUTPUT_BYTES_MAX };
    execFile(
      process.execPath,
      ['--no-warnings', PLAY, ...SEEDS.split('-')],
      options,
      (error, stdout, stderr) => {
        resolve(error === null ? '' : `${stdout}${stderr}${error.message}`);
      },
    );
  });
  assert.equal(broken, '', broken);
});
