// A whole Sluice with a service `app` of an instance on each of two hosts, behind two real sshds.

import { execFile } from 'node:child_process';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { PROJECT, Stack } from '../../../demo/stack/gateway.ts';
import { Cleanup, temporaryFolder } from '../../../demo/stack/processes.ts';
import { freePorts } from '../base/ports.ts';
import { type Sshd, startSshd } from '../cli/sshd.ts';
import { killGroup } from './builders.ts';

const run = promisify(execFile);

export type HostsStack = {
  readonly stack: Stack;
  readonly sshds: readonly [Sshd, Sshd];
  readonly ids: readonly [string, string];
  readonly cleanup: Cleanup;
  /** Where a host keeps the logs of the instances. */
  readonly runFolder: string;
  /** Writes the configuration for these hosts. */
  readonly configure: (hosts: string) => Promise<void>;
};

/** Undefined: the test is skipped. `service`: more lines of it. */
export async function startHostsStack(
  t: TestContext,
  service = '',
): Promise<HostsStack | undefined> {
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
${service}`;
  const stack = await Stack.start({ cleanup, folder, config: text('app-1, app-2') });
  const ids = [`127.0.0.1:${port}`, `127.0.0.2:${port}`] as const;
  cleanup.add(async () => {
    await endKeepers(join(folder, 'run', 'app'));
    const { stdout } = await run('sh', [
      '-c',
      `grep -ls "=${folder}/run/" /proc/[0-9]*/environ; true`,
    ]);
    for (const [, pid] of stdout.matchAll(/\/proc\/(\d+)\//g)) killGroup(Number(pid));
  });
  const configure = (hosts: string): Promise<void> =>
    writeFile(stack.configFile, text(hosts)(stack.ports));
  return {
    stack,
    sshds: [one, two],
    ids,
    cleanup,
    runFolder: join(folder, 'run', 'app'),
    configure,
  };
}

/** What is killed in this folder of a host from now on is not started again. */
export async function endKeepers(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const keeps = names.filter((name) => name.endsWith('.keep'));
  await Promise.all(keeps.map((name) => rm(join(folder, name), { force: true })));
}
