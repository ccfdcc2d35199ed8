// The client against registries that lie, die and hang: last known good stays, nothing passes for
// an empty list, nothing is written twice that must not be.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { openClient, startEmbedded } from '../../../test/support/registry/builders.ts';
import { answer, hang, list, type Script, startLiar } from '../../../test/support/registry/liar.ts';
import { Seen } from '../../../test/support/registry/store-contract.ts';
import type { SourceHealth } from '../membership-source.ts';

const LIES: Readonly<Record<string, Script>> = {
  '500': answer(500, 'rpc error making call: EOF'),
  '500 without a leader': answer(500, 'No cluster leader'),
  '403': answer(403, 'Permission denied'),
  '429': answer(429, 'Your IP is issuing too many concurrent connections'),
  '301 elsewhere': answer(301, '', { Location: '/ui/' }),
  'a page of HTML': answer(200, '<html>Welcome to nginx!</html>', { 'X-Consul-Index': '9' }),
  'a 404 of another program': answer(404, '<html>not found</html>'),
  'a 404 without an index': answer(404, ''),
  'an empty body': answer(200, '', { 'X-Consul-Index': '9' }),
  'half a body': (_request, response) => {
    response.writeHead(200, { 'X-Consul-Index': '9', 'Content-Length': '500' });
    response.write('[{"Key":"w/a","Value":');
    setImmediate(() => response.destroy());
  },
  'half a list': answer(200, '[{"Key":"w/a"', { 'X-Consul-Index': '9' }),
  'records without keys': answer(200, '[{"Value":"eA=="}]', { 'X-Consul-Index': '9' }),
  'an object': answer(200, '{}', { 'X-Consul-Index': '9' }),
  null: answer(200, 'null', { 'X-Consul-Index': '9' }),
  'a list without an index': answer(200, '[]'),
  'an index that is no number': answer(200, '[]', { 'X-Consul-Index': 'many' }),
  'a list of a server that lost its leader': answer(200, '[]', {
    'X-Consul-Index': '9',
    'X-Consul-Knownleader': 'false',
  }),
  'a list of a server that has not heard of its leader': answer(200, '[]', {
    'X-Consul-Index': '9',
    'X-Consul-Lastcontact': '3001',
  }),
  'a reset connection': (request) => {
    request.socket.resetAndDestroy();
  },
  'no HTTP at all': (request) => {
    request.socket.end('SSH-2.0-OpenSSH_9.2\r\n');
  },
};

for (const [name, lie] of Object.entries(LIES)) {
  test(`${name} is trouble and not news`, async (t) => {
    const liar = await startLiar(t, (request, response, count) => {
      if (count === 1) list(5, 'a=1')(request, response, count);
      else if (count <= 4) lie(request, response, count);
      else if (count === 5) list(7, 'a=2')(request, response, count);
    });
    const registry = openClient(t, [liar.address], { random: () => 0 });
    const seen = new Seen();
    const health: SourceHealth[] = [];
    const watch = registry.watch('w/', {
      onState: seen.onState,
      onHealth: (each) => health.push(each),
    });
    t.after(() => watch.close());
    await seen.until('a=2');
    assert.deepEqual(seen.states, ['a=1', 'a=2'], 'the lie was never taken for a state');
    assert.deepEqual(
      health.map(({ reachable }) => reachable),
      [true, false, true],
      'away once, back once',
    );
    assert.notEqual(health[1]?.trouble, '');
    assert.match(liar.requests[1]?.url ?? '', /\?recurse&index=5&wait=60000ms$/);
    assert.match(
      liar.requests[4]?.url ?? '',
      /\?recurse&consistent$/,
      'after trouble the whole is read anew',
    );
  });
}

