// Messages at a receiver that checks them as the vendors' documents say.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FAILED, SUCCEEDED } from '../../test/support/cli/release-story.ts';
import { deploy, scene, when } from '../../test/support/release/builders.ts';
import { receiver } from '../../test/support/release/receiver.ts';
import type { ReceiverConfig } from '../config.ts';
import { Notifier } from './notify.ts';
import { Interrupts } from './wait.ts';

const BASE = { secret: '', on: ['failed'], timeoutMs: 5000 } as const;
const ABOUT = { service: 'app', release: 'r42', version: 'v2', from: ['v1'] };

async function tell(
  t: TestContext,
  part: Partial<ReceiverConfig> & Pick<ReceiverConfig, 'kind'>,
  url: string,
  options: { readonly secret?: string; readonly interrupts?: Interrupts } = {},
): Promise<{ readonly notes: readonly string[]; readonly secrets: ReadonlySet<string> }> {
  process.env['TEST_ROBOT_URL'] = url;
  process.env['TEST_ROBOT_SECRET'] = options.secret ?? '';
  t.after(() => {
    delete process.env['TEST_ROBOT_URL'];
    delete process.env['TEST_ROBOT_SECRET'];
  });
  const secret = options.secret === undefined ? '' : 'env:TEST_ROBOT_SECRET';
  const config = { ...BASE, url: 'env:TEST_ROBOT_URL', secret, ...part };
  const secrets = new Set<string>();
  const { interrupts = new Interrupts() } = options;
  const notifier = new Notifier([config], { interrupts, secrets });
  notifier.tell('failed', { ...ABOUT, result: FAILED, approval: null });
  return { notes: await notifier.close(), secrets };
}

test('webhook: the result as JSON, with a signature over time and body', async (t) => {
  const { url, heard } = await receiver(t, {});
  const { notes } = await tell(t, { kind: 'webhook' }, url, { secret: 'hush-hush' });
  assert.deepEqual(notes, []);
  const [one] = heard;
  assert(one !== undefined && heard.length === 1);
  const timestamp = String(one.headers['x-sluice-timestamp']);
  assert(Math.abs(Number(timestamp) - Date.now() / 1000) < 60, timestamp);
  const wanted = createHmac('sha256', 'hush-hush').update(`${timestamp}.${one.text}`).digest('hex');
  assert.equal(one.headers['x-sluice-signature'], `sha256=${wanted}`);
  assert.equal(one.headers['x-sluice-event'], 'failed');
  const body = JSON.parse(one.text);
  assert.deepEqual([body.v, body.event, body.release, body.from], [1, 'failed', 'r42', ['v1']]);
  assert.deepEqual(body.result, JSON.parse(JSON.stringify(FAILED)));
});

test('webhook: without a secret it is not signed', async (t) => {
  const { url, heard } = await receiver(t, {});
  await tell(t, { kind: 'webhook', url }, '');
  assert.equal(heard[0]?.headers['x-sluice-signature'], undefined);
});

test('dingtalk: HMAC of time and secret by the secret, as Base64 in the query', async (t) => {
  const { url, heard } = await receiver(t, { body: '{"errcode":0,"errmsg":"ok"}' });
  const { notes } = await tell(t, { kind: 'dingtalk' }, url, { secret: 'SEC+/=&x' });
  assert.deepEqual(notes, []);
  const { query, text = '' } = heard[0] ?? {};
  const timestamp = query?.get('timestamp') ?? '';
  assert.equal(timestamp.length, 13, 'milliseconds');
  const wanted = createHmac('sha256', 'SEC+/=&x').update(`${timestamp}\nSEC+/=&x`).digest('base64');
  assert.equal(query?.get('sign'), wanted);
  assert.equal(query?.get('access_token'), 'T0KEN-9');
  const body = JSON.parse(text);
  assert.equal(body.msgtype, 'markdown');
  assert.match(body.markdown.title, /Sluice: app r42 to v2 failed$/);
  assert.match(body.markdown.text, /process exited with code 1\n\n/);
});

test('feishu: HMAC of nothing by time and secret, in the body', async (t) => {
  const { url, heard } = await receiver(t, { body: '{"code":0,"msg":"success"}' });
  const { notes } = await tell(t, { kind: 'feishu' }, url, { secret: 'sec' });
  assert.deepEqual(notes, []);
  const body = JSON.parse(heard[0]?.text ?? '{}');
  assert.equal(body.timestamp.length, 10, 'seconds');
  const wanted = createHmac('sha256', `${body.timestamp}\nsec`).update('').digest('base64');
  assert.equal(body.sign, wanted);
  assert.equal(body.msg_type, 'text');
  assert.match(body.content.text, /^❌ Sluice: app r42 to v2 failed after 3\.2s\n/);
});

test('robots without a signature get none', async (t) => {
  const dingtalk = await receiver(t, { body: '{"errcode":0}' });
  await tell(t, { kind: 'dingtalk' }, dingtalk.url);
  assert.equal(dingtalk.heard[0]?.query.get('sign'), null);
  const feishu = await receiver(t, { body: '{"StatusCode":0}' });
  assert.deepEqual((await tell(t, { kind: 'feishu' }, feishu.url)).notes, []);
  assert.equal(JSON.parse(feishu.heard[0]?.text ?? '{}').sign, undefined);
});

