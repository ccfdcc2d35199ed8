// For the tests of this folder: one instance as a release starts it, without a release, as a real
// process that runs a given script. No test itself; by its name it is not published. It stands here and
// not in test/support/release because it uses the inside of this driver, which has no other user.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { buildService, firstOf, ids } from '../../../../test/support/release/builders.ts';
import type { ServiceConfig } from '../../../config.ts';
import { type Driver, driverOf, type Started as Running } from '../../drivers.ts';
import { localHost, type ProcessName } from '../../hosts.ts';
import { makeFolder, recordFile, serviceFolder } from '../../journal/files.ts';
import { instanceProcesses } from '../processes.ts';
import { type CommandLaunch, type CommandScope, readHandle } from './command-launch.ts';
import { type StopOutcome, stopInstance } from './stop.ts';

export type Started = {
  readonly service: ServiceConfig;
  readonly scope: CommandScope;
  readonly driver: Driver;
  readonly running: Running;
  readonly process: ProcessName;
};

/** The first instance of a service, with its folder, as the parts of the driver see it. */
export async function scopeOf(service: ServiceConfig): Promise<CommandScope> {
  await makeFolder(serviceFolder(service));
  const { address } = firstOf(service);
  const [instance = ''] = ids(service);
  return { service, address, host: localHost, mark: recordFile(service, instance) };
}

export function launchOf(
  argv: readonly string[],
  part: Partial<CommandLaunch> = {},
): CommandLaunch {
  const path = process.env['PATH'] ?? '';
  return { version: 'v1', argv, cwd: '/', env: {}, inherit: [], path, ...part };
}

/** An instance that runs this script with node, and has said `ready`. */
export function started(t: TestContext, script: string): Promise<Started> {
  return startedBy(t, (port) => [process.execPath, '-e', `const port = ${port}; ${script}`]);
}

/** An instance with this command, that has said `ready`. All that it starts ends with the test. */
export async function startedBy(
  t: TestContext,
  argvOf: (port: number, folder: string) => readonly string[] | Promise<readonly string[]>,
): Promise<Started> {
  const service = await buildService(t, 1);
  const scope = await scopeOf(service);
  const argv = await argvOf(scope.address.port, service.cwd);
  const driver = driverOf(service, firstOf(service));
  const running = await driver.start(launchOf(argv, { cwd: service.cwd }), 'r1');
  const leader = readHandle(running.handle);
  t.after(async () => {
    const left = await instanceProcesses(scope.host, scope.mark, leader);
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
  });
  for (;;) {
    const lines = await driver.logs(running.handle);
    if (lines.includes('ready')) break;
    const { ended } = await driver.state(running.handle);
    assert(!ended.startsWith('exited with code 1'), lines.join('\n'));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return { service, scope, driver, running, process: leader };
}

export function stop({ scope, process }: Started, timeoutMs = 10_000): Promise<StopOutcome> {
  return stopInstance(scope, process, { timeoutMs });
}

export const LISTEN = `require('net').createServer().listen(port, '127.0.0.1', () => console.log('ready'));`;