test('a watch that is back says so, while another of the same client is still away', async (t) => {
  const waiting: Socket[] = [];
  const liar = await startLiar(t, (request, response, count) => {
    const { url = '', socket } = request;
    if (url.includes('index=')) {
      // When both wait, it goes away for both at once.
      waiting.push(socket);
      if (waiting.length === 2) for (const each of waiting) each.resetAndDestroy();
    } else if (waiting.length >= 2 && url.includes('/v/')) socket.resetAndDestroy();
    else list(5, 'a=1')(request, response, count);
  });
  const registry = openClient(t, [liar.address], { random: () => 0 });
  const told: boolean[] = [];
  const back = Promise.withResolvers<void>();
  const watch = registry.watch('w/', {
    onState: () => {},
    onHealth: ({ reachable, trouble }) => {
      told.push(reachable);
      assert.equal(trouble === '', reachable);
      if (told.length === 3) back.resolve();
    },
  });
  t.after(() => watch.close());
  const other = registry.watch('v/', { onState: () => {} });
  t.after(() => other.close());
  await back.promise;
  assert.deepEqual(told, [true, false, true]);
  assert.equal(registry.health().reachable, false, 'the client as a whole has trouble yet');
});

test('a registry that hangs is given up after the wait, its sixteenth and the grace', async (t) => {
  const liar = await startLiar(t, (request, response, count) => {
    if (count === 1) list(5, 'a=1')(request, response, count);
    else if (count === 2) hang(request, response, count);
    else if (count === 3) list(6, 'a=2')(request, response, count);
  });
  const registry = openClient(t, [liar.address], { waitMs: 10, random: () => 0 });
  const seen = new Seen();
  const startedMs = performance.now();
  const watch = registry.watch('w/', seen);
  t.after(() => watch.close());
  await seen.until('a=2');
  assert(performance.now() - startedMs >= 5_000);
});

test('an index that goes back is read anew from the beginning', async (t) => {
  const liar = await startLiar(t, (request, response, count) => {
    if (count === 1) list(50, 'a=1')(request, response, count);
    else if (count === 2) list(20, 'a=lie')(request, response, count);
    else if (count === 3) list(20, 'a=2')(request, response, count);
  });
  const registry = openClient(t, [liar.address]);
  const seen = new Seen();
  const watch = registry.watch('w/', seen);
  t.after(() => watch.close());
  await liar.asked(4);
  assert.deepEqual(seen.states, ['a=1', 'a=2']);
  assert.match(liar.requests[2]?.url ?? '', /\?recurse&consistent$/);
  assert.match(liar.requests[3]?.url ?? '', /index=20/);
});

test('an equal index is no news, and a registry that does not block is not hammered', async (t) => {
  const liar = await startLiar(t, list(5, 'a=1'));
  const registry = openClient(t, [liar.address], { random: () => 0 });
  const seen = new Seen();
  const startedMs = performance.now();
  const watch = registry.watch('w/', seen);
  t.after(() => watch.close());
  await liar.asked(5);
  // 50, 100 and 200 ms lie between the second and the fifth.
  assert(performance.now() - startedMs >= 300);
  assert.deepEqual(seen.states, ['a=1']);
});

test('an index of 0 is taken as 1, so that the next query blocks', async (t) => {
  const liar = await startLiar(t, (request, response, count) => {
    if (count === 1) list(0, 'a=1')(request, response, count);
  });
  const registry = openClient(t, [liar.address]);
  const seen = new Seen();
  const watch = registry.watch('w/', seen);
  t.after(() => watch.close());
  await liar.asked(2);
  assert.match(liar.requests[1]?.url ?? '', /index=1&/);
});

test('the next address is asked at once when one fails', async (t) => {
  const bad = await startLiar(t, answer(500, 'No cluster leader'));
  const good = await startLiar(t, list(5, 'a=1'));
  const registry = openClient(t, [bad.address, good.address], { random: () => 0 });
  assert.equal((await registry.list('w/')).index, 5);
  assert.equal(registry.health().address, `127.0.0.1:${good.address.port}`);
  await registry.list('w/');
  assert.equal(bad.requests.length, 1, 'the one that answered is asked first from then on');
});

