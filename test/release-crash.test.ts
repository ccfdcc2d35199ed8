import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { startLoad } from '../demo/load.ts';
import { versionOf } from './release-builders.ts';
import { type ReleaseStack, startDeploy, startReleaseStack } from './release-stack.ts';

/** Records of a release of two instances: begin, plan, six steps twice each with intent and done. */
const RECORDS = 2 + 2 * 6 * 2;

/** The whole lines of a release's journal so far. */
async function records(it: ReleaseStack, release: string): Promise<readonly string[]> {
  const text = await readFile(it.journal(release), 'utf8').catch(() => '');
  return text.split('\n').slice(0, -1);
}

/** Looks at the pool as fast as it answers; the fewest eligible servers seen. */
function watchPool({ stack }: ReleaseStack): { stop(): Promise<number> } {
  let least = Number.POSITIVE_INFINITY;
  let isOver = false;
  const watching = (async (): Promise<void> => {
    while (!isOver) {
      const [upstream] = (await stack.status()).upstreams;
      least = Math.min(least, upstream?.eligible ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await watching;
      return least;
    },
  };
}

test('a release whose runner is killed after any record is finished by the next one', async (t: TestContext) => {
  const it = await startReleaseStack(t);
  const first = await it.stack.cli(['deploy', 'app', '--version', 'v0']);
  assert.equal(first.code, 0, first.text);
  const load = startLoad({ host: '127.0.0.1', port: it.stack.ports.gateway, rate: 40 });
  it.cleanup.add(() => load.stop());
  let release = 1;

  for (let count = 1; count <= RECORDS; count += 1) {
    await t.test(`killed after record ${count}`, async () => {
      const version = `v${count}`;
      const pool = watchPool(it);
      release += 1;
      const name = `r${release}`;
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

      const again = await it.stack.cli(['deploy', 'app', '--version', version]);
      release += 1;
      assert.equal(again.code, 0, again.text);
      assert.match(again.text, new RegExp(`release ${name} to ${version} died `));
      assert.deepEqual(await Promise.all(it.instances.map(versionOf)), [version, version]);
      const [upstream] = (await it.stack.status()).upstreams;
      for (const server of upstream?.servers ?? []) {
        assert.deepEqual([server.admin.state, server.eligibility], ['ready', 'ok'], server.id);
      }
      assert((await pool.stop()) >= 1, 'the pool was empty for a moment');
      assert.deepEqual(load.summary().failures, []);
    });
  }

  const summary = await load.stop();
  assert.equal(summary.failed, 0);
});

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
