// The page of a release in a real browser, beside real releases: a good one is watched, a broken one explains
// itself, one that hangs is aborted from the page, and one whose runner is killed says so.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { assertAccessible, openEyes, type Page, shot } from './support/dashboard/browser.ts';
import { type ReleaseStack, startDeploy, startReleaseStack } from './support/release/stack.ts';

/** Requests while the test looks: what the graphs and receipts are about. */
function load(t: TestContext, { stack }: ReleaseStack): void {
  const timer = setInterval(() => {
    const asked = request({ host: '127.0.0.1', port: stack.ports.gateway }, (answer) =>
      answer.resume(),
    );
    asked.on('error', () => {});
    asked.end();
  }, 25);
  t.after(() => clearInterval(timer));
}

function pageOf({ stack }: ReleaseStack, path: string): string {
  return `http://127.0.0.1:${stack.ports.admin}/ui${path}`;
}

function lane(page: Page, instance: string) {
  return page.getByRole('listitem').filter({ has: page.getByRole('button', { name: instance }) });
}

async function deploy(it: ReleaseStack, version: string): Promise<string> {
  const { text } = await it.stack.cli(['deploy', 'app', '--version', version, '--plain']);
  return text;
}

test('a deploy from a shell is found in the history and watched to its end', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const service = '    verify: { window: 2s, min_requests: 5 }\n';
  const it = await startReleaseStack(t, { service });
  assert.match(await deploy(it, 'v1'), /SUCCEEDED/);
  load(t, it);
  const page = await eyes.open(pageOf(it, '/releases/app'));
  await page.getByRole('row', { name: /r1.*succeeded.*v1/ }).waitFor();
  const runner = startDeploy(it, 'v2');
  it.cleanup.add(() => runner.stop('SIGKILL'));
  await page.getByRole('row', { name: /r2.*running.*v2/ }).waitFor();
  await page.getByRole('link', { name: 'r2', exact: true }).click();
  const [first = '', second = ''] = it.instances;
  await lane(page, first).getByText('under way').waitFor();
  await page.getByText('v1 → v2').first().waitFor();
  await page.locator('[aria-current=step]').waitFor();
  await page.getByText('requests/s by version').waitFor();
  await lane(page, first).getByText('released').waitFor();
  await shot(page, 'release-runs');
  await lane(page, second).getByText('released').waitFor();
  await page.locator('.tag', { hasText: 'succeeded' }).waitFor();
  await page.getByText('no request was lost').waitFor();
  assert.equal(await runner.exited, 0, runner.tail());
  // What is drawn can be read, too.
  const said = (await lane(page, first).getByRole('listitem').allTextContents()).join(', ');
  assert.match(said, /^guard done .*drain done .*stop done .*start done .*check done .*admit done/);
  assert.equal(await page.getByRole('button', { name: /Abort/ }).count(), 0, 'it is over');
  await shot(page, 'release-done');
  await page.keyboard.press('/');
  await page.keyboard.type('verify');
  const verified = page.locator('.log tbody tr');
  await page.getByText(/^4 of /).waitFor();
  assert.match((await verified.allTextContents()).join(), /verifydone.*requests=/);
  await assertAccessible(page, 'a release that is over');
  await page.getByRole('navigation').getByRole('link', { name: 'Releases' }).click();
  await page.getByRole('row', { name: /app r2.*succeeded.*v1 → v2.* 0 *$/ }).waitFor();
  await page.getByRole('searchbox').fill('v1 r1');
  await page.getByText('1 of 2 releases').waitFor();
  await assertAccessible(page, 'all releases');
  await shot(page, 'releases');
  await page.getByRole('link', { name: 'r1', exact: true }).click();
  await page.getByRole('heading', { name: 'app r1' }).waitFor();
});

