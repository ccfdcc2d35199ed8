// A runner that stands still at the worst moment: it has asked whether it may start the instance, and has not
// started it. When it wakes up, somebody else has released the service.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PROJECT } from '../demo/stack/gateway.ts';
import { until } from './support/base/until.ts';
import { Link } from './support/gateways/link.ts';
import { versionOf } from './support/release/builders.ts';
import { poolOf } from './support/release/killed.ts';
import { startDeploy, startReleaseStack } from './support/release/stack.ts';

test('a runner that stands still between its claim and a start does not start it later', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-frozen-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const place = (name: string): string => join(folder, name);
  await writeFile(
    place('app.ts'),
    `import { appendFileSync } from 'node:fs';
appendFileSync(${JSON.stringify(place('starts'))}, process.env.VERSION + '\\n');
await import(${JSON.stringify(join(PROJECT, 'demo/app.ts'))});
`,
  );
  const service = `    secrets: { KEY: "cmd:/bin/sh ${place('key.sh')}" }\n`;
  const it = await startReleaseStack(t, { service, app: place('app.ts') });
  // A reference is resolved at the start itself: behind whatever was asked before.
  await writeFile(
    place('key.sh'),
    `if grep -q '"kind":"intent".*"step":"start"' '${it.journal('r2')}' 2>/dev/null && mkdir '${place('once')}' 2>/dev/null
then kill -s STOP "$PPID"; fi
echo correct-horse
`,
  );
  const first = await it.stack.cli(['deploy', 'app', '--version', 'v1']);
  assert.equal(first.code, 0, first.text);
  // It hears nothing from the gateway at first, so that only the host can refuse it.
  const link = await Link.open(t, { host: '127.0.0.1', port: it.stack.ports.admin });
  const control = `127.0.0.1:${link.address.port}`;
  const still = startDeploy(it, 'v2', ['--control', control]);
  const { pid } = still;
  let isOver = false;
  const exited = still.exited.then((code) => {
    isOver = true;
    return code;
  });
  it.cleanup.add(async () => {
    if (!isOver) process.kill(pid, 'SIGCONT');
  });
  await until(async () => / T /.test(await readFile(`/proc/${pid}/stat`, 'utf8')));
  const next = () => it.stack.cli(['deploy', 'app', '--version', 'v3']);
  let ended = await next();
  await until(async () => {
    if (ended.code === 4) ended = await next();
    return ended.code !== 4;
  });
  assert.equal(ended.code, 0, ended.text);
  const starts = (): Promise<string> => readFile(place('starts'), 'utf8');
  link.hold();
  process.kill(pid, 'SIGCONT');
  await until(async () => {
    const isRefused = still.tail().includes('this machine: taken over by a later release');
    return isRefused || isOver || (await starts()).includes('v2');
  });
  link.mend();
  assert.equal(await exited, 4, still.tail());
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v3', 'v3']);
  assert.deepEqual(await poolOf(it), ['ready ok', 'ready ok']);
  assert.equal(await starts(), 'v1\nv1\nv3\nv3\n');
});
