// The access log on a disk that has no room: it is said once, counted, and over when there is room.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { silentLog } from '../base/log.ts';
import { type AccessLine, AccessLog } from './access-log.ts';

const LINE: AccessLine = {
  client: '127.0.0.1',
  request: { method: 'GET', host: 'app.example', target: '/' },
  status: 200,
  bytes: 3,
  ms: 1,
  upstream: 'app',
  servers: ['127.0.0.1:9001'],
  result: 'answered',
  reason: '',
};

function temporaryFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-access-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'access.log');
}

test('a full disk is said once, and lines are written again when there is room', async (t) => {
  const file = temporaryFile(t);
  // Every write to /dev/full fails with ENOSPC.
  symlinkSync('/dev/full', file);
  const said: string[] = [];
  let heard = Promise.withResolvers<void>();
  const say = (_: unknown, message: string): void => {
    said.push(message);
    heard.resolve();
  };
  const accessLog = new AccessLog(file, { ...silentLog, error: say, info: say }, 0);
  t.after(() => accessLog.close());
  accessLog.write(LINE);
  accessLog.flush();
  await heard.promise;
  for (let round = 0; round < 3; round += 1) {
    accessLog.write(LINE);
    accessLog.flush();
    await nextTurn();
  }
  assert.deepEqual(said, ['access log cannot be written']);

  rmSync(file);
  heard = Promise.withResolvers<void>();
  const timer = setInterval(() => {
    accessLog.write(LINE);
    accessLog.flush();
  }, 5);
  await heard.promise;
  clearInterval(timer);
  assert.equal(said[1], 'access log is written again');
  const text = readFileSync(file, 'utf8');
  assert.match(text, /"dropped":\d+\}\n/);
  assert.match(text, /"target":"\/"/);
});