test('wecom and slack: the text, within their limits', async (t) => {
  const wecom = await receiver(t, { body: '{"errcode":0}' });
  assert.deepEqual((await tell(t, { kind: 'wecom' }, wecom.url)).notes, []);
  const { msgtype, markdown } = JSON.parse(wecom.heard[0]?.text ?? '{}');
  assert.equal(msgtype, 'markdown');
  assert.match(markdown.content, /9120 requests, 2 lost, 1 cut/);
  const slack = await receiver(t, {});
  assert.deepEqual((await tell(t, { kind: 'slack' }, slack.url)).notes, []);
  assert.match(JSON.parse(slack.heard[0]?.text ?? '{}').text, /next: fix it and deploy again/);
});

for (const [name, kind, answers, tries, note] of [
  ['a status that may pass', 'webhook', [{ status: 503 }, {}], 2, ''],
  ['a status that says no', 'webhook', [{ status: 404 }], 1, 'answered 404'],
  ['a redirect', 'webhook', [{ status: 302, location: '/other' }], 1, 'answered 302'],
  [
    'a code',
    'dingtalk',
    [{ body: '{"errcode":310000,"errmsg":"T0KEN-9"}' }],
    1,
    'refused it: errcode 310000',
  ],
  ['a code of feishu', 'feishu', [{ body: '{"code":19021}' }], 1, 'refused it: code 19021'],
  ['no JSON', 'wecom', [{ body: '<html>' }], 1, 'gave an answer that is not understood'],
] as const) {
  test(`what is answered: ${name}`, async (t) => {
    const { url, heard } = await receiver(t, ...answers);
    const { notes } = await tell(t, { kind }, url);
    assert.equal(heard.length, tries);
    if (note === '') return assert.deepEqual(notes, []);
    assert.equal(notes.length, 1);
    assert.equal(notes[0], `notify[0] (${kind}) was not told of "failed": ${note}`);
    assert.doesNotMatch(notes.join(), /T0KEN|127\.0\.0\.1/);
  });
}

test('tries of one message have the same id', async (t) => {
  const { url, heard } = await receiver(t, { status: 500 }, {});
  await tell(t, { kind: 'webhook' }, url);
  const [first, second] = heard.map(({ headers }) => headers['x-sluice-delivery']);
  assert.equal(first, second);
  assert.match(String(first), /^[\da-f-]{36}$/);
});

test('one that nobody answers is a note, and the URL is not in it', async (t) => {
  const { url } = await receiver(t, 'none');
  const silent = await tell(t, { kind: 'webhook', timeoutMs: 20 }, url);
  assert.match(silent.notes[0] ?? '', /did not answer in time$/);
  const refused = await tell(t, { kind: 'webhook' }, 'http://127.0.0.1:1/T0KEN-9');
  assert.match(refused.notes[0] ?? '', /could not be reached/);
  assert.doesNotMatch(`${silent.notes}${refused.notes}`, /T0KEN|127/);
  assert(
    [...silent.secrets].some((secret) => secret.includes('T0KEN-9')),
    'it is masked, too',
  );
});

test('what cannot be resolved is a note that names the reference', async (t) => {
  const { notes } = await tell(t, { kind: 'slack', url: 'env:TEST_NO_SUCH' }, '');
  assert.match(notes[0] ?? '', /environment variable TEST_NO_SUCH is not set/);
  const file = join(import.meta.dirname, 'notify.test.ts');
  const other = await tell(t, { kind: 'slack', url: `file:${file}` }, '');
  assert.equal(other.notes.length, 1);
});

test('after a second signal nobody is waited for', async (t) => {
  const { url } = await receiver(t, 'none');
  const interrupts = new Interrupts();
  interrupts.raise('SIGINT');
  interrupts.raise('SIGTERM');
  const { notes } = await tell(t, { kind: 'webhook', timeoutMs: 60_000 }, url, { interrupts });
  assert.equal(notes.length, 1);
});

test('a release tells its begin and its end, and goes on while nobody answers', async (t) => {
  const folder = process.env['TMPDIR'] ?? '/tmp';
  const file = join(folder, `sluice-notify-${process.pid}`);
  const { url, heard } = await receiver(t, {}, { status: 400 });
  await writeFile(file, `${url}\n`);
  t.after(() => import('node:fs/promises').then(({ rm }) => rm(file)));
  const config = { ...BASE, kind: 'webhook', url: `file:${file}` } as const;
  const notify = [{ ...config, on: ['started', 'succeeded'] }] as const;
  const { service, control, a } = await scene(t);
  let atStop = 0;
  const look = when(a, 'admit', 'done', () => {
    atStop = heard.length;
  });
  const { result, events } = await deploy({ ...service, notify }, control, 'v2', look);
  assert.equal(result.outcome, SUCCEEDED.outcome);
  assert.equal(atStop, 1, 'it was told before the end');
  const bodies = heard.map(({ text }) => JSON.parse(text));
  assert.deepEqual(
    bodies.map(({ event, result: told }) => [event, told?.outcome]),
    [
      ['started', undefined],
      ['succeeded', 'succeeded'],
    ],
  );
  const notes = events.flatMap((event) => (event.type === 'note' ? [event.text] : []));
  assert.deepEqual(notes, ['notify[0] (webhook) was not told of "succeeded": answered 400']);
  assert.equal(events.at(-1)?.type, 'result');
});
