// What `sluice logs` shows: of one that does not run, too, and never a secret.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRunning } from '../../test/support/base/process-facts.ts';
import {
  buildService,
  deploy,
  FakeControl,
  ids,
  killGroup,
  pidOf,
} from '../../test/support/release/builders.ts';
import { instanceLogs } from '../release.ts';

const RECORDS = { instances: async () => ({ shared: false, instances: [] }) };

test('logs are there when the process is not, and what it was given is masked', async (t) => {
  const built = await buildService(t, 1);
  const file = join(built.runDir, 'password');
  await writeFile(file, 'hunter2-hunter2\n');
  const service = {
    ...built,
    start: ['/bin/sh', '-c', `echo "key $KEY"; exec ${built.start.join(' ')}`],
    secrets: { KEY: `file:${file}` },
  };
  const { result } = await deploy(service, new FakeControl(ids(service)), 'v1');
  assert.equal(result.exit, 0, result.reason);
  const [id = ''] = ids(service);
  const [running] = await instanceLogs(service, RECORDS, id);
  assert.equal(running?.trouble, '');
  assert.equal(running.lines[0], 'key ***');
  const pid = (await pidOf(service, id)) ?? 0;
  killGroup(pid);
  const deadlineMs = performance.now() + 10_000;
  while (isRunning(pid)) {
    assert(performance.now() < deadlineMs);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const [ended] = await instanceLogs(service, RECORDS, '');
  assert.equal(ended?.trouble, 'not running');
  assert.deepEqual(ended.lines, running.lines);
});
