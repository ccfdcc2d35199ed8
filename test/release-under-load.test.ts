import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startLoad } from '../demo/load.ts';
import { versionOf } from './support/release/builders.ts';
import { type ReleaseStack, startReleaseStack } from './support/release/stack.ts';

type Deployed = { readonly code: number; readonly text: string };

/** Deploys and expects the exit code; the text is all that was printed. */
async function deploy({ stack }: ReleaseStack, version: string, code: number): Promise<Deployed> {
  const lines: string[] = [];
  const deployed = await stack.cli(['deploy', 'app', '--version', version], (line) => {
    lines.push(line);
  });
  const text = lines.join('\n');
  assert.equal(deployed.code, code, `${text}\n${deployed.text}`);
  return { code: deployed.code, text };
}

/** The versions that answer, and how many servers of the pool are eligible. */
async function serving({ stack, instances }: ReleaseStack): Promise<string> {
  const versions = await Promise.all(instances.map(versionOf));
  const [upstream] = (await stack.status()).upstreams;
  return `${versions.join(' ')}, ${upstream?.eligible} eligible`;
}

test('releases under mixed load', async (t: TestContext) => {
  const it = await startReleaseStack(t);
  await deploy(it, 'v1', 0);
  const load = startLoad({ host: '127.0.0.1', port: it.stack.ports.gateway, rate: 60 });
  it.cleanup.add(() => load.stop());
  const assertNothingFailed = (): void => {
    assert.deepEqual(load.summary().failures, []);
  };

  await t.test('a rolling release loses no request', async () => {
    const { text } = await deploy(it, 'v2', 0);
    assert.equal(await serving(it), 'v2 v2, 2 eligible');
    assert.match(text, /traffic {3}[1-9]\d* requests in, .* 0 cut, 0 lost/);
    assertNothingFailed();
  });

  await t.test(
    'a version that dies at start is refused, and the old one goes on serving',
    async () => {
      const { text } = await deploy(it, 'broken', 1);
      assert.match(text, /✖ check failed: process exited with code 1 after /);
      assert.match(text, /app log: app broken on .*: cannot load \.\/config\/prod\.json/);
      assert.equal(await serving(it), 'v2 v2, 2 eligible');
      assertNothingFailed();
    },
  );

  await t.test('a version that says it is another one is refused', async () => {
    const { text } = await deploy(it, 'liar', 1);
    assert.match(text, /answers v1, not liar \(what was started, pid \d+\)/);
    assert.equal(await serving(it), 'v2 v2, 2 eligible');
    assertNothingFailed();
  });

  await t.test('an app that binds late is waited for', async () => {
    await deploy(it, 'late', 0);
    assert.equal(await serving(it), 'late late, 2 eligible');
    assertNothingFailed();
  });

  await t.test('a process that ignores TERM is killed after the deadline, drained', async () => {
    await deploy(it, 'stubborn', 0);
    const { text } = await deploy(it, 'v3', 0);
    assert.equal(text.match(/stop {5}done .*signal=KILL/g)?.length, 2);
    assert.equal(await serving(it), 'v3 v3, 2 eligible');
    assertNothingFailed();
  });

  await t.test(
    'a request that hangs beyond the drain is cut, counted and shown; no other is',
    async () => {
      await deploy(it, 'hang', 0);
      // Not idempotent, so nobody may send it again to the other instance.
      // Its client does not give up: the release may take its time.
      const url = `http://127.0.0.1:${it.stack.ports.gateway}/hang`;
      const hung = fetch(url, { method: 'POST', body: 'x' }).catch(() => undefined);
      await inFlight(it, 1);
      const { text } = await deploy(it, 'v4', 0);
      assert.match(text, /drain {4}done .* left=1 waited=2s/);
      assert.match(text, /1 LOST/);
      assert.equal((await hung)?.status, 502);
      assert.equal(await serving(it), 'v4 v4, 2 eligible');
      assertNothingFailed();
    },
  );

  const summary = await load.stop();
  assert.equal(summary.failed, 0);
  assert(summary.requests > 100, `only ${summary.requests} requests`);
});

/** Resolves when so many requests at least stay in flight in the pool for three looks in a row. */
async function inFlight({ stack }: ReleaseStack, count: number): Promise<void> {
  for (let looks = 0; looks < 3; ) {
    const [upstream] = (await stack.status()).upstreams;
    const sum = upstream?.servers.reduce((total, server) => total + server.inFlight, 0) ?? 0;
    looks = sum >= count ? looks + 1 : 0;
  }
}
