// The page of a pool in a real browser: what somebody does there at three in the morning.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  CHECKED,
  daemonConfig,
  eligibleServers,
  get,
  put,
  type RunningDaemon,
  runDaemon,
  setAdmin,
  startServer,
  status,
  type TestServer,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';
import { assertAccessible, openEyes, type Page, shot } from './support/dashboard/browser.ts';

function row(page: Page, name: string) {
  return page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) });
}

async function scene(t: TestContext, servers: number, more = '') {
  const daemon = await runDaemon(t, daemonConfig(`${CHECKED}\n${more}`, temporaryDir(t)));
  const found: TestServer[] = [];
  for (let count = 0; count < servers; count += 1) {
    const server = await startServer(t);
    found.push(server);
    await put(daemon, server.id, '{"weight":10}');
  }
  const areUp = async (): Promise<boolean> =>
    (await eligibleServers(daemon.control)).length === servers;
  // With a token this test may not ask.
  if (more === '') await until('all are up', areUp);
  return { daemon, servers: found };
}

async function serverOf(daemon: RunningDaemon, id: string) {
  const { upstreams } = await status(daemon.control);
  return upstreams[0]?.servers.find((server) => server.id === id);
}

test('a drain is asked for with its effect before it, and its requests are seen to end', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const { daemon, servers } = await scene(t, 2);
  const asked = Array.from({ length: 6 }, () => get(`${daemon.gateway}/hold?token=secret`));
  t.after(() => Promise.allSettled(asked));
  const held = (): number => servers.reduce((sum, one) => sum + one.held.length, 0);
  await until('six are held', () => held() === 6);
  const [first] = servers;
  assert(first !== undefined);
  const page = await eyes.open(`${daemon.control}/ui/pools/app`);
  const mine = row(page, first.id);
  await mine.getByRole('button', { name: `Drain ${first.id}` }).click();
  const dialog = page.getByRole('dialog', { name: `Drain: ${first.id}` });
  await dialog.getByText('leaves 1 of 2 eligible (now 2)').waitFor();
  await dialog.getByText('3 in flight').waitFor();
  await dialog.getByText(/guard ok/).waitFor();
  await page.keyboard.type("Bob's kernel");
  await dialog.getByText(/sluice drain app .*--message=.*kernel/).waitFor();
  await dialog.getByText(/curl -X POST .*kernel/).waitFor();
  await assertAccessible(page, 'the dialog');
  await shot(page, 'drain-dialog');
  await dialog.getByRole('button', { name: 'Drain', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  // It stays for whoever is in it, however long that takes.
  await page.getByRole('button', { name: 'Undo' }).focus();
  await mine.getByText('draining').waitFor();
  await mine.getByText("Bob's kernel").waitFor();
  await mine.getByText(/^oldest \d+ s GET \/hold\?token=\*$/).waitFor();
  first.held.pop()?.end('done');
  await mine.getByText(/^3 → 2$/).waitFor();
  await shot(page, 'draining');
  for (const response of first.held.splice(0)) response.end('done');
  await mine.getByText('✓ idle').waitFor();
  await assertAccessible(page, 'the pool while one drains');
  await page.getByRole('button', { name: 'Undo' }).click();
  await mine.getByText('up', { exact: true }).waitFor();
  assert.equal((await serverOf(daemon, first.id))?.admin.state, 'ready');
  for (const one of servers) for (const response of one.held) response.end('done');
});

test('the keyboard alone filters, drains, and gives the focus back', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const { daemon, servers } = await scene(t, 3);
  const [, second] = servers;
  assert(second !== undefined);
  const page = await eyes.open(`${daemon.control}/ui/pools/app`);
  await row(page, second.id).waitFor();
  const focus = (): Promise<unknown> =>
    page.evaluate(
      "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent",
    );
  const tabTo = async (label: string): Promise<void> => {
    for (let count = 0; (await focus()) !== label; count += 1) {
      assert(count < 40, `${label} was not reached`);
      await page.keyboard.press('Tab');
    }
  };
  await page.keyboard.press('/');
  await page.keyboard.type(String(second.port));
  await page.getByText('1 of 3 servers').waitFor();
  await page.waitForURL(`**/ui/pools/app?filter=${second.port}`);
  await tabTo(`Drain ${second.id}`);
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.getByText('leaves 2 of 3 eligible (now 3)').waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.equal(await focus(), `Drain ${second.id}`);
  assert.equal((await serverOf(daemon, second.id))?.admin.state, 'ready');
  await page.keyboard.press('Enter');
  await dialog.getByText('leaves 2 of 3 eligible (now 3)').waitFor();
  await page.keyboard.type('by keys');
  await page.keyboard.press('Enter');
  await row(page, second.id).getByText('draining').waitFor();
  await tabTo(`Undrain ${second.id}`);
  await page.keyboard.press('Enter');
  await row(page, second.id).getByText('up', { exact: true }).waitFor();
  await page.getByText(`${second.id} may take requests`).waitFor();
});

test('the last server goes only when the name of the upstream is typed', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const { daemon, servers } = await scene(t, 1);
  const [only] = servers;
  assert(only !== undefined);
  const page = await eyes.open(`${daemon.control}/ui/pools/app`);
  await row(page, only.id)
    .getByRole('button', { name: `Drain ${only.id}` })
    .click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('leaves 0 of 1 eligible (now 1)').waitFor();
  await dialog.getByText(/its requests get 503/).waitFor();
  const button = dialog.getByRole('button', { name: 'Drain', exact: true });
  assert(await button.isDisabled());
  await dialog.getByLabel('Type app to confirm').fill('api');
  assert(await button.isDisabled());
  await shot(page, 'drain-last');
  await dialog.getByLabel('Type app to confirm').fill('app');
  await button.click();
  await row(page, only.id).getByText('draining').waitFor();
  assert.equal((await serverOf(daemon, only.id))?.admin.state, 'drain');
});

