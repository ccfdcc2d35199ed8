// The demo, run as a user runs it, only watching less long: it must end well, show its receipt and
// leave nothing behind. On a real Consul too, where there is one.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Tally } from '../demo/load/tally.ts';
import type { Result } from '../demo/load.ts';
import { verdict } from '../demo/show/receipt.ts';
import type { Kill } from '../demo/show/traffic.ts';
import type { ReceiptDocument } from '../src/admin.ts';
import { NO_ANSWERS, NO_LASTING } from './support/admin/documents.ts';
import { ALONE } from './support/base/scopes.ts';
import { findPeer, needPeer } from './support/peers/programs.ts';

const DEMO = join(import.meta.dirname, '../demo/demo.ts');

/** Runs the demo in a temporary folder of its own. */
async function demo(
  t: TestContext,
  argv: readonly string[],
  onText: (text: string, pid: number) => void = () => {},
  environment: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; text: string; left: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'demo-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const child = spawn(process.execPath, [DEMO, '--fast', ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment, TMPDIR: folder },
  });
  t.after(() => child.kill('SIGTERM'));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      onText(text, child.pid ?? 0);
    });
  }
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const left = (await readdir(folder)).filter((name) => name.startsWith('sluice-'));
  return { code, text, left };
}

function assertGood({
  code,
  text,
  left,
}: {
  code: number | null;
  text: string;
  left: string[];
}): void {
  assert.equal(code, 0, text);
  assert.match(text, /Nothing (else )?was lost: \d+ requests/);
  assert.match(text, /Release \S+ of app to v2 SUCCEEDED/);
  assert.match(text, /Release \S+ of app to broken FAILED/);
  const wide = text.split('\n').filter((line) => line.length > 80);
  assert.deepEqual(
    wide.filter((line) => !line.includes('/sluice-demo-')),
    [],
  );
  assert.deepEqual(left, [], 'temporary folders are removed');
}

test('the demo loses nothing and says so', { timeout: 180_000 }, async (t) => {
  assertGood(await demo(t, []));
});

for (const [argv, code, said] of [
  [['--help'], 0, /^usage: npm run demo -- \[--consul\]/],
  [['-h'], 0, /^usage: /],
  [['--bogus'], 2, /^demo: Unknown option '--bogus'\nusage: /],
  [['extra'], 2, /^demo: Unexpected argument 'extra'\nusage: /],
] as const) {
  test(`the demo with ${argv.join(' ')} says how it is used`, async (t) => {
    const ended = await demo(t, argv);
    assert.equal(ended.code, code, ended.text);
    assert.match(ended.text, said);
    assert.doesNotMatch(ended.text, /ERR_PARSE_ARGS/);
  });
}

test('without a consul the demo announces nothing', async (t) => {
  const path = process.env['PATH'] ?? '';
  process.env['PATH'] = '';
  const found = findPeer('consul');
  process.env['PATH'] = path;
  if (found !== undefined) return t.skip('a consul is in a folder that cannot be hidden');
  const { code, text } = await demo(t, ['--consul'], () => {}, { PATH: '', CI: '' });
  assert.equal(code, 1);
  assert.match(text, /, or leave out --consul/);
  assert.doesNotMatch(text, /Everything below is real/);
});

test('the demo runs on a real Consul', { timeout: 180_000 }, async (t) => {
  if (needPeer(t, 'consul') === undefined) return;
  assertGood(await demo(t, ['--consul']));
});

const KILL: Kill = { server: '127.0.0.1:2', pid: 7, atMs: 1000 };
const RECEIPT: ReceiptDocument = {
  ...{ id: 'c1', upstream: 'app', openedAtMs: 0, requests: 1, answered: 0, retried: 0, cut: 0 },
  ...{
    lost: 1,
    clientGone: 0,
    stillInFlight: 0,
    ...{ answers: NO_ANSWERS, tunnels: NO_LASTING, streams: NO_LASTING },
    longestGapMs: 0,
    workersLost: 0,
    servers: [],
  },
  gateways: [],
  complete: true,
  scope: ALONE,
};
const INSIDE: Result = {
  ...{ id: '1-1', kind: 'slow_post', method: 'POST', path: '/slow?ms=300', idempotent: false },
  ...{ outcome: 'status', detail: '502 closed before it answered', server: '', version: '' },
  ...{ arrivedMs: 0, startedMs: 900, endedMs: 1010 },
};

const FAILURES: readonly { is: string; failure: Result; isGood: boolean }[] = [
  { is: 'a POST inside the killed process', failure: INSIDE, isGood: true },
  { is: 'a GET', failure: { ...INSIDE, method: 'GET', idempotent: true }, isGood: false },
  {
    is: 'a POST after the kill',
    failure: { ...INSIDE, startedMs: 1300, endedMs: 1310 },
    isGood: false,
  },
  { is: 'a POST that failed before the kill', failure: { ...INSIDE, endedMs: 990 }, isGood: false },
  { is: 'a POST to another server', failure: { ...INSIDE, server: '127.0.0.1:1' }, isGood: false },
];

for (const { is, failure, isGood } of FAILURES) {
  test(`${is} that failed is ${isGood ? 'excused' : 'a loss'}`, (t) => {
    t.mock.method(console, 'log', () => {});
    const tally = new Tally();
    tally.began(failure.startedMs);
    tally.ended(failure);
    assert.equal(verdict(RECEIPT, tally.summary(), [failure], [KILL]), isGood);
  });
}

test('an interrupted demo cleans up after itself', { timeout: 180_000 }, async (t) => {
  let isSent = false;
  const { code, text, left } = await demo(t, [], (shown, pid) => {
    if (isSent || !shown.includes('Rolling release')) return;
    isSent = true;
    process.kill(pid, 'SIGINT');
  });
  assert.equal(code, 130, text);
  assert.deepEqual(left, []);
});
