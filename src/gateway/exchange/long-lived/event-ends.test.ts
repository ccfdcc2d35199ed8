import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResponseHead } from '../../message.ts';
import { EventEnds, isEventStream } from './event-ends.ts';

function head(fields: string): ResponseHead {
  return {
    status: 200,
    reason: '',
    fields,
    framing: 'chunked',
    contentLength: -1,
    upgrade: '',
    ready: '',
    readyHead: 0,
  };
}

test('a stream of events is known by its type, unless a coding hides its lines', () => {
  for (const [fields, is] of [
    ['Content-Type: text/event-stream\r\n', true],
    ['X: y\r\ncontent-type:text/event-stream; charset=utf-8\r\n', true],
    ['Content-Type: TEXT/Event-Stream ; charset=utf-8\r\nA: b\r\n', true],
    ['Content-Type: text/event-stream\r\nContent-Encoding: identity\r\n', true],
    ['Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n', false],
    ['Content-Type: text/event-streams\r\n', false],
    ['X-Content-Type: text/event-stream\r\n', false],
    ['Content-Type: text/plain\r\nX: content-type: text/event-stream\r\n', false],
    ['', false],
  ] as const) {
    assert.equal(isEventStream(head(fields)), is, fields);
  }
});

for (const [name, eol] of [
  ['LF', '\n'],
  ['CR', '\r'],
  ['CRLF', '\r\n'],
] as const) {
  test(`the end of an event is found in every split (${name})`, () => {
    const event = `: ping${eol}data: a${eol}data: b${eol}${eol}`;
    const bytes = Buffer.from(`${event}${event}${event}`);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      for (let step = 1; step <= 5; step += 1) {
        const ends = new EventEnds();
        for (let at = 0; at < cut; at += step) ends.read(bytes, at, Math.min(cut, at + step));
        const isWhole = cut % event.length === 0;
        // Behind the CR of a last CR LF it is whole for whoever reads it, too.
        const isNearly = eol === '\r\n' && cut % event.length === event.length - 1;
        assert.equal(ends.isBetween, isWhole || isNearly, `${cut} by ${step}`);
        if (isWhole || isNearly) continue;
        const next = Math.ceil(cut / event.length) * event.length;
        assert.equal(ends.find(bytes, cut, bytes.length), next, `from ${cut} by ${step}`);
        const isLast = next - cut === 1 || (eol === '\r\n' && next - cut === 2);
        assert.equal(ends.find(bytes, cut, cut + 1) >= 0, isLast);
      }
    }
  });
}
