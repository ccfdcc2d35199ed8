import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ALONE, PARTIAL, TOGETHER } from '../../../test/support/base/scopes.ts';
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

test('each drain, admit, count and the result say for which gateways they hold, and who was not heard', async (t) => {
  const { service, control } = await scene(t);
  for (const [scope, version] of [
    [ALONE, 'v2'],
    [TOGETHER, 'v3'],
    [PARTIAL, 'v4'],
  ] as const) {
    control.scope = scope;
    const { result, events } = await deploy(service, control, version);
    assert.equal(result.outcome, 'succeeded');
    assert.equal(result.receipt?.complete, scope !== PARTIAL);
    assert.deepEqual(result.scope, scope);
    assert.deepEqual(result.receipt?.scope, scope);
    const done = events.filter((event) => event.type === 'step' && event.phase === 'done');
    for (const step of ['drain', 'admit']) {
      const said = done.filter((event) => event.type === 'step' && event.step === step);
      assert.equal(said.length, 2);
      for (const event of said) {
        const { gateways, missing } = event.type === 'step' ? event.data : {};
        assert.equal(gateways, { 0: undefined, 1: 2, 2: 3 }[scope.heard.length]);
        assert.equal(/web-3 \(silent/.test(`${missing}`), scope === PARTIAL);
      }
    }
    for (const event of events) if (event.type === 'traffic') assert.deepEqual(event.scope, scope);
    const notes = events.filter((event) => event.type === 'note' && /^not heard/.test(event.text));
    assert.equal(notes.length, scope === PARTIAL ? 1 : 0);
  }
});
