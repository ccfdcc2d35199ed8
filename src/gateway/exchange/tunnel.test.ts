import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tunnel } from './tunnel.ts';

/** Sides that only listen. */
const ENDS = {
  client: {
    send: () => true,
    pauseBody: () => {},
    endTunnel: () => {},
    closeTunnel: () => {},
    cut: () => {},
  },
  server: undefined,
};

test('finds the Close frame in every split, behind messages of every length', () => {
  const lengths = [0, 1, 125, 126, 300, 65_535, 65_536];
  for (const mask of [false, true]) {
    const frames = lengths.map((length) => frame(0x2, length, mask));
    // Payloads are full of bytes that look like a Close frame.
    const bytes = Buffer.concat([...frames, frame(0x8, 2, mask)]);
    for (const step of [1, 2, 3, 7, 1000, bytes.length]) {
      const tunnel = new Tunnel('websocket', { ...ENDS, over: () => {} });
      tunnel.serverEnded();
      const closeAt = bytes.length - frame(0x8, 2, mask).length;
      for (let at = 0; at < bytes.length; at += step) {
        const end = Math.min(at + step, bytes.length);
        if (at + step <= closeAt) assert.notEqual(tunnel.whyCut(false), '', `too early at ${at}`);
        tunnel.serverSent(bytes, at, end);
      }
      assert.equal(tunnel.whyCut(false), '', `mask ${mask}, step ${step}`);
    }
  }
});

function frame(opcode: number, length: number, isMasked: boolean): Buffer {
  const head = [0x80 | opcode];
  const bit = isMasked ? 0x80 : 0;
  if (length < 126) head.push(bit | length);
  else if (length < 65_536) head.push(bit | 126, length >> 8, length & 255);
  else
    head.push(
      bit | 127,
      0,
      0,
      0,
      0,
      length >>> 24,
      (length >> 16) & 255,
      (length >> 8) & 255,
      length & 255,
    );
  if (isMasked) head.push(0x88, 0x88, 0x88, 0x88);
  return Buffer.concat([Buffer.from(head), Buffer.alloc(length, 0x88)]);
}
