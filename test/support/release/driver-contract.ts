// What every driver must do, whatever it runs instances by. A new driver runs this, too, on each host
// that it works on.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Driver, Launch, Started } from '../../../src/release/drivers.ts';
import { until } from '../base/until.ts';

export type DriverCase = {
  /** A driver of the same instance, of which each knows only what it did itself. */
  readonly open: () => Driver;
  /** The instance's own port. */
  readonly port: number;
  /** Of an application that prints `v1 listens on …` and answers on its port. */
  readonly good: Launch;
  /** Of something that does not exist. */
  readonly broken: Launch;
};

/** `start` skips the test where it gives none. */
export function driverContract(
  name: string,
  start: (t: TestContext) => Promise<DriverCase | undefined>,
): void {
  const check = (what: string, run: (given: DriverCase, t: TestContext) => Promise<void>): void => {
    test(`${name}: ${what}`, async (t) => {
      const given = await start(t);
      if (given === undefined) return;
      t.after(async () => {
        const driver = given.open();
        const found = await driver.find(null);
        await driver.stop(found?.handle ?? null, { timeoutMs: 0 });
      });
      await run(given, t);
    });
  };

  check('what it started is found again by what the record holds', async ({ open, good }) => {
    const first = open();
    const started = await first.start(good, 'r1');
    assert.equal(started.release, 'r1');
    assert.equal(started.launch.version, good.version);
    assert.equal((await first.state(started.handle)).ended, '');
    const later = open();
    const kept = readBack(later, started);
    const found = await later.find(kept);
    assert.deepEqual(found, kept);
    const { pid, ended } = await later.state(kept.handle);
    assert.equal(ended, '');
    assert.equal(pid, (await first.state(started.handle)).pid);
    assert.equal(later.isKnown(kept.launch), true);
    assert.equal(later.isSame(kept.launch, good), true);
    assert.equal(await later.returnProblem(kept.launch), '');
  });

  check('what it started is found without a record', async ({ open, good }) => {
    assert.equal(await open().find(null), null);
    const started = await open().start(good, 'r1');
    await until(async () => (await open().find(null)) !== null);
    const found = await open().find(null);
    assert.deepEqual(found?.handle, started.handle);
    assert.equal(found?.launch.version, good.version);
    assert.equal(found?.release, 'r1');
  });

  check('its lines can be read, also by who did not start it', async ({ open, good }) => {
    const first = open();
    const { handle } = await first.start(good, 'r1');
    for (const driver of [first, open()]) {
      await until(async () => /listens/.test((await driver.logs(handle)).join('\n')));
    }
    assert.notEqual(first.logPlace, '');
  });

  check('after a stop nothing runs and the port is free', async ({ open, good, port }) => {
    const started = await open().start(good, 'r1');
    const driver = open();
    await until(async () => /listens/.test((await driver.logs(started.handle)).join('\n')));
    const { facts, trouble } = await driver.stop(started.handle, { timeoutMs: 10_000 });
    assert.equal(trouble, '');
    assert.notDeepEqual(facts, {});
    assert.notEqual((await driver.state(started.handle)).ended, '');
    assert.equal(await driver.find(started), null);
    assert.equal(await driver.leftBehind(started.handle), '');
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject).listen(port, '127.0.0.1', resolve);
    });
    await new Promise((resolve) => server.close(resolve));
    // Once more, and of nothing at all.
    assert.equal((await driver.stop(started.handle, { timeoutMs: 1000 })).trouble, '');
    assert.equal((await driver.stop(null, { timeoutMs: 1000 })).trouble, '');
  });

  check('who else has the port is named, and the instance itself is not', async (given, t) => {
    const driver = given.open();
    const { handle } = await driver.start(given.good, 'r1');
    await until(async () => /listens/.test((await driver.logs(handle)).join('\n')));
    assert.equal(await driver.stranger(handle, given.port), '');
    assert.equal((await driver.stop(handle, { timeoutMs: 10_000 })).trouble, '');
    const server = createServer().listen(given.port, '127.0.0.1');
    t.after(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    assert.notEqual(await driver.stranger(null, given.port), '');
    server.close();
  });

  check('what cannot be started is said before, and refused', async ({ open, good, broken }) => {
    const driver = open();
    assert.equal(await driver.startProblem(good), '');
    assert.notEqual(await driver.startProblem(broken), '');
    assert.notEqual(await driver.returnProblem(broken), '');
    await assert.rejects(driver.start(broken, 'r1'), { code: 'release_failed' });
    assert.equal(await driver.find(null), null);
  });
}

/** As the record does it: JSON, and then its driver's own readers. */
function readBack(driver: Driver, started: Started): Started {
  const value: Started = JSON.parse(JSON.stringify(started));
  const { handle, launch } = value;
  return { ...value, handle: driver.readHandle(handle), launch: driver.readLaunch(launch) };
}
