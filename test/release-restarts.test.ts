// Instances on hosts behind ssh that end: their keeper starts them again, also when the session and the
// runner that started them are long gone, and never against a release.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PROJECT } from '../demo/stack/gateway.ts';
import { start } from '../demo/stack/processes.ts';
import { until } from './support/base/until.ts';
import { versionOf } from './support/release/builders.ts';
import { type HostsStack, startHostsStack } from './support/release/hosts-stack.ts';

/** The process that answers there; undefined when none does. */
async function pidAt(id: string): Promise<number | undefined> {
  const answer = await fetch(`http://${id}/ping`).catch(() => undefined);
  await answer?.text();
  return answer === undefined ? undefined : Number(answer.headers.get('x-app-pid'));
}

async function killAt(id: string): Promise<number> {
  const pid = await pidAt(id);
  assert(pid !== undefined && pid > 0, id);
  process.kill(pid, 'SIGKILL');
  return pid;
}

async function deploy(
  { stack }: HostsStack,
  argv: readonly string[],
  onLine: (line: string) => void = () => {},
): Promise<string> {
  const { code, text } = await stack.cli(argv, onLine);
  assert.equal(code, 0, text);
  return text;
}

/** How often the keepers have started something again, by the logs. */
async function restarts({ runFolder, ids }: HostsStack): Promise<readonly number[]> {
  const texts = ids.map((id) => readFile(join(runFolder, `${id}.log`), 'utf8'));
  return (await Promise.all(texts)).map((text) => text.split('sluice: started again').length - 1);
}

/** Requests that last, of which each instance gets one at least: two workers take turns, each by itself. */
function onBoth({ stack }: HostsStack): readonly Promise<unknown>[] {
  const url = `http://127.0.0.1:${stack.ports.gateway}/slow?ms=60000`;
  // None that is sent again to another instance when its own is killed.
  return [1, 2, 3, 4].map(() => fetch(url, { method: 'POST' }).catch(() => {}));
}

async function stackAtV1(t: TestContext): Promise<HostsStack | undefined> {
  const it = await startHostsStack(t);
  if (it !== undefined) await deploy(it, ['deploy', 'app', '--version', 'v1']);
  return it;
}

test('an instance that is killed on its host comes back, and none that a release stops', async (t) => {
  const it = await stackAtV1(t);
  if (it === undefined) return;
  const { ids, stack } = it;

  await t.test('killed while nobody is there', async () => {
    for (const sshd of it.sshds) await sshd.stop();
    const killed = await killAt(ids[0]);
    await until(async () => (await versionOf(ids[0])) === 'v1');
    assert.notEqual(await pidAt(ids[0]), killed);
    for (const sshd of it.sshds) await sshd.start();
    await stack.eligible('app', 2);
    const text = await deploy(it, ['doctor', 'app']);
    assert.match(text, /restarts +started again once since .*, last: was ended by signal 9 at /);
    assert.match(text, /restarts +started again when it ends, but not after a reboot/);
    const plan = await deploy(it, ['plan', 'app', '--version', 'v2']);
    assert.match(plan, new RegExp(`${ids[0]}: started again once since `));
  });

  await t.test('killed while a release drains it', async () => {
    const slow = onBoth(it);
    const killed = new Set<string>();
    await deploy(it, ['deploy', 'app', '--version', 'v2'], (line) => {
      const [, id = ''] = / (127\.0\.0\.[12]:\d+) +drain +wait/.exec(line) ?? [];
      if (id === '' || killed.has(id)) return;
      killed.add(id);
      void killAt(id);
    });
    await Promise.all(slow);
    assert.deepEqual([...killed].sort(), [...ids].sort());
    assert.deepEqual(await restarts(it), [1, 0]);
    assert.deepEqual(await Promise.all(ids.map(versionOf)), ['v2', 'v2']);
  });

  await t.test('killed after that, and after a release was called off', async () => {
    await killAt(ids[1]);
    await until(async () => (await versionOf(ids[1])) === 'v2');
    await stack.eligible('app', 2);
    assert.deepEqual(await restarts(it), [1, 1]);
    // It is told to end while it drains, and puts the server back.
    const slow = onBoth(it);
    const argv = ['-c', stack.configFile, 'deploy', 'app', '--version', 'v3'];
    const release = start(process.execPath, [join(PROJECT, 'bin/sluice.js'), ...argv], {
      onLine: (line) => void (/drain +wait/.test(line) && process.kill(release.pid, 'SIGINT')),
    });
    assert.equal(await release.exited, 130, release.tail());
    await stack.eligible('app', 2);
    for (const id of ids) {
      const version = await versionOf(id);
      await killAt(id);
      await until(async () => (await versionOf(id)) === version);
      await stack.eligible('app', 2);
    }
    await Promise.all(slow);
    assert.deepEqual(await restarts(it), [2, 2]);
  });

  await t.test('stopped for good', async () => {
    await deploy(it, ['stop', 'app', '--yes']);
    assert.deepEqual(await Promise.all(ids.map(pidAt)), [undefined, undefined]);
    const text = await deploy(it, ['doctor', 'app']);
    assert.doesNotMatch(text, /restarts/);
    assert.deepEqual(await restarts(it), [2, 2]);
  });
});
