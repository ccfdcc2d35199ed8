import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Story } from '../../model.ts';
import { Upstream } from '../../upstream.ts';
import { ALIKE_MAX, HELD_MAX, Recorder, SLOWEST } from './recorder.ts';

// The recorder looks at none of its fields.
const story = (id: string): Story => ({ id }) as Story;

function upstream(name = 'app'): Upstream {
  return new Upstream(name, () => {});
}

/** Offers an ordinary request of this wait; answers why it was kept. */
function ordinary(recorder: Recorder, of: Upstream, waitMs: number, nowMs: number): string {
  const kind = recorder.whyOrdinary(of, waitMs, nowMs);
  if (kind !== '') recorder.keep(story(`${of.name} ${waitMs}`));
  return kind;
}

test('of a flood of equal failures the first are kept, and the rest are counted', () => {
  const recorder = new Recorder();
  let made = 0;
  for (let count = 0; count < 10_000; count += 1) {
    if (!recorder.admits('failed', 'app', 502)) continue;
    made += 1;
    recorder.keep(story(String(count)));
  }
  assert.equal(made, ALIKE_MAX);
  assert.equal(recorder.admits('failed', 'app', 504), true, 'another failure is not lost in it');
  recorder.keep(story('another'));
  const { stories, leftOut } = recorder.take(0);
  assert.deepEqual([stories.length, leftOut], [ALIKE_MAX + 1, 10_000 - ALIKE_MAX]);
  assert.equal(stories.at(-1)?.id, 'another');
  assert.deepEqual(recorder.take(1), { stories: [], leftOut: 0 });
  assert.equal(recorder.admits('failed', 'app', 502), true, 'the next half second has its own');
});

test('what is held is bounded, however many sorts there are and whoever takes it', () => {
  const recorder = new Recorder();
  for (let count = 0; count < 10_000; count += 1) {
    if (recorder.admits('failed', `app${count}`, 502)) recorder.keep(story(''));
    ordinary(recorder, upstream(`app${count}`), 1, count * 20_000);
  }
  assert.equal(recorder.take(0).stories.length, HELD_MAX);
});

test('the slowest of each minute and upstream are kept, the ordinary ones are not', () => {
  const recorder = new Recorder();
  const [app, other] = [upstream(), upstream('other')];
  assert.equal(ordinary(recorder, app, 0, 0), 'slow');
  for (let count = 1; count < SLOWEST; count += 1) ordinary(recorder, app, 10 + count, 0);
  recorder.take(0);
  const seen = [5, 0, 4, 11, 500, 12, 600].map((waitMs) => ordinary(recorder, app, waitMs, 1));
  // 0 was pushed out by 5, which is the one sample of these ten seconds, too.
  assert.deepEqual(
    seen.map((kind) => kind === 'slow'),
    [true, false, false, true, true, true, true],
  );
  assert.equal(ordinary(recorder, other, 1, 1), 'slow', 'each upstream has its own');
  recorder.take(2);
  assert.notEqual(ordinary(recorder, app, 10, 3), 'slow');
  recorder.take(59_999);
  assert.notEqual(ordinary(recorder, app, 10, 60_000), 'slow');
  recorder.take(60_001);
  assert.equal(ordinary(recorder, app, 10, 60_002), 'slow', 'a new minute');
});

test('an ordinary request is kept now and then, to compare with', () => {
  const recorder = new Recorder();
  const app = upstream();
  app.slowFromMs = 1000;
  const kinds = [0, 1, 9999, 10_000, 10_001].map((nowMs) => ordinary(recorder, app, 1, nowMs));
  assert.deepEqual(kinds, ['sampled', '', '', 'sampled', '']);
});
