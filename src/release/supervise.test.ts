import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  buildService,
  deploy,
  FakeControl,
  firstOf,
  ids,
  killGroup,
  pidOf,
  versionOf,
} from '../../test/support/release/builders.ts';
import type { ServiceConfig } from '../config.ts';
import { driverOf } from './drivers.ts';
import { readRecord, writeRecord } from './journal/instance-record.ts';
import { openJournal } from './journal/open.ts';
import { claimRestart } from './journal/restart-claim.ts';
import { type Supervised, Supervisor, type SupervisorOptions } from './supervise.ts';

const LOG = { info: () => {}, warn: () => {} };

type Scene = {
  readonly service: ServiceConfig;
  readonly id: string;
  readonly supervisor: Supervisor;
  readonly said: () => Supervised;
};

/** One instance at v1, looked after. */
async function supervised(
  t: TestContext,
  part: Partial<SupervisorOptions> = {},
  service?: ServiceConfig,
): Promise<Scene> {
  const own = service ?? (await buildService(t, 1));
  const { result } = await deploy(own, new FakeControl(ids(own)), 'v1');
  assert.equal(result.outcome, 'succeeded', result.reason);
  const options = { isHeld: () => false, log: LOG, lookEveryMs: 5, delayMinMs: 1, ...part };
  const supervisor = new Supervisor(options);
  t.after(() => supervisor.close());
  supervisor.setServices([own]);
  const [id = ''] = ids(own);
  const said = (): Supervised => {
    const found = supervisor.of('app', id);
    assert(found !== undefined);
    return found;
  };
  return { service: own, id, supervisor, said };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function kill({ service, id }: Scene): Promise<number> {
  const pid = (await pidOf(service, id)) ?? 0;
  killGroup(pid);
  return pid;
}

test('an instance that ends is started again in its version, and it is said', async (t) => {
  const it = await supervised(t);
  const pid = await kill(it);
  await until(() => it.said().restarts === 1);
  await until(async () => (await versionOf(it.id)) === 'v1');
  assert.notEqual(await pidOf(it.service, it.id), pid);
  assert.match(it.said().lastExit, /ended/);
  assert.equal(it.said().resting, '');
  // The next release knows it as what runs.
  await it.supervisor.close();
  const control = new FakeControl(ids(it.service));
  assert.equal((await deploy(it.service, control, 'v1')).result.outcome, 'unchanged');
});

test('one that is held, or was stopped, or is being released, is left alone', async (t) => {
  let isHeld = true;
  const it = await supervised(t, { isHeld: () => isHeld });
  await kill(it);
  await until(() => it.said().resting === 'it is held out of traffic');
  const { journal } = await openJournal({ service: it.service, version: 'v2' });
  isHeld = false;
  await until(() => it.said().resting === 'a release is at work');
  await journal.write({ kind: 'end', seq: 1, ts: new Date().toISOString() });
  await journal.close();
  await until(() => it.said().restarts === 1);
  const driver = driverOf(it.service, firstOf(it.service));
  const { process, proven } = await readRecord(it.service, it.id, driver);
  assert.notEqual(process, null);
  await it.supervisor.close();
  await driver.stop(process?.handle ?? null, { timeoutMs: 10_000 });
  await writeRecord(it.service, it.id, { process: null, proven });
  const again = new Supervisor({ isHeld: () => false, log: LOG, lookEveryMs: 1, delayMinMs: 1 });
  t.after(() => again.close());
  let looks = 0;
  // Looks are counted by the record that each of them reads.
  again.setServices([
    new Proxy(it.service, {
      get: (target, name) => {
        if (name === 'runDir') looks += 1;
        return Reflect.get(target, name);
      },
    }),
  ]);
  await until(() => looks > 10);
  assert.equal(again.of('app', it.id)?.restarts, 0);
  assert.equal(await versionOf(it.id), '');
});

test('one that ends again and again is given up, and a deploy begins anew', async (t) => {
  const plain = await buildService(t, 1);
  const script = join(plain.cwd, 'app.sh');
  const start = [...plain.start];
  await writeFile(script, `#!/bin/sh\nexec ${start.map((word) => `'${word}'`).join(' ')}\n`, {
    mode: 0o755,
  });
  const text = await readFile(script, 'utf8');
  const [address] = [firstOf(plain).address];
  const filled = text.replace('{host}', address.host).replace('{port}', String(address.port));
  await writeFile(script, filled, { mode: 0o755 });
  const service = { ...plain, start: ['/bin/sh', script] };
  const it = await supervised(t, {}, service);
  await writeFile(script, '#!/bin/sh\nexit 7\n');
  await kill(it);
  await until(() => /^given up after 10 restarts in a row; deploy/.test(it.said().resting));
  assert.equal(it.said().restarts, 10);
  assert.equal(it.said().lastExit, 'exited with code 7');
  await writeFile(script, filled);
  const control = new FakeControl(ids(service));
  assert.equal((await deploy(service, control, 'v2')).result.outcome, 'succeeded');
  await until(() => it.said().resting === '');
  await kill(it);
  await until(() => it.said().restarts === 11);
});

test('a release waits for a restart that is under way', async (t) => {
  const service = await buildService(t, 1);
  await deploy(service, new FakeControl(ids(service)), 'v1');
  const done = await claimRestart(service);
  assert(done !== null);
  assert.equal(await claimRestart(service), null);
  let isOver = false;
  const release = deploy(service, new FakeControl(ids(service)), 'v2', {
    allowDowntime: true,
    onEvent: ({ type }) => {
      if (type === 'plan') assert(isOver, 'it looks only then');
    },
  });
  await until(async () => (await claimRestart(service)) === null);
  isOver = true;
  await done();
  assert.equal((await release).result.outcome, 'succeeded');
});

test('what is not driver command, or not wanted, or elsewhere, is not looked after', async (t) => {
  const service = await buildService(t, 1);
  const [id = ''] = ids(service);
  const supervisor = new Supervisor({ isHeld: () => false, log: LOG });
  t.after(() => supervisor.close());
  supervisor.setServices([{ ...service, isSupervised: false }]);
  assert.equal(supervisor.of('app', id), undefined);
  supervisor.setServices([{ ...service, driver: 'docker' }]);
  assert.equal(supervisor.of('app', id), undefined);
  supervisor.setServices([service]);
  assert.equal(supervisor.of('app', id)?.restarts, 0);
  assert.equal(supervisor.of('other', id), undefined);
});
