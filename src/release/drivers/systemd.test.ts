import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { firstOf } from '../../../test/support/release/builders.ts';
import { fakeService } from '../../../test/support/release/fakes.ts';
import { keptSuite } from '../../../test/support/release/kept-suite.ts';
import { type Driver, driverOf } from '../drivers.ts';

keptSuite('systemd');

test('systemd: what the unit lacks is said before a release', async (t) => {
  const { folder, service } = await fakeService(t, 'systemd');
  const driver = driverOf(service, firstOf(service));
  const launch = driver.launchOf('v1');
  const unit = join(folder, 'app@.service');
  const text = await readFile(unit, 'utf8');
  assert.deepEqual(await warningsOf(driver), []);
  await writeFile(unit, text.replace('Restart=on-failure', 'Fake-State=disabled'));
  const warnings = await warningsOf(driver);
  assert.match(warnings[0] ?? '', /is not started again when it ends: write Restart=on-failure/);
  assert.match(warnings[1] ?? '', /is not started with the machine: systemctl enable app@\d+/);
  await writeFile(unit, text.replace(/EnvironmentFile=.*/, ''));
  assert.match(await driver.startProblem(launch), /does not read .*; write EnvironmentFile=/);
});

async function warningsOf(driver: Driver): Promise<readonly string[]> {
  return (await driver.warnings?.(driver.launchOf('v1'))) ?? [];
}
