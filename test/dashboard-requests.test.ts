// Why a request failed, as a person finds out in a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePorts } from './support/base/ports.ts';
import {
  CHECKED,
  daemonConfig,
  PLAIN,
  put,
  runDaemon,
  startServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';
import { assertAccessible, openEyes, shot } from './support/dashboard/browser.ts';

test('a request that was retried, and one that no server took, are told as stories', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const daemon = await runDaemon(t, daemonConfig(PLAIN, temporaryDir(t)));
  const [dead] = await freePorts(1);
  const server = await startServer(t);
  await put(daemon, `127.0.0.1:${dead}`, '');
  await put(daemon, server.id, '');
  const ask = (path: string): Promise<Response> => fetch(`${daemon.gateway}${path}`);
  await until('both are known', async () => (await ask('/x?secret=1')).status === 200);
  for (let times = 0; times < 4; times += 1) await ask('/checkout?card=4111');
  const page = await eyes.open(`${daemon.control}/ui/requests?kind=retried`);
  await page
    .getByRole('link', { name: /\/(checkout|x)\?/ })
    .first()
    .waitFor();
  await assertAccessible(page, 'requests');
  await shot(page, 'requests');
  assert.equal(await page.getByText('4111').count(), 0, 'no value of a query');
  await page
    .getByRole('link', { name: /GET \// })
    .first()
    .click();
  await page.getByText('Attempt 2').waitFor();
  await page.getByText('another was tried').waitFor();
  await page.getByText(`127.0.0.1:${dead}`).first().waitFor();
  await assertAccessible(page, 'a story');
  await shot(page, 'request');
});

test('the id that a client was given finds its request, and an unknown one says what is kept', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const daemon = await runDaemon(t, daemonConfig(CHECKED, temporaryDir(t)));
  await put(daemon, '127.0.0.1:9', '');
  let id = '';
  await until('nobody takes it', async () => {
    const response = await fetch(`${daemon.gateway}/lost`);
    id = response.headers.get('x-request-id') ?? '';
    return response.status === 503 && id !== '';
  });
  const page = await eyes.open(`${daemon.control}/ui/requests`);
  await page.getByLabel('Request id').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type(id);
  await page.keyboard.press('Enter');
  await page.getByText('The servers then').waitFor();
  await page.getByText(`sluice why ${id}`).waitFor();
  await page
    .getByText(/not checked yet|down/)
    .first()
    .waitFor();
  await page.getByLabel('Request id').fill('0123');
  await page.keyboard.press('Enter');
  await page.getByText(/No request 0123 is kept here/).waitFor();
});
