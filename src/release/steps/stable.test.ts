// check.stable: what passes its check goes on passing for a while before it gets traffic.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deploy, outcomes, scene } from '../../../test/support/release/builders.ts';

/** An app whose answers are 500 where `isBad` says so, by their number from 1 on. */
function app(isBad: string): readonly string[] {
  const code = `let n = 0;
    const version = process.env.VERSION;
    require('node:http').createServer((request, response) => {
      if (request.url === '/ping') n += 1;
      const isBad = ${isBad};
      response.writeHead(version === 'v2' && request.url === '/ping' && isBad ? 500 : 200, { 'x-app-version': version });
      response.end(version);
    }).listen(process.env.PORT, '127.0.0.1');`;
  return [process.execPath, '-e', code];
}

const ENV = { VERSION: '{version}', PORT: '{port}' };

test('a version that passes and fails again is never admitted', async (t) => {
  const { service, control } = await scene(t, { start: app('n % 3 === 0'), env: ENV });
  control.checkType = 'none';
  const changed = { ...service, checkStableMs: 400, checkDeadlineMs: 5000 };
  const deployed = await deploy(changed, control, 'v2');
  assert.match(deployed.result.reason, /^check failed: not stable for 400ms within 5s$/);
  assert.deepEqual(outcomes(deployed), ['v1 in reverted', 'v1 in untouched']);
  // Without the wait it would be: it has passed twice.
  const hasty = await deploy({ ...service, checkStableMs: 0 }, control, 'v2');
  assert.deepEqual(outcomes(hasty), ['v2 in released', 'v2 in released']);
});

test('a failure begins the time anew, and a process that dies meanwhile fails at once', async (t) => {
  const { service, control } = await scene(t, { start: app('n === 4'), env: ENV });
  control.checkType = 'none';
  const changed = { ...service, checkStableMs: 300, checkDeadlineMs: 20_000 };
  const deployed = await deploy(changed, control, 'v2');
  assert.deepEqual(outcomes(deployed), ['v2 in released', 'v2 in released']);
  for (const event of deployed.events) {
    if (event.type !== 'step' || event.step !== 'check' || event.phase !== 'done') continue;
    const { passes } = event.data;
    assert(typeof passes === 'number' && passes > 2, 'it was asked on');
    assert(event.ms >= 300, `${event.ms} ms`);
  }
  const dying = app('(n === 3 && process.exit(3), false)');
  const dead = await deploy({ ...changed, start: dying, env: { ...ENV } }, control, 'v2', {
    force: true,
  });
  assert.match(dead.result.reason, /^check failed: process exited with code 3 after /);
});
