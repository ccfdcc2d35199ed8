import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameScan, GOING_AWAY, maskedGoingAway } from './frames.ts';

/** Frames with payloads of these lengths, full of bytes that look like a Close frame. */
function frames(lengths: readonly number[]): { bytes: Buffer; ends: readonly number[] } {
  const parts = lengths.map((length) => {
    const head =
      length < 126
        ? [0x82, length]
        : length < 65_536
          ? [0x82, 126, length >> 8, length & 255]
          : [0x82, 127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 255, length & 255];
    return Buffer.concat([Buffer.from(head), Buffer.alloc(length, 0x88)]);
  });
  let end = 0;
  const ends = parts.map((part) => {
    end += part.length;
    return end;
  });
  return { bytes: Buffer.concat(parts), ends };
}

test('the places between frames are found wherever reading begins', () => {
  const { bytes, ends } = frames([0, 3, 125, 126, 300, 0, 1]);
  for (let cut = 0; cut < bytes.length; cut += 1) {
    const scan = new FrameScan();
    scan.read(bytes, 0, cut);
    assert.equal(scan.isBetween, cut === 0 || ends.includes(cut), `at ${cut}`);
    assert.equal(
      scan.readFrame(bytes, cut, bytes.length),
      ends.find((end) => end > cut),
    );
    assert(scan.isBetween);
  }
});

test('a Close frame is found where it begins, and one that has begun is read to its end', () => {
  const { bytes, ends } = frames([0, 300, 65_536]);
  const all = Buffer.concat([bytes, GOING_AWAY, Buffer.from('behind')]);
  for (const cut of [0, 1, 2, 5, 302, 310, ...ends]) {
    const scan = new FrameScan();
    scan.read(all, 0, cut);
    assert.equal(scan.readToClose(all, cut, all.length), bytes.length);
    assert(!scan.isClosed && scan.isBetween);
  }
  const late = new FrameScan();
  late.read(all, 0, bytes.length + 1);
  assert.equal(late.readToClose(all, bytes.length + 1, all.length), all.length);
  assert(late.isClosed);
});

test('the masked Close says 1001', () => {
  const [, , a = 0, b = 0, , , high = 0, low = 0] = maskedGoingAway(Uint8Array.of(7, 9, 11, 13));
  assert.equal(((high ^ a) << 8) | (low ^ b), 1001);
});
