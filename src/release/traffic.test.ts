import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { deploy, scene, when } from '../../test/release-builders.ts';
import { journalFolder } from './files.ts';

test('a receipt that a restart cut off says so in the result and in the journal', async (t) => {
  const { service, control, a } = await scene(t);
  const whole = await deploy(service, control, 'v2');
  assert.equal(whole.result.receipt?.complete, true);
  assert.equal(whole.result.receipt?.missing, '');
  const restart = when(a, 'check', 'start', () => {
    control.hasForgotten = true;
  });
  const { result } = await deploy(service, control, 'v3', restart);
  assert.equal(result.outcome, 'succeeded');
  assert.equal(result.receipt?.complete, false);
  const missing = /^the gateway restarted, nothing is counted after \d\d:\d\d:\d\dZ$/;
  assert.match(result.receipt?.missing ?? '', missing);
  const file = join(journalFolder(service), `${result.release}.jsonl`);
  const [end = ''] = (await readFile(file, 'utf8')).trimEnd().split('\n').slice(-1);
  const written: { data: { receipt: unknown } } = JSON.parse(end);
  assert.deepEqual(written.data.receipt, result.receipt);
});