test('what the gateway refuses is said in its own words, and nothing that was typed is lost', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const { daemon, servers } = await scene(t, 2);
  const [first] = servers;
  assert(first !== undefined);
  const page = await eyes.open(`${daemon.control}/ui/pools/app?server=${first.id}`, {
    expected: /status of 409/,
  });
  const drawer = page.getByRole('dialog', { name: first.id, exact: true });
  await drawer.getByRole('button', { name: `Deregister ${first.id}` }).click();
  const dialog = page.getByRole('dialog', { name: `Deregister: ${first.id}` });
  await dialog.getByText(/It would be refused: .*takes requests/).waitFor();
  await page.keyboard.press('Escape');
  await drawer.getByRole('button', { name: `Weight ${first.id}` }).click();
  const weight = page.getByRole('dialog', { name: `Weight: ${first.id}` });
  await weight.getByLabel('New weight').fill('40');
  await weight.getByText('50% → 80%').waitFor();
  await weight.getByRole('button', { name: 'Weight', exact: true }).click();
  await until('it is written', async () => (await serverOf(daemon, first.id))?.weight === 40);
  await drawer.getByText(/^40 · ejected after/).waitFor();
  await drawer.getByRole('button', { name: 'Undo' }).click();
  await until('it is as it was', async () => (await serverOf(daemon, first.id))?.weight === 10);
  await drawer.getByText(/setWeight: 10 → 40/).waitFor();
  await assertAccessible(page, 'the drawer');
  await shot(page, 'drawer');
  await page.keyboard.press('Escape');
  await page.waitForURL('**/ui/pools/app');
});

test('a token that may only read sees the buttons, and why they cannot be pressed', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const tokens = 'admin: { tokens: { wall: { role: read, secret: secret-of-wall } } }';
  const { daemon, servers } = await scene(t, 1, tokens);
  const [only] = servers;
  assert(only !== undefined);
  const page = await eyes.open(`${daemon.control}/ui/pools/app?server=${only.id}`, {
    expected: /401/,
  });
  await page.getByLabel('Token').fill('secret-of-wall');
  await page.keyboard.press('Enter');
  const drawer = page.getByRole('dialog', { name: only.id });
  assert(await drawer.getByRole('button', { name: `Drain ${only.id}` }).isDisabled());
  await drawer.getByText('Read only: the role of your token is “read”').waitFor();
});

test('names and reasons of strangers are text, and do not break the page', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const { daemon, servers } = await scene(t, 2);
  const [first] = servers;
  assert(first !== undefined);
  await put(daemon, encodeURIComponent('<img src=x onerror=alert(1)>:80'), '');
  await put(daemon, `${'w'.repeat(300)}:80`, '\u202egnp');
  const body = {
    ...{ state: 'drain', owner: `user:<b onclick=alert(1)>${'o'.repeat(150)}` },
    reason: `<script>alert(1)</script>\n\u202e${'r'.repeat(900)}`,
  };
  assert.equal((await setAdmin(daemon.control, first.id, body)).status, 200);
  for (const width of [375, 1280]) {
    const page = await eyes.open(`${daemon.control}/ui/pools/app`, { width });
    await page.getByText(/"<img src=x onerror=alert\(1\)>:80"/).waitFor();
    await row(page, first.id)
      .getByText(/<script>alert/)
      .waitFor();
    const wide = Number(await page.evaluate('document.documentElement.scrollWidth'));
    assert(wide <= width, `${wide} pixels wide`);
    const { height = 0 } = (await row(page, first.id).boundingBox()) ?? {};
    assert(height > 0 && height < 140, `a row of ${height} pixels`);
    await row(page, first.id).getByRole('button', { name: first.id, exact: true }).click();
    await page
      .getByRole('dialog')
      .getByText(/onclick=alert/)
      .first()
      .waitFor();
    await shot(page, `hostile-${width}`);
    await page.close();
  }
});

test('two hundred servers are sorted and searched, and only problems are shown where one asks for that', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const plain = 'upstreams: { app: {} }';
  const daemon = await runDaemon(t, daemonConfig(plain, temporaryDir(t)));
  const ids = Array.from({ length: 200 }, (_, place) => `10.0.0.${place + 1}:80`);
  for (const id of ids) await put(daemon, id, id === '10.0.0.77:80' ? '{"weight":7,"down":1}' : '');
  const page = await eyes.open(`${daemon.control}/ui/pools/app`);
  await page.getByText('200 of 200 servers').waitFor();
  const names = (): Promise<readonly string[]> => page.getByRole('rowheader').allTextContents();
  assert.deepEqual((await names()).slice(0, 3), ids.slice(0, 3), 'as people count');
  await page.getByRole('button', { name: 'Weight', exact: true }).click();
  await page
    .getByRole('columnheader', { name: 'Weight' })
    .and(page.locator('[aria-sort=descending]'))
    .waitFor();
  assert.equal((await names())[0], '10.0.0.77:80');
  await shot(page, 'pool-200');
  await page.getByLabel('only problems').check();
  await page.getByText('1 of 200 servers').waitFor();
  await page.reload();
  await page.getByText('1 of 200 servers').waitFor();
  assert.deepEqual(await names(), ['10.0.0.77:80']);
});
