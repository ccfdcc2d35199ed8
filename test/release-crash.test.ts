import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { type Load, startLoad } from '../demo/load.ts';
import { versionOf } from './support/release/builders.ts';
import { watchPool } from './support/release/killed.ts';
import { type ReleaseStack, startDeploy, startReleaseStack } from './support/release/stack.ts';

/** Records of a release of two instances: begin, plan, six steps of each with intent and done. */
const RECORDS = 2 + 2 * 6 * 2;
/** Records of a broken release until its revert begins, and of the revert's four steps. */
const BEFORE_REVERT = 2 + 5 * 2;
const REVERT = 4 * 2;

/** The whole lines of a release's journal so far. */
async function records(it: ReleaseStack, release: string): Promise<readonly string[]> {
  const text = await readFile(it.journal(release), 'utf8').catch(() => '');
  return text.split('\n').slice(0, -1);
}

/** A stack at v0 under load. */
async function stackUnderLoad(t: TestContext): Promise<{ it: ReleaseStack; load: Load }> {
  const it = await startReleaseStack(t);
  const first = await it.stack.cli(['deploy', 'app', '--version', 'v0']);
  assert.equal(first.code, 0, first.text);
  const load = startLoad({ host: '127.0.0.1', port: it.stack.ports.gateway, rate: 40 });
  it.cleanup.add(() => load.stop());
  return { it, load };
}

/** Starts a release and kills its runner when so many records are in its journal. */
async function killAfter(
  it: ReleaseStack,
  version: string,
  name: string,
  count: number,
): Promise<void> {
  const runner = startDeploy(it, version);
  let isOver = false;
  void runner.exited.then(() => {
    isOver = true;
  });
  while ((await records(it, name)).length < count && !isOver) await turnOfTheLoop();
  await runner.stop('SIGKILL');
  const written = await records(it, name);
  assert(written.length >= count, `${written.join('\n')}\n${runner.tail()}`);
  assert(!written.at(-1)?.includes('"kind":"end"'), 'the kill came too late to test anything');
}

/** The next deploy says what it found, and everything is well after it. */
async function assertTakenOver(it: ReleaseStack, version: string, dead: string): Promise<void> {
  const again = await it.stack.cli(['deploy', 'app', '--version', version]);
  assert.equal(again.code, 0, again.text);
  assert.match(again.text, new RegExp(`release ${dead} to .* died `));
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), [version, version]);
  const [upstream] = (await it.stack.status()).upstreams;
  for (const server of upstream?.servers ?? []) {
    assert.deepEqual([server.admin.state, server.eligibility], ['ready', 'ok'], server.id);
  }
}

test('a release whose runner is killed after any record is finished by the next one', async (t) => {
  const { it, load } = await stackUnderLoad(t);
  for (let count = 1; count <= RECORDS; count += 1) {
    await t.test(`killed after record ${count}`, async () => {
      const [version, dead] = [`v${count}`, `r${2 * count}`];
      const pool = watchPool(it);
      await killAfter(it, version, dead, count);
      await assertTakenOver(it, version, dead);
      assert((await pool.stop()) >= 1, 'the pool was empty for a moment');
      assert.deepEqual(load.summary().failures, []);
    });
  }
  assert.equal((await load.stop()).failed, 0);
});

test('a revert whose runner is killed after any record is finished by the next release', async (t) => {
  const { it, load } = await stackUnderLoad(t);
  for (let count = 1; count <= REVERT; count += 1) {
    await t.test(`killed after record ${count} of the revert`, async () => {
      const dead = `r${2 * count}`;
      const pool = watchPool(it);
      await killAfter(it, 'broken', dead, BEFORE_REVERT + count);
      await assertTakenOver(it, `v${count}`, dead);
      assert((await pool.stop()) >= 1, 'the pool was empty for a moment');
      assert.deepEqual(load.summary().failures, []);
    });
  }
  assert.equal((await load.stop()).failed, 0);
});

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