test('when nobody listens the error names all addresses and what to do', async (t) => {
  const registry = openClient(
    t,
    [
      { host: '127.0.0.1', port: 1 },
      { host: '127.0.0.1', port: 2 },
    ],
    { random: () => 0, nobodyMs: 500 },
  );
  await assert.rejects(registry.get('a'), {
    code: 'registry_unreachable',
    message: /127\.0\.0\.1:1, 127\.0\.0\.1:2: nobody listens .*ECONNREFUSED.*start the registry/,
  });
  assert.equal(registry.health().reachable, false);
});

test('a plain write is repeated through a change of leaders', async (t) => {
  const liar = await startLiar(t, (request, response, count) => {
    if (count < 4) answer(500, 'rpc error making call: EOF')(request, response, count);
    else answer(200, 'true')(request, response, count);
  });
  const registry = openClient(t, [liar.address], { random: () => 0 });
  assert.equal(await registry.put('a', '1'), true);
  assert.equal(liar.requests.length, 4);
});

test('a guarded write whose outcome is unknown is reported, not repeated', async (t) => {
  const liar = await startLiar(t, (request, response, count) => {
    if (count === 1) answer(500, 'No cluster leader')(request, response, count);
    else request.socket.destroy();
  });
  const registry = openClient(t, [liar.address], { random: () => 0 });
  await assert.rejects(registry.put('a', '1', { cas: 3 }), {
    code: 'registry_unreachable',
    message: /unknown whether it was done .*read the record/,
  });
  assert.equal(liar.requests.length, 2, 'without a leader nothing was begun: that was repeated');
});

test('a refusal is an error at once, with the words of the registry', async (t) => {
  const table: readonly (readonly [number, string, string])[] = [
    [400, 'Missing key name', 'registry_refused'],
    [403, 'Permission denied', 'registry_refused'],
    [413, 'too large', 'too_large'],
    [501, 'Sessions are not offered', 'registry_refused'],
    [507, 'the disk is full', 'storage_full'],
  ];
  for (const [status, text, code] of table) {
    const liar = await startLiar(t, answer(status, text));
    const registry = openClient(t, [liar.address], { token: 'secret' });
    await assert.rejects(registry.put('a', '1'), (error: Error & { code: string }) => {
      assert.equal(error.code, code);
      assert.match(error.message, new RegExp(text));
      assert(!error.message.includes('secret'));
      return true;
    });
    assert.deepEqual(liar.requests, [{ method: 'PUT', url: '/v1/kv/a', token: 'secret' }]);
  }
});

test('a call gives up after its time, naming the last reason', async (t) => {
  const liar = await startLiar(t, answer(500, 'rpc error'));
  const registry = openClient(t, [liar.address], { requestTimeoutMs: 400 });
  await assert.rejects(registry.list('a'), {
    code: 'registry_unreachable',
    message: /no answer in 400ms \(last: .*answered 500 "rpc error"\)/,
  });
});

test('a watch survives the restart of its registry and sees what changed meanwhile', async (t) => {
  const first = await startEmbedded(t);
  await first.store.put('w/a', Buffer.from('1'));
  const second = await startEmbedded(t);
  await second.store.put('w/a', Buffer.from('2'));
  const registry = openClient(t, [first.address, second.address], { random: () => 0 });
  const seen = new Seen();
  const watch = registry.watch('w/', seen);
  t.after(() => watch.close());
  await seen.until('a=1');
  await first.api.close();
  // The same index stands for other data there: it must be read, not waited for.
  await seen.until('a=2');
});

test('a closed watch asks no more and a closed client ends its calls', async (t) => {
  const liar = await startLiar(t, (request, response, count) => {
    if (count === 1) list(5, 'a=1')(request, response, count);
  });
  const registry = openClient(t, [liar.address]);
  const seen = new Seen();
  const watch = registry.watch('w/', seen);
  await liar.asked(2);
  watch.close();
  const call = registry.list('x');
  await liar.asked(3);
  registry.close();
  await assert.rejects(call, { code: 'registry_unreachable' });
  assert.deepEqual(seen.states, ['a=1']);
});
