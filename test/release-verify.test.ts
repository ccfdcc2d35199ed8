// A version that answers /ping with 200 and everything else with 500 loses no request. The whole program,
// with real requests: without `verify` the result says it, with it the first instance is taken back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startLoad } from '../demo/load.ts';
import { versionOf } from './support/release/builders.ts';
import { type ReleaseStack, startReleaseStack } from './support/release/stack.ts';

const VERIFY = '    verify: { window: 3s, min_requests: 20, max_5xx: 1%, vs_peers: 3 }\n';

async function deploy({ stack }: ReleaseStack, argv: readonly string[]) {
  const lines: string[] = [];
  const { code } = await stack.cli(['deploy', 'app', ...argv], (line) => lines.push(line));
  return { code, text: lines.join('\n'), last: lines.at(-1) ?? '' };
}

async function underLoad(it: ReleaseStack): Promise<void> {
  const first = await deploy(it, ['--version', 'v1']);
  assert.equal(first.code, 0, first.text);
  const load = startLoad({ host: '127.0.0.1', port: it.stack.ports.gateway, rate: 80 });
  it.cleanup.add(async () => void (await load.stop()));
}

test('verify takes a version back at its first instance', async (t) => {
  const it = await startReleaseStack(t, { service: VERIFY });
  await underLoad(it);
  const good = await deploy(it, ['--version', 'v2']);
  assert.equal(good.code, 0, good.text);
  assert.equal(good.text.match(/ verify +done .* share=0% limit=1% requests=\d+ /g)?.length, 2);
  const bad = await deploy(it, ['--version', 'rotten']);
  assert.equal(bad.code, 1, bad.text);
  assert.match(
    bad.text,
    /✖ verify failed: (\d+) of \1 requests \(100%\) got a 5xx or no answer, over the limit of 1%; the old version: 0% \(0 of \d+\)/,
  );
  assert.match(bad.text, / answered \([\d,]+ 2xx, [\d,]+ 5XX\), \d+ retried, 0 cut, 0 lost/);
  assert.deepEqual(await Promise.all(it.instances.map(versionOf)), ['v2', 'v2']);
  assert.match(bad.text, new RegExp(`${it.instances[1]} +v2 +in pool +not touched`));
});

test('without it the release is finished, and the result says what it has done', async (t) => {
  const it = await startReleaseStack(t);
  await underLoad(it);
  const { code, last, text } = await deploy(it, ['--version', 'rotten', '--json']);
  assert.equal(code, 0, text);
  const { result } = JSON.parse(last);
  assert.equal(result.outcome, 'succeeded');
  assert.equal(result.receipt.lost, 0);
  assert(result.receipt.answers['5xx'] > 0);
  for (const server of result.receipt.servers) assert.equal(typeof server.answers['5xx'], 'number');
  // The second instance has hardly had a request by then.
  assert.match(
    result.doubts[0],
    /^127\.0\.0\.1:\d+ on rotten: 100% \(\d+ of \d+\) of its requests/,
  );
  assert.match(result.next[0], /or go back: sluice deploy app --version v1$/);
});
