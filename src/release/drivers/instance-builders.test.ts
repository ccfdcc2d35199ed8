// For the tests of this folder: one instance as a release starts it, without a release, as a real
// process that runs a given script. No test itself; by its name it is not published.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { buildService, ids } from '../../../test/support/release/builders.ts';
import type { ServiceConfig } from '../../config.ts';
import { instanceProcesses } from '../hosts/process-table.ts';
import { makeFolder, recordFile, serviceFolder } from '../journal/files.ts';
import { logTail, type Running, startInstance } from './command.ts';
import { stopInstance } from './stop.ts';

export type Started = {
  readonly service: ServiceConfig;
  readonly instance: string;
  readonly running: Running;
};

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
  const [instance = ''] = ids(service);
  await makeFolder(serviceFolder(service));
  const argv = await argvOf(service.instances[0]?.port ?? 0, service.cwd);
  const path = process.env['PATH'] ?? '';
  const launch = { version: 'v1', argv, cwd: service.cwd, env: {}, inherit: [], path };
  const running = await startInstance({ service, instance, launch, release: 'r1' });
  t.after(async () => {
    const left = await instanceProcesses(recordFile(service, instance), running.process);
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
  });
  while (!(await logTail(service, instance, 0)).includes('ready')) {
    const tail = (await logTail(service, instance, 0)).join('\n');
    assert(!running.ended().startsWith('exited with code 1'), tail);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return { service, instance, running };
}

export function stop(
  { service, running }: Started,
  timeoutMs = 10_000,
): ReturnType<typeof stopInstance> {
  const [address = { host: '', port: 0 }] = service.instances;
  return stopInstance({ service, address, process: running.process, timeoutMs });
}

export const LISTEN = `require('net').createServer().listen(port, '127.0.0.1', () => console.log('ready'));`;
