// A release whose runner is killed is gone on with by `sluice resume`.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startLoad } from '../demo/load.ts';
import { versionOf } from './support/release/builders.ts';
import { FIRST, killAfter, poolOf, STEPS, stackAt, watchPool } from './support/release/killed.ts';

test('a release whose runner is killed after a record is resumed, its journal linear', async (t) => {
  const it = await stackAt(t, 'v0');
  const load = startLoad({ host: '127.0.0.1', port: it.stack.ports.gateway, rate: 40 });
  it.cleanup.add(() => load.stop());
  let number = 1;
  for (let count = FIRST + 1; count <= FIRST + 2 * STEPS; count += 1) {
    number += 1;
    const [version, release] = [`v${number}`, `r${number}`];
    await t.test(`killed after record ${count}`, async () => {
      const pool = watchPool(it);
      await killAfter(it, version, release, count);
      const resumed = await it.stack.cli(['resume', 'app']);
      assert.equal(resumed.code, 0, resumed.text);
      assert((await pool.stop()) >= 1, 'the pool was empty for a moment');
      assert.deepEqual(await Promise.all(it.instances.map(versionOf)), [version, version]);
      assert.deepEqual(await poolOf(it), ['ready ok', 'ready ok']);
      const shown = await it.stack.cli(['show', 'app', release, '--json']);
      const { records }: { records: { seq: number; kind: string }[] } = JSON.parse(shown.text);
      assert.deepEqual(
        records.map(({ seq }) => seq),
        records.map((_, at) => at),
      );
      assert.equal(records.filter(({ kind }) => kind === 'resume').length, 1);
      assert.equal(records.at(-1)?.kind, 'end');
      assert.deepEqual(load.summary().failures, []);
    });
  }
  assert.equal((await load.stop()).failed, 0);
});

test('a version that had failed is not tried again: what was being brought back is', async (t) => {
  const it = await stackAt(t, 'v1');
  const attempts = async (release: string): Promise<number> => {
    const text = await readFile(it.journal(release), 'utf8');
    return text.split('\n').filter((line) => /"intent".*"step":"start".*"revert":false/.test(line))
      .length;
  };
  // The five steps until the check fails, then: before the stop of what failed, and after the old one's start.
  for (const [number, count] of [
    [2, 11],
    [3, 15],
  ] as const) {
    const release = `r${number}`;
    await killAfter(it, 'broken', release, FIRST + count);
    const resumed = await it.stack.cli(['resume', 'app']);
    assert.equal(resumed.code, 1, resumed.text);
    assert.equal(await attempts(release), 1);
    assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v1', 'v1']);
    assert.deepEqual(await poolOf(it), ['ready ok', 'ready ok']);
  }
});
