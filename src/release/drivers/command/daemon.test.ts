// A start command that puts the app into the background and ends.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  buildService,
  type Deployed,
  deploy,
  FakeControl,
  firstOf,
  ids,
  outcomes,
} from '../../../../test/support/release/builders.ts';
import type { ServiceConfig } from '../../../config.ts';
import { localHost } from '../../hosts.ts';
import { recordFile } from '../../journal/files.ts';
import { instanceProcesses } from '../processes.ts';

const APP = join(import.meta.dirname, '../../../..', 'demo', 'app.ts');

async function daemonized(
  t: TestContext,
  script: string,
  part: Partial<ServiceConfig> = {},
): Promise<{
  readonly service: ServiceConfig;
  readonly deployed: Deployed;
  readonly left: number;
}> {
  const service = await buildService(t, 1, part);
  const [id = ''] = ids(service);
  const file = join(service.cwd, 'start.sh');
  await writeFile(file, script.replaceAll('APP', `${process.execPath} ${APP} -p "$1"`));
  const control = new FakeControl([id]);
  const start = ['/bin/sh', file, '{port}'];
  const deployed = await deploy({ ...service, start }, control, 'v1');
  const left = await instanceProcesses(localHost, recordFile(service, id));
  t.after(() => {
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
  });
  return { service, deployed, left: left.length };
}

for (const script of ['APP & exit 0', 'setsid APP & exit 0', '(setsid APP &) ; exit 3']) {
  for (const onFailure of ['revert', 'park'] as const) {
    test(`"${script}" with on_failure ${onFailure}: it is said, and nothing stays`, async (t) => {
      const { service, deployed, left } = await daemonized(t, script, { onFailure });
      assert.equal(deployed.result.exit, 1);
      assert.match(
        deployed.result.reason,
        /^check failed: process exited with code \d after \S+ and left pid \d+ \(.*\) running; the start command must stay in the foreground$/,
      );
      assert.deepEqual(outcomes(deployed), ['- out parked']);
      assert.equal(left, 0);
      const { address } = firstOf(service);
      assert.equal(await localHost.isListening(address), false);
    });
  }
}

test('of a command that just ends nothing of that kind is said', async (t) => {
  const { deployed } = await daemonized(t, 'exit 0');
  assert.match(deployed.result.reason, /^check failed: process exited with code 0 after \S+$/);
});
