// A deploy over two hosts behind real sshds, through a real gateway, under load: registered, released,
// cut off on the way, refused where a host is away, and retired. No request is lost.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startLoad } from '../demo/load.ts';
import { versionOf } from './support/release/builders.ts';
import { type HostsStack, startHostsStack } from './support/release/hosts-stack.ts';

async function deploy(
  { stack }: HostsStack,
  version: string,
  code: number,
  onLine: (line: string) => void = () => {},
): Promise<string> {
  const lines: string[] = [];
  const { code: found, text } = await stack.cli(['deploy', 'app', '--version', version], (line) => {
    lines.push(line);
    onLine(line);
  });
  const all = `${lines.join('\n')}\n${text}`;
  assert.equal(found, code, all);
  return all;
}

test('releases over two hosts behind ssh', async (t) => {
  const it = await startHostsStack(t);
  if (it === undefined) return;
  const versions = (): Promise<readonly string[]> => Promise.all(it.ids.map(versionOf));
  await deploy(it, 'v1', 0);
  assert.deepEqual(await versions(), ['v1', 'v1'], 'registered, started and admitted');
  const load = startLoad({ host: '127.0.0.1', port: it.stack.ports.gateway, rate: 40 });
  it.cleanup.add(() => load.stop());

  await t.test('a connection that is cut in the middle is opened again', async () => {
    let cuts = 0;
    const text = await deploy(it, 'v2', 0, (line) => {
      if (!/ (stop|start) +start/.test(line) || cuts > 2) return;
      cuts += 1;
      for (const sshd of it.sshds) sshd.cut();
    });
    assert.deepEqual(await versions(), ['v2', 'v2']);
    assert.match(text, /0 cut, 0 lost/);
    assert(cuts > 0);
  });

  await t.test('a host that is away ends a release before anything is touched', async () => {
    await it.sshds[1].stop();
    const text = await deploy(it, 'v3', 3);
    assert.match(
      text,
      /host "app-2" \(.*\): nothing listens there; is sshd up, and is port \d+ right\?/,
    );
    assert.deepEqual(await versions(), ['v2', 'v2']);
    await it.sshds[1].start();
  });

  await t.test('an instance that left the list is retired', async () => {
    await it.configure('app-1');
    const plan = await it.stack.cli(['plan', 'app', '--version', 'v2']);
    assert.match(plan.text, /retire +127\.0\.0\.2:\d+ +v2 +not in the list of instances any more/);
    await deploy(it, 'v2', 0);
    assert.deepEqual(await versions(), ['v2', '']);
    const [upstream] = (await it.stack.status()).upstreams;
    assert.deepEqual(
      upstream?.servers.map(({ id }) => id),
      [it.ids[0]],
    );
  });
  assert.deepEqual(load.summary().failures, []);
});
