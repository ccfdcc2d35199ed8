// The page of records in a real browser: reading, changing over what was read, conflicts, deleting, strangers' text.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { daemonConfig, PLAIN, runDaemon, temporaryDir, until } from './support/daemon/builders.ts';
import { assertAccessible, openEyes, shot } from './support/dashboard/browser.ts';

async function scene(t: TestContext, more = '') {
  const eyes = await openEyes(t);
  if (eyes === undefined) return undefined;
  const daemon = await runDaemon(t, daemonConfig(`${PLAIN}\n${more}`, temporaryDir(t)));
  const kv = `http://127.0.0.1:${daemon.addresses.registry?.port}/v1/kv`;
  return {
    eyes,
    daemon,
    put: async (key: string, value: string): Promise<void> => {
      assert.equal((await fetch(`${kv}/${key}`, { method: 'PUT', body: value })).status, 200);
    },
    get: async (key: string): Promise<string> => {
      const response = await fetch(`${kv}/${key}?raw`);
      return response.status === 200 ? response.text() : `${response.status}`;
    },
  };
}

const RECORD = '{"weight":1, "max_fails":2, "fail_timeout":10}';

test('a record is found in its folders, changed by its switches, and what that does is said before', async (t) => {
  const at = await scene(t);
  if (at === undefined) return;
  await at.put('upstreams/app/127.0.0.1:9001', RECORD);
  await at.put('upstreams/app/127.0.0.1:9002', RECORD);
  const page = await at.eyes.open(`${at.daemon.control}/ui/kv`);
  await page.getByRole('link', { name: 'upstreams/' }).click();
  await page.getByRole('link', { name: 'app/' }).click();
  await page.getByRole('link', { name: '127.0.0.1:9001' }).click();
  await page.getByText('"max_fails": 2').waitFor();
  await assertAccessible(page, 'a record');
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByRole('switch', { name: /down/ }).check();
  await page
    .getByRole('status')
    .getByText(/1 of 2|9001/)
    .first()
    .waitFor();
  await assertAccessible(page, 'a record that is edited');
  await shot(page, 'kv-edit');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText(/saved/).waitFor();
  const { down, weight } = JSON.parse(await at.get('upstreams/app/127.0.0.1:9001'));
  assert.deepEqual([down, weight], [1, 1]);
  await page.getByText('"down": 1').waitFor();
});

test('what somebody else wrote meanwhile is shown beside it, and never overwritten by a slip', async (t) => {
  const at = await scene(t);
  if (at === undefined) return;
  await at.put('team/settings', 'one\ntwo');
  const page = await at.eyes.open(`${at.daemon.control}/ui/kv?key=team/settings`, {
    expected: /409/,
  });
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('Value').fill('one\nmine');
  await at.put('team/settings', 'one\ntheirs');
  await page.getByText(/Somebody has changed/).waitFor();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('- theirs').waitFor();
  await page.getByText('+ mine').waitFor();
  assert.equal(await at.get('team/settings'), 'one\ntheirs');
  await shot(page, 'kv-conflict');
  await page.getByRole('button', { name: 'Go on editing' }).click();
  assert.equal(await page.getByLabel('Value').inputValue(), 'one\nmine');
  await page.getByRole('button', { name: 'Save' }).click();
  await until('it is written', async () => (await at.get('team/settings')) === 'one\nmine');
});

test('text that was JSON and is none any more is said to be so', async (t) => {
  const at = await scene(t);
  if (at === undefined) return;
  await at.put('upstreams/app/127.0.0.1:9001', RECORD);
  const page = await at.eyes.open(`${at.daemon.control}/ui/kv?key=upstreams/app/127.0.0.1:9001`);
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('Value').fill('{"weight":');
  await page.getByText(/Not JSON/).waitFor();
});

test('a prefix is deleted after what it does is shown and its name is typed', async (t) => {
  const at = await scene(t);
  if (at === undefined) return;
  await at.put('old/a', '1');
  await at.put('old/b', '2');
  const page = await at.eyes.open(`${at.daemon.control}/ui/kv?prefix=old/`);
  await page.getByRole('button', { name: 'Delete all here' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('removes 2 keys').waitFor();
  await assertAccessible(page, 'deleting');
  assert.equal(await dialog.getByRole('button', { name: 'Delete' }).isDisabled(), true);
  await dialog.getByRole('textbox').last().fill('old/');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await page.getByText('2 keys deleted').waitFor();
  assert.equal(await at.get('old/a'), '404');
});

test('names and values of strangers are text, however long', async (t) => {
  const at = await scene(t);
  if (at === undefined) return;
  const script = '<img src=x onerror=alert(1)><script>alert(2)</script>';
  await at.put(`odd/${encodeURIComponent('<img src=x onerror=alert(1)>')}`, script);
  await at.put('odd/rtl', '\u202Egnp.exe');
  await at.put('odd/long', 'y'.repeat(400_000));
  const page = await at.eyes.open(`${at.daemon.control}/ui/kv?prefix=odd/`, { width: 375 });
  await page.getByRole('link', { name: /onerror/ }).click();
  await page
    .getByRole('region', { name: /onerror/ })
    .getByText(script)
    .first()
    .waitFor();
  await page.getByRole('link', { name: 'long' }).click();
  await page.getByText('400000').waitFor();
  const wide = Number(await page.evaluate('document.documentElement.scrollWidth'));
  assert(wide <= 375, `${wide} pixels wide`);
});

test('thousands of keys come a thousand at a time, and one is found among them', async (t) => {
  const at = await scene(t);
  if (at === undefined) return;
  const keys = Array.from(
    { length: 1200 },
    (_, place) => `many/key-${String(place).padStart(4, '0')}`,
  );
  for (let place = 0; place < keys.length; place += 60) {
    await Promise.all(keys.slice(place, place + 60).map((key) => at.put(key, '1')));
  }
  const page = await at.eyes.open(`${at.daemon.control}/ui/kv?prefix=many/`);
  await page.getByText('1200 keys').waitFor();
  await page.getByRole('link', { name: 'Show more' }).click();
  await page.getByRole('link', { name: 'key-1199' }).waitFor();
  await page.getByLabel('Find a key').fill('0777');
  await page.getByRole('link', { name: 'many/key-0777' }).click();
  await page.getByText('Bytes').waitFor();
});
