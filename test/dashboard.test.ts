// The dashboard in a real browser, on a real Sluice: what a person sees within seconds of opening it, and when
// something happens.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CHECKED,
  daemonConfig,
  get,
  put,
  runDaemon,
  setAdmin,
  startServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';
import { assertAccessible, openEyes, type Page, shot } from './support/dashboard/browser.ts';

const LOST = /Failed to load resource|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING/;

/** A row of the table, by the name at its begin. */
function row(page: Page, name: string) {
  return page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) });
}

test('the overview tells traffic, states and troubles as they change', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const daemon = await runDaemon(t, daemonConfig(CHECKED, temporaryDir(t)));
  const servers = [await startServer(t), await startServer(t)];
  for (const { id } of servers) await put(daemon, id, '');
  await until('traffic', async () => (await get(daemon.gateway)).status === 200);
  const page = await eyes.open(`${daemon.control}/ui/`);
  await page.getByText('live', { exact: true }).waitFor();
  const app = row(page, 'app');
  await app.getByText('2/2').waitFor();
  const asked = setInterval(() => void get(daemon.gateway).catch(() => {}), 20);
  t.after(() => clearInterval(asked));
  await app
    .getByRole('cell', { name: /^[1-9]\d* *$/ })
    .first()
    .waitFor();
  await app.getByText(/\d ms/).first().waitFor();
  await assertAccessible(page, 'overview');
  await shot(page, 'overview');
  for (const { id } of servers) {
    assert.equal((await setAdmin(daemon.control, id, { state: 'maint' })).status, 200);
  }
  await app.getByText('0/2').waitFor();
  await page
    .getByRole('alert')
    .getByText(/no server is eligible/)
    .waitFor();
  await shot(page, 'overview-none');
});

test('keys lead to the pages and the list of keys, and Escape closes it', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const daemon = await runDaemon(t, daemonConfig(CHECKED, temporaryDir(t)));
  const page = await eyes.open(`${daemon.control}/ui/`);
  await page.getByText('live', { exact: true }).waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('g');
  await page.keyboard.press('e');
  await page.waitForURL('**/ui/events');
  await page.keyboard.press('g');
  await page.keyboard.press('o');
  await page.waitForURL('**/ui/');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to content');
});

test('a gateway that is started anew is found again, and what is shown meanwhile is said to be old', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const config = daemonConfig(CHECKED, temporaryDir(t));
  const first = await runDaemon(t, config);
  const server = await startServer(t);
  await put(first, server.id, '');
  const page = await eyes.open(`${first.control}/ui/`, { expected: LOST });
  await row(page, 'app').getByText('1/1').waitFor();
  await first.close();
  await page.getByText(/connection lost/).waitFor();
  await page
    .getByRole('alert')
    .getByText(/as it was then/)
    .waitFor();
  const { port } = new URL(first.control);
  const again = { ...config.admin, listen: { host: '127.0.0.1', port: Number(port) } };
  await runDaemon(t, { ...config, admin: again });
  await page.getByText('live', { exact: true }).waitFor();
  await row(page, 'app').getByText('1/1').waitFor();
});

test('with tokens nothing is shown before one is given, and one that reads may only read', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const tokens = 'admin: { tokens: { wall: { role: read, secret: secret-of-wall } } }';
  const daemon = await runDaemon(t, daemonConfig(`${CHECKED}\n${tokens}`, temporaryDir(t)));
  const page = await eyes.open(`${daemon.control}/ui/`, { expected: /40[13]|429/ });
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.equal(await page.getByRole('table').count(), 0);
  await assertAccessible(page, 'sign in');
  await page.getByLabel('Token').fill('guess');
  await page.keyboard.press('Enter');
  await page.getByText(/there is no such token/).waitFor();
  await page.getByLabel('Token').fill('secret-of-wall');
  await page.keyboard.press('Enter');
  await page.getByText('read only').waitFor();
  await row(page, 'app').waitFor();
  assert.equal(await page.evaluate('document.cookie'), '', 'scripts cannot read it');
  await page.reload();
  await row(page, 'app').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
});