test('a release that fails says what, where, what happened since and what to do', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const it = await startReleaseStack(t);
  assert.match(await deploy(it, 'v1'), /SUCCEEDED/);
  const page = await eyes.open(pageOf(it, '/releases/app/r2'));
  await page.getByText('There is no release r2.').waitFor();
  const [first = '', second = ''] = it.instances;
  assert.match(await deploy(it, 'broken'), /FAILED/);
  const story = page.getByRole('alert');
  await story.getByText(`check of ${first} failed`).waitFor();
  await story.getByText(/process exited with code 1/).waitFor();
  await story.getByText(/cannot load .*no such file/).waitFor();
  await story.getByText(/The old version v1 was brought back within/).waitFor();
  await story.getByText('1 other instance was not touched.').waitFor();
  await story.getByText(/Next: .*fix it and deploy again/).waitFor();
  await lane(page, first).getByText('brought back').waitFor();
  await lane(page, second).getByText('not touched').waitFor();
  const said = await lane(page, first).getByRole('listitem').allTextContents();
  assert.match(said.join(), /check failed .*,start done .* brings the old version back/);
  await assertAccessible(page, 'a release that has failed');
  await shot(page, 'release-failed');
});

test('a release that hangs is aborted from the page, after the name of the service is typed', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const it = await startReleaseStack(t);
  assert.match(await deploy(it, 'v1'), /SUCCEEDED/);
  const runner = startDeploy(it, 'never');
  it.cleanup.add(() => runner.stop('SIGKILL'));
  const page = await eyes.open(pageOf(it, '/releases/app'));
  await page.getByRole('row', { name: /r2.*running/ }).waitFor();
  await page.getByRole('link', { name: 'r2', exact: true }).click();
  await page.locator('[aria-current=step]', { hasText: 'check' }).waitFor();
  await page.getByRole('button', { name: 'Abort now' }).click();
  const dialog = page.getByRole('dialog', { name: 'Abort now: app r2' });
  const button = dialog.getByRole('button', { name: 'Abort now' });
  await dialog.getByRole('textbox', { name: /Reason/ }).fill('it hangs');
  await dialog.getByText("sluice abort app --now -m 'it hangs'").waitFor();
  assert.equal(await button.isDisabled(), true, 'the name is not typed yet');
  await dialog.getByRole('textbox', { name: /Type app/ }).fill('app');
  await shot(page, 'release-abort');
  await button.click();
  await page.locator('.tag', { hasText: 'aborted' }).waitFor();
  const [first = ''] = it.instances;
  await lane(page, first).getByText('brought back').waitFor();
  assert.equal(await runner.exited, 1, runner.tail());
  assert.match(runner.tail(), /aborted by user:me: it hangs/);
});

test('a release whose runner is killed says so, and how to go on', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const it = await startReleaseStack(t);
  assert.match(await deploy(it, 'v1'), /SUCCEEDED/);
  const runner = startDeploy(it, 'never');
  it.cleanup.add(() => runner.stop('SIGKILL'));
  const page = await eyes.open(pageOf(it, '/releases/app'));
  await page.getByRole('link', { name: 'r2', exact: true }).click();
  await page.locator('[aria-current=step]', { hasText: 'check' }).waitFor();
  await runner.stop('SIGKILL');
  await page
    .getByRole('alert')
    .getByText(/runner is gone/)
    .waitFor();
  await page.getByText('sluice resume app').waitFor();
  assert.equal(
    await page.getByRole('button', { name: /Abort/ }).count(),
    0,
    'nobody would hear it',
  );
  await shot(page, 'release-gone');
});

