import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestHead, UnderWay } from '../message.ts';
import { oldestOf } from './oldest.ts';

const HEAD: RequestHead = {
  ...{
    method: 'GET',
    target: '/',
    rawTarget: '/',
    protocol: 'HTTP/1.1',
    host: 'a',
    authority: 'a',
    fields: '',
    forwardedFor: '',
  },
  ...{
    forwardedProto: '',
    forwardedHost: '',
    requestId: '',
    upgrade: '',
    ready: '',
    readyAt: 0,
    expectContinue: false,
  },
  ...{ framing: 'none', contentLength: 0 },
};

function request(id: string, beganMs: number, target: string): UnderWay {
  const server = id === '' ? undefined : { upstream: 'app', id };
  return { server, attempts: { beganMs }, head: { ...HEAD, target } };
}

test('of each server that is asked about the request that came first is told', () => {
  const found = oldestOf(
    [
      { upstream: 'app', id: 'a' },
      { upstream: 'app', id: 'b' },
      { upstream: 'app', id: 'idle' },
    ],
    [
      request('a', 3000, '/second'),
      request('', 10, '/no-server-yet'),
      request('a', 1000, '/first?token=secret'),
      request('b', 4000, '/only'),
      request('c', 5, '/not-asked-about'),
    ],
    5000,
  );
  assert.deepEqual(
    found.map(({ server, request: text }) => `${server} ${text}`),
    ['a GET /first?token=*', 'b GET /only'],
  );
  const agoMs = Date.now() - (found[0]?.sinceMs ?? 0);
  assert(agoMs >= 3900 && agoMs < 60_000, `${agoMs} ms ago`);
});
