// Two gateways on one registry, looked at from one of them.

import { test } from 'node:test';
import {
  daemonConfig,
  get,
  PLAIN,
  put,
  runDaemon,
  runDaemonProcess,
  startServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';
import { assertAccessible, openEyes, shot } from './support/dashboard/browser.ts';

test('traffic of another gateway is in the sum, by itself on demand, and missing when it stands still', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const first = await runDaemon(t, daemonConfig(PLAIN, temporaryDir(t)));
  const server = await startServer(t);
  await put(first, server.id, '');
  const registry = `registry: { consul: { addresses: ["127.0.0.1:${first.addresses.registry?.port}"] } }`;
  const second = await runDaemonProcess(t, daemonConfig(`${PLAIN}\n${registry}`, temporaryDir(t)));
  await until('traffic', async () => (await get(second.gateway)).status === 200);
  const load = setInterval(() => void get(second.gateway).catch(() => {}), 20);
  t.after(() => clearInterval(load));
  const page = await eyes.open(`${first.control}/ui/pools/app`);
  const figure = page.locator('.figure').first();
  await figure.getByText(/^[1-9]\d*$/).waitFor();
  const choice = page.getByRole('combobox', { name: 'Figures of' });
  await choice.selectOption('this gateway');
  await figure.getByText('0', { exact: true }).waitFor();
  await choice.selectOption('all 2 gateways');
  await figure.getByText(/^[1-9]\d*$/).waitFor();
  await page.getByText('p99 of the slowest gateway').waitFor();
  await assertAccessible(page, 'a pool over two gateways');
  await shot(page, 'pool-gateways');
  second.process.kill('SIGSTOP');
  await page
    .getByText(/Not heard/)
    .first()
    .waitFor();
  second.process.kill('SIGCONT');
  await page
    .getByText(/Not heard/)
    .first()
    .waitFor({ state: 'detached' });
});
