import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../base/log.ts';
import { SilenceWatch, type SilentLink } from './silence.ts';

const NAMED = '1 worker does not answer; drains wait for it';
const REPLACED = '1 worker stands still: another takes its place';
const ENDED = '1 worker hangs: it is ended';

function watch() {
  const said: string[] = [];
  const asked: string[] = [];
  const say = (fields: object, text: string) => {
    said.push(`${'worker' in fields ? fields.worker : ''} ${text}`);
  };
  /** Processor time of every worker, ms. */
  const processor = { ms: 0 };
  const silence = new SilenceWatch(
    {
      log: { ...silentLog, warn: say, info: say, error: say },
      processorMs: () => processor.ms,
      onStill: ({ id }) => asked.push(`replace ${id}`),
      onHung: ({ id }) => asked.push(`end ${id}`),
    },
    0,
  );
  /** Every second, from the second after `from` on. */
  const lookUntil = (links: SilentLink[], fromMs: number, toMs: number, usesPart = 0): void => {
    for (let nowMs = fromMs + 1000; nowMs <= toMs; nowMs += 1000) {
      processor.ms += 1000 * usesPart;
      silence.look(links, nowMs);
    }
  };
  return { said, asked, watch: silence, lookUntil };
}

function worker(id: number, heardMs: number, hasStarted = true) {
  return { id, pid: id, heardMs, hasStarted, isOurs: true };
}

test('a worker without a sign of life is named once, and so is its return', () => {
  const { said, watch: silence } = watch();
  const [hangs, lives] = [worker(1, 500), worker(2, 500)];
  const links = [hangs, lives];
  for (let nowMs = 1000; nowMs <= 9000; nowMs += 1000) {
    lives.heardMs = nowMs - 100;
    silence.look(links, nowMs);
  }
  assert.deepEqual(said, [NAMED]);
  hangs.heardMs = 9500;
  lives.heardMs = 9500;
  silence.look(links, 10_000);
  silence.look(links, 11_000);
  assert.deepEqual(said.slice(1), ['1 worker answers again']);
});

test('a primary that stood still blames no worker for it', () => {
  const { said, asked, watch: silence, lookUntil } = watch();
  const link = worker(1, 900);
  silence.look([link], 1000);
  // Stopped for 50 s, and the watch is the first that runs again.
  silence.look([link], 51_000);
  silence.look([link], 52_000);
  assert.deepEqual(said, []);
  // From here on it can be heard, and is not.
  lookUntil([link], 52_000, 57_000);
  assert.deepEqual(said, [NAMED]);
  silence.look([link], 157_000);
  assert.equal(said.length, 1, 'no word about what was not heard');
  lookUntil([link], 157_000, 166_000);
  assert.deepEqual(asked, [], 'what was before counts for nothing');
});

test('a worker that loops is ended after ten seconds, once it is gone', () => {
  const { said, asked, lookUntil } = watch();
  const link = worker(1, 0);
  lookUntil([link], 0, 9000, 0.9);
  assert.deepEqual(asked, []);
  lookUntil([link], 9000, 10_000, 0.9);
  assert.deepEqual(asked, ['end 1']);
  assert.deepEqual(said, [NAMED, ENDED]);
});

test('one that stands still is replaced after ten seconds and ended after a minute', () => {
  const { said, asked, lookUntil } = watch();
  const link = worker(1, 0);
  lookUntil([link], 0, 59_000);
  assert.deepEqual(asked, ['replace 1']);
  lookUntil([link], 59_000, 60_000);
  assert.deepEqual(asked, ['replace 1', 'end 1']);
  assert.deepEqual(said, [NAMED, REPLACED, ENDED]);
});

test('one that gets little of a busy processor is not taken for one that loops', () => {
  const { asked, lookUntil } = watch();
  const link = worker(1, 0);
  lookUntil([link], 0, 20_000, 0.2);
  assert.deepEqual(asked, ['replace 1']);
  link.heardMs = 20_500;
  lookUntil([link], 20_000, 25_000, 0.9);
  assert.deepEqual(asked, ['replace 1'], 'it has answered');
});

test('one that starts has a minute, whatever it does', () => {
  const { asked, lookUntil } = watch();
  const link = worker(1, 0, false);
  lookUntil([link], 0, 59_000, 1);
  assert.deepEqual(asked, []);
  lookUntil([link], 59_000, 60_000, 1);
  assert.deepEqual(asked, ['end 1']);
});

test('a worker of another version says nothing and is not judged', () => {
  const { said, asked, lookUntil } = watch();
  lookUntil([{ ...worker(1, 0), isOurs: false }], 0, 90_000, 1);
  assert.deepEqual([said, asked], [[], []]);
});
