import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../base/log.ts';
import { SilenceWatch } from './silence.ts';

function watch() {
  const said: string[] = [];
  const say = (fields: object, text: string) => {
    said.push(`${'worker' in fields ? fields.worker : ''} ${text}`);
  };
  return { said, watch: new SilenceWatch({ ...silentLog, warn: say, info: say }, 0) };
}

test('a worker without a sign of life is named once, and so is its return', () => {
  const { said, watch: silence } = watch();
  const links = [
    { id: 1, pid: 1, heardMs: 500 },
    { id: 2, pid: 2, heardMs: 500 },
  ];
  const [hangs, lives] = links;
  assert(hangs !== undefined && lives !== undefined);
  for (let nowMs = 1000; nowMs <= 9000; nowMs += 1000) {
    lives.heardMs = nowMs - 100;
    silence.look(links, nowMs);
  }
  assert.deepEqual(said, ['1 worker does not answer; drains wait for it']);
  hangs.heardMs = 9500;
  lives.heardMs = 9500;
  silence.look(links, 10_000);
  silence.look(links, 11_000);
  assert.deepEqual(said.slice(1), ['1 worker answers again']);
});

test('a primary that stood still blames no worker for it', () => {
  const { said, watch: silence } = watch();
  const link = { id: 1, pid: 1, heardMs: 900 };
  silence.look([link], 1000);
  // Stopped for 50 s, and the watch is the first that runs again.
  silence.look([link], 51_000);
  silence.look([link], 52_000);
  assert.deepEqual(said, []);
  // From here on it can be heard, and is not.
  for (let nowMs = 53_000; nowMs <= 57_000; nowMs += 1000) silence.look([link], nowMs);
  assert.deepEqual(said, ['1 worker does not answer; drains wait for it']);
  silence.look([link], 157_000);
  assert.equal(said.length, 1, 'no word about what was not heard');
});
