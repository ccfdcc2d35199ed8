import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUpstream, upstreamState } from '../../../test/support/upstream/builders.ts';
import type { ResponseHead } from '../message.ts';
import { Wheel } from '../wheel.ts';
import { LongLived, STREAM_AFTER_MS } from './long-lived.ts';

test('nothing is kept of a server that is gone, and a response is a stream by its age alone', () => {
  const upstream = createUpstream([{}]);
  const [server] = upstream.servers;
  assert(server !== undefined);
  const book = new LongLived(new Wheel(() => 0));
  const exchange = { close: () => true };
  const response: ResponseHead = {
    ...{
      status: 200,
      reason: '',
      fields: '',
      contentLength: -1,
      upgrade: '',
      ready: '',
      readyHead: 0,
    },
    framing: 'chunked',
  };
  const of = { exchange, upstream, server, response, mayEndAnywhere: true };
  const old = book.began({ ...of, sinceMs: 0 });
  const young = book.began({ ...of, sinceMs: 1 });
  book.age(STREAM_AFTER_MS);
  assert.deepEqual([old.isStream, young.isStream, server.counters.streams], [true, false, 1]);
  book.ended(old, 'answered');
  book.ended(young, 'answered');
  assert.deepEqual([server.counters.streamsEnded, upstream.counters.streamsEnded], [1, 1]);
  book.age(STREAM_AFTER_MS);
  assert.equal(book.servers, 1);
  upstream.apply(upstreamState([]), 0);
  book.age(STREAM_AFTER_MS);
  assert.equal(book.servers, 0);
});
