// A lease whose registry answers late, or has ended it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClient } from '../../../test/support/registry/builders.ts';
import { answer, startLiar } from '../../../test/support/registry/liar.ts';

const SESSION = answer(200, '{"ID":"s1"}');

test('a lease that came late is renewed at once', async (t) => {
  const now = performance.now.bind(performance);
  let lateMs = 0;
  t.mock.method(performance, 'now', () => now() + lateMs);
  const liar = await startLiar(t, (request, response, count) => {
    if (count === 1) lateMs = 9000;
    (count === 1 ? SESSION : answer(200, '[{"ID":"s1"}]'))(request, response, count);
  });
  const lost = Promise.withResolvers<string>();
  const store = openClient(t, [liar.address]);
  const lease = await store.openLease({ ttlMs: 10_000, onLost: lost.resolve });
  const renewed = liar.asked(2).then(() => 'renewed');
  assert.equal(await Promise.race([renewed, lost.promise]), 'renewed');
  assert.match(liar.requests[1]?.url ?? '', /^\/v1\/session\/renew\/s1/);
  await lease.close();
});

test('a registry in this process is told of a renewal without a request', async (t) => {
  const now = performance.now.bind(performance);
  let lateMs = 0;
  t.mock.method(performance, 'now', () => now() + lateMs);
  const liar = await startLiar(t, (request, response, count) => {
    lateMs = 9000;
    SESSION(request, response, count);
  });
  const [renewed, lost] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  let isThere = true;
  const renewSession = (id: string): boolean => {
    renewed.resolve(id);
    return isThere;
  };
  const store = openClient(t, [liar.address], { renewSession });
  const lease = await store.openLease({ ttlMs: 10_000, onLost: lost.resolve });
  assert.equal(await Promise.race([renewed.promise, lost.promise]), 's1');
  assert.equal(liar.requests.length, 1);
  await lease.close();
  isThere = false;
  lateMs = 0;
  await store.openLease({ ttlMs: 10_000, onLost: lost.resolve });
  assert.equal(await lost.promise, 'the registry does not know it any more');
});

test('a session that the registry has ended is lost with the first write', async (t) => {
  const liar = await startLiar(t, (request, response, count) =>
    (count === 1 ? SESSION : answer(500, 'invalid session "s1"'))(request, response, count),
  );
  const lost: string[] = [];
  const store = openClient(t, [liar.address]);
  const lease = await store.openLease({ ttlMs: 10_000, onLost: (why) => lost.push(why) });
  await assert.rejects(lease.put('l/a', '1'), { code: 'conflict', message: /invalid session/ });
  assert.deepEqual(lost, ['the registry does not know it any more']);
  assert.equal(liar.requests.length, 2);
});
