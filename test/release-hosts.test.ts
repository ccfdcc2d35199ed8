// A deploy over two hosts behind real sshds, through a real gateway, under load: registered, released,
// cut off on the way, refused where a host is away, and retired. No request is lost.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { startLoad } from '../demo/load.ts';
import { PROJECT, Stack } from '../demo/stack/gateway.ts';
import { Cleanup, temporaryFolder } from '../demo/stack/processes.ts';
import { freePorts } from './support/base/ports.ts';
import { type Sshd, startSshd } from './support/cli/sshd.ts';
import { killGroup, versionOf } from './support/release/builders.ts';

const run = promisify(execFile);

type Scene = {
  readonly stack: Stack;
  readonly sshds: readonly [Sshd, Sshd];
  readonly ids: readonly [string, string];
  readonly cleanup: Cleanup;
  /** Writes the configuration for these hosts. */
  readonly configure: (hosts: string) => Promise<void>;
};

async function scene(t: TestContext): Promise<Scene | undefined> {
  const [one, two] = [await startSshd(t), await startSshd(t)];
  if (one === undefined || two === undefined) return undefined;
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const folder = await temporaryFolder('hosts', cleanup);
  const [port = 0] = await freePorts(1);
  const host = (name: string, address: string, { ssh }: Sshd): string =>
    `  ${name}: { address: ${address}, ssh: { target: "${ssh.destination}:${ssh.port}", config: ${ssh.config} } }\n`;
  const text =
    (hosts: string) =>
    (ports: { gateway: number; admin: number; registry: number }): string =>
      `state_dir: state
log_level: warn
listen: 127.0.0.1:${ports.gateway}
admin: { listen: 127.0.0.1:${ports.admin} }
registry: { embedded: { listen: 127.0.0.1:${ports.registry} } }
upstreams:
  app: { check: { type: http, path: /ping, interval: 100ms, timeout: 2s, rise: 2, fall: 3 } }
hosts:
${host('app-1', '127.0.0.1', one)}${host('app-2', '127.0.0.2', two)}services:
  app:
    hosts: [${hosts}]
    ports: [${port}]
    cwd: ${folder}
    run_dir: ${join(folder, 'run')}
    start: [${JSON.stringify(process.execPath)}, ${join(PROJECT, 'demo/app.ts')}, -h, "{host}", -p, "{port}"]
    env: { VERSION: "{version}" }
    stop_timeout: 2s
    check: { path: /ping, interval: 100ms, timeout: 2s, rise: 2, deadline: 60s }
    expect_version: { header: x-app-version }
`;
  const stack = await Stack.start({ cleanup, folder, config: text('app-1, app-2') });
  const ids = [`127.0.0.1:${port}`, `127.0.0.2:${port}`] as const;
  cleanup.add(async () => {
    const { stdout } = await run('sh', [
      '-c',
      `grep -ls "=${folder}/run/" /proc/[0-9]*/environ; true`,
    ]);
    for (const [, pid] of stdout.matchAll(/\/proc\/(\d+)\//g)) killGroup(Number(pid));
  });
  const configure = (hosts: string): Promise<void> =>
    writeFile(stack.configFile, text(hosts)(stack.ports));
  return { stack, sshds: [one, two], ids, cleanup, configure };
}

async function deploy(
  { stack }: Scene,
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
  const it = await scene(t);
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
