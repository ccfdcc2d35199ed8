import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ALONE, SHARED } from '../../../test/support/base/scopes.ts';
import { deploy, scene, when } from '../../../test/support/release/builders.ts';
import { journalFolder } from '../journal/files.ts';

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

test('beside other gateways each drain, admit, count and the result say that those were not asked', async (t) => {
  const { service, control } = await scene(t);
  for (const [scope, version] of [
    [ALONE, 'v2'],
    [SHARED, 'v3'],
  ] as const) {
    control.scope = scope;
    const { result, events } = await deploy(service, control, version);
    assert.equal(result.outcome, 'succeeded');
    assert.deepEqual(result.scope, scope);
    assert.deepEqual(result.receipt?.scope, scope);
    const done = events.filter((event) => event.type === 'step' && event.phase === 'done');
    for (const step of ['drain', 'admit']) {
      const said = done.filter((event) => event.type === 'step' && event.step === step);
      assert.equal(said.length, 2);
      for (const event of said) {
        const others = event.type === 'step' ? event.data['other_gateways'] : '';
        assert.equal(others, scope === SHARED ? 'not asked' : undefined);
      }
    }
    for (const event of events) if (event.type === 'traffic') assert.deepEqual(event.scope, scope);
    const notes = events.filter(
      (event) => event.type === 'note' && /other gateways/.test(event.text),
    );
    assert.equal(notes.length, scope === SHARED ? 1 : 0);
  }
});
