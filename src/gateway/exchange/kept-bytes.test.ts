// Kept request bodies: whole, in order, and in few pieces however they came.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeptBytes } from './kept-bytes.ts';

function contents(kept: KeptBytes): { readonly pieces: number; readonly bytes: Buffer } {
  const pieces: Buffer[] = [];
  kept.each((buffer, end) => pieces.push(Buffer.from(buffer.subarray(0, end))));
  return { pieces: pieces.length, bytes: Buffer.concat(pieces) };
}

for (const step of [1, 7, 1000, 2048, 2049, 70_000]) {
  test(`256 kB in pieces of ${step} take few buffers, and are the same again`, () => {
    const body = Buffer.from(Array.from({ length: 262_144 }, (_, at) => at % 251));
    const kept = new KeptBytes();
    for (let round = 0; round < 2; round += 1) {
      for (let at = 0; at < body.length; at += step) {
        kept.add(body, at, Math.min(body.length, at + step));
      }
      const { pieces, bytes } = contents(kept);
      assert(pieces <= 20, `${pieces} pieces`);
      assert(bytes.equals(body));
      assert.equal(kept.length, body.length);
      kept.clear();
      assert.equal(contents(kept).pieces, 0);
    }
  });
}