test('it is in Chinese for who reads that, narrow on a phone, and dark at night', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const daemon = await runDaemon(t, daemonConfig(CHECKED, temporaryDir(t)));
  const how = { language: 'zh-CN', width: 375, height: 700, scheme: 'dark' } as const;
  const page = await eyes.open(`${daemon.control}/ui/`, how);
  await page.getByText('实时', { exact: true }).waitFor();
  assert.equal(await page.evaluate('document.documentElement.lang'), 'zh');
  const wide = Number(await page.evaluate('document.documentElement.scrollWidth'));
  assert(wide <= 375, `${wide} pixels wide`);
  const ground = await page.evaluate('getComputedStyle(document.body).backgroundColor');
  assert.equal(ground, 'rgb(13, 17, 23)');
  await assertAccessible(page, 'overview in Chinese');
  await page.getByRole('combobox', { name: '语言' }).selectOption('English');
  await page.getByText('live', { exact: true }).waitFor();
  await page.reload();
  await page.getByText('live', { exact: true }).waitFor();
});

test('whoever looks for it where the registry is gets there', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const daemon = await runDaemon(t, daemonConfig(CHECKED, temporaryDir(t)));
  const page = await eyes.open(`http://127.0.0.1:${daemon.addresses.registry?.port}/ui/`);
  await page.waitForURL(`${daemon.control}/ui/`);
  await row(page, 'app').waitFor();
});

test('a registry that is away is said on every page, and that traffic goes on', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const away = await runDaemon(t, daemonConfig(CHECKED, temporaryDir(t)));
  const server = await startServer(t);
  await put(away, server.id, '');
  const address = `127.0.0.1:${away.addresses.registry?.port}`;
  const registry = `registry: { consul: { addresses: ["${address}"] } }`;
  const daemon = await runDaemon(t, daemonConfig(`${CHECKED}\n${registry}`, temporaryDir(t)));
  const page = await eyes.open(`${daemon.control}/ui/`);
  await row(page, 'app').getByText('1/1').waitFor();
  await away.close();
  await page.getByRole('alert').getByText(`registry consul ${address} does not answer`).waitFor();
  await row(page, 'app').getByText('1/1').waitFor();
  assert.equal((await get(daemon.gateway)).status, 200);
  await page.getByRole('link', { name: 'Events' }).click();
  await page.getByTitle(/needs? attention/).waitFor();
});

test('events come at once, are filtered, and a refused one says why', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const daemon = await runDaemon(t, daemonConfig(CHECKED, temporaryDir(t)));
  const server = await startServer(t);
  await put(daemon, server.id, '');
  await until('it is eligible', async () => (await get(daemon.gateway)).status === 200);
  const page = await eyes.open(`${daemon.control}/ui/events`);
  await page.getByText('Nothing was changed yet.').waitFor();
  const drain = { state: 'drain', reason: '<b>disk</b>' } as const;
  assert.equal((await setAdmin(daemon.control, server.id, drain)).status, 200);
  await page.getByRole('cell', { name: '<b>disk</b>' }).waitFor();
  await page.getByText('ready → drain').waitFor();
  const refused = await fetch(`${daemon.control}/api/upstreams/app/servers/none:1/admin`, {
    method: 'POST',
    body: JSON.stringify({ state: 'drain', owner: 'user:test' }),
  });
  assert.equal(refused.status, 404);
  await page.getByText('not_found').waitFor();
  await assertAccessible(page, 'events');
  await shot(page, 'events');
  await page.getByLabel('refused and failed only').check();
  await page.getByText('ready → drain').waitFor({ state: 'detached' });
  await page.getByLabel('Filter').fill('disk');
  await page.getByText('No event fits the filter.').waitFor();
  await page.reload();
  await page.getByText('No event fits the filter.').waitFor();
});