test('a deploy is planned and started from the page, and leads to its release', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const it = await startReleaseStack(t, { admin: ', start_releases: on' });
  assert.match(await deploy(it, 'v1'), /SUCCEEDED/);
  const page = await eyes.open(pageOf(it, '/releases/app'));
  await page.getByRole('button', { name: 'Deploy' }).click();
  const dialog = page.getByRole('dialog', { name: 'Deploy: app' });
  await dialog.getByText('a version is needed').waitFor();
  await dialog.getByRole('textbox', { name: 'Version' }).fill('v2');
  const [first = ''] = it.instances;
  await dialog.getByText(`${first}: v1 → v2, 1 eligible while it is out`).waitFor();
  await dialog.getByText('sluice deploy app --version v2').waitFor();
  await assertAccessible(page, 'a deploy with its plan');
  await shot(page, 'release-start');
  await dialog.getByRole('button', { name: 'Deploy', exact: true }).click();
  await page.waitForURL('**/ui/releases/app/r2');
  await page.locator('.tag', { hasText: 'succeeded' }).waitFor();
  await page.getByRole('button', { name: 'Output' }).click();
  await page
    .getByRole('dialog')
    .getByText(/app v2 listens/)
    .waitFor();
});

test('a release is approved, paused, resumed and rolled back from the page', async (t) => {
  const eyes = await openEyes(t);
  if (eyes === undefined) return;
  const service = '    approve: { before: rest, timeout: 5m }\n';
  const it = await startReleaseStack(t, { service, admin: ', start_releases: on' });
  const page = await eyes.open(pageOf(it, '/releases/app'));
  const say = async (verb: string, why: string): Promise<void> => {
    await page.getByRole('button', { name: `${verb}…` }).click();
    const dialog = page.getByRole('dialog', { name: new RegExp(`^${verb}: app`) });
    await dialog.getByRole('textbox', { name: /Reason/ }).fill(why);
    await dialog.getByRole('button', { name: verb, exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
  };
  const first = startDeploy(it, 'v1');
  it.cleanup.add(() => first.stop('SIGKILL'));
  await page.getByRole('link', { name: 'r1', exact: true }).click();
  await page.getByText(/it waits for an approval before the rest/).waitFor();
  await shot(page, 'release-approval');
  await say('Approve', 'it answers');
  await page.locator('.tag', { hasText: 'succeeded' }).waitFor();
  assert.equal(await first.exited, 0, first.tail());
  assert.match(first.tail(), /approval given .*by=user:me why="it answers"/);

  const second = startDeploy(it, 'v2');
  it.cleanup.add(() => second.stop('SIGKILL'));
  await page.getByRole('navigation').getByRole('link', { name: 'Releases' }).click();
  await page.getByRole('link', { name: 'r2', exact: true }).click();
  await say('Pause', 'a look at it');
  // Both are before the second instance; which comes first depends on when the pause was heard.
  const paused = page.getByText(/^Paused by user:me/);
  const waiting = page.getByText(/it waits for an approval before the rest/);
  await paused.or(waiting).first().waitFor();
  if (await paused.isVisible()) {
    await say('Resume', 'it is fine');
    await waiting.waitFor();
    await say('Approve', 'it answers');
  } else {
    await say('Approve', 'it answers');
    await paused.waitFor();
    await say('Resume', 'it is fine');
  }
  await page.locator('.tag', { hasText: 'succeeded' }).waitFor();
  assert.equal(await second.exited, 0, second.tail());

  await page.getByRole('navigation').getByRole('link', { name: 'Releases' }).click();
  await page.getByRole('link', { name: 'app', exact: true }).first().click();
  await page.getByRole('button', { name: 'Roll back' }).click();
  const dialog = page.getByRole('dialog', { name: 'Roll back: app' });
  await dialog.getByText('a rollback says why').waitFor();
  await dialog.getByRole('textbox', { name: /Reason/ }).fill('the checkout fails');
  await dialog.getByText("sluice rollback app -m 'the checkout fails'").waitFor();
  await dialog
    .getByText(/: v2 → v1/)
    .first()
    .waitFor();
  await dialog.getByRole('button', { name: 'Roll back', exact: true }).click();
  await page.waitForURL('**/ui/releases/app/r3');
  await page.locator('.tag', { hasText: 'succeeded' }).waitFor();
  const { text } = await it.stack.cli(['history', 'app']);
  assert.match(text, /r3 +v1 +succeeded .*rollback of r2 by me: the checkout fails/);
});
