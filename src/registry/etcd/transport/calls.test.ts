// What a client makes of answers that no etcd gives when it is asked to: a write that is done and not
// answered, one that is refused, a member that has no leader.

import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { openEtcdClient } from '../../../../test/support/registry/etcd-cluster.ts';
import { isSluiceError } from '../../../base/errors.ts';
import type { Address } from '../../../base/units.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

const HEADER = { cluster_id: '1', member_id: '1', revision: '7', raft_term: '1' };

const good =
  (fields: object): Answer =>
  (_, response) => {
    response.end(JSON.stringify({ header: HEADER, ...fields }));
  };

const refused =
  (status: number, code: number, message: string): Answer =>
  (_, response) => {
    response.writeHead(status).end(JSON.stringify({ error: message, message, code }));
  };

const hangUp: Answer = (request) => request.socket.destroy();

/** A member that answers transactions as told, the last for ever; every other question with its header and a token. */
function startMember(t: TestContext, ...answers: readonly Answer[]): Promise<Member> {
  return startServer(t, answers, good({ token: 'a.1', ID: '7', TTL: '60' }));
}

type Member = { readonly address: Address; readonly asked: string[] };

async function startServer(
  t: TestContext,
  answers: readonly Answer[],
  other: Answer,
): Promise<Member> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const body = Buffer.concat(pieces).toString();
      if (request.url !== '/v3/kv/txn') return other(request, response, body);
      const answer = answers[Math.min(asked.length, answers.length - 1)] ?? good({});
      asked.push(body);
      answer(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const bound = server.address();
  return {
    address: {
      host: '127.0.0.1',
      port: bound !== null && typeof bound === 'object' ? bound.port : 0,
    },
    asked,
  };
}

const isUnknown = (error: unknown): boolean =>
  isSluiceError(error) &&
  error.code === 'registry_unreachable' &&
  error.details['outcomeUnknown'] === true;

test('a conditional write that nobody answered is sent again, and its first "yes" counts', async (t) => {
  const member = await startMember(t, hangUp, good({ succeeded: true }));
  const store = openEtcdClient(t, [member.address]);
  assert.equal(await store.put('a', '1', { cas: 6 }), true);
  assert.equal(member.asked.length, 2);
  assert.equal(member.asked[0], member.asked[1]);
});

test('a "no" after a try without an answer may be our own doing, and is told as unknown', async (t) => {
  for (const write of ['put', 'delete', 'commit'] as const) {
    const kvs = [{ key: 'YQ==', mod_revision: '7' }];
    const no = good({ responses: [{ response_range: { kvs } }] });
    const member = await startMember(t, hangUp, no);
    const store = openEtcdClient(t, [member.address]);
    const done = {
      put: () => store.put('a', '1', { cas: 6 }),
      delete: () => store.delete('a', { cas: 6 }),
      commit: () => store.commit([{ key: 'a', value: '1', cas: 6 }]),
    }[write];
    await assert.rejects(done(), isUnknown, write);
    assert.equal(member.asked.length, 2, write);
    // Without such a try it is an answer.
    assert.equal(await done(), false, write);
  }
});

test('a "no" after a try that surely was not begun is an answer', async (t) => {
  const member = await startMember(t, refused(503, 14, 'etcdserver: no leader'), good({}));
  const store = openEtcdClient(t, [member.address]);
  assert.equal(await store.put('a', '1', { cas: 6 }), false);
  assert.equal(member.asked.length, 2);
});

test('a conditional write that never gets an answer ends as unknown, another as unreachable', async (t) => {
  const member = await startMember(t, hangUp);
  const store = openEtcdClient(t, [member.address], { requestTimeoutMs: 300 });
  await assert.rejects(store.put('a', '1', { cas: 6 }), isUnknown);
  await assert.rejects(store.put('a', '1'), (error) => !isUnknown(error));
  await assert.rejects(store.put('a', '1'), { code: 'registry_unreachable' });
});

test('a plain write goes on at the next member, and the client stays there', async (t) => {
  const [one, two] = [
    await startMember(t, refused(503, 14, 'etcdserver: request timed out')),
    await startMember(t, good({ succeeded: true })),
  ];
  const store = openEtcdClient(t, [one.address, two.address]);
  assert.equal(await store.put('a', '1'), true);
  assert.equal(await store.put('a', '2'), true);
  assert.deepEqual([one.asked.length, two.asked.length], [1, 2]);
});

test('every write is bound to what it writes over, so that it does nothing when it comes late', async (t) => {
  // Another one wrote between the look and the write: it looks again.
  const no = good({ responses: [{ response_range: { kvs: [{ mod_revision: '9' }] } }] });
  const yes = good({ succeeded: true });
  const member = await startMember(t, no, yes);
  const store = openEtcdClient(t, [member.address]);
  const lease = await store.openLease({ ttlMs: 60_000, onLost: () => {} });
  await store.put('a', '1');
  assert.equal(member.asked.length, 2);
  await store.commit([{ key: 'a', value: '1' }]);
  await lease.put('a', '1');
  for (const body of member.asked) {
    const { compare } = JSON.parse(body) as { compare: readonly { readonly target: string }[] };
    assert.deepEqual(
      compare.map(({ target }) => target),
      ['MOD'],
    );
  }
  assert.equal(member.asked.length, 4);
});

test('a conditional write is not sent to a member that is silent, when another one answers', async (t) => {
  const silent: Answer = () => {};
  const [one, two] = [
    await startServer(t, [silent], silent),
    await startMember(t, good({ succeeded: true })),
  ];
  const store = openEtcdClient(t, [one.address, two.address]);
  assert.equal(await store.put('a', '1', { cas: 6 }), true);
  assert.deepEqual([one.asked.length, two.asked.length], [0, 1]);
});

test('a login that is refused again and again ends as refused', async (t) => {
  const member = await startMember(t, refused(401, 16, 'etcdserver: invalid auth token'));
  const store = openEtcdClient(t, [member.address], { user: 'gateway', password: 'secret' });
  await assert.rejects(store.put('a', '1'), {
    code: 'registry_refused',
    message: /refuses each token/,
  });
  assert.equal(member.asked.length, 3);
});

for (const [status, code, message, wanted] of [
  [429, 8, 'etcdserver: mvcc: database space exceeded', 'storage_full'],
  [400, 3, 'etcdserver: request is too large', 'too_large'],
  [403, 7, 'etcdserver: permission denied', 'registry_refused'],
  [400, 3, 'etcdserver: user name is empty', 'registry_refused'],
  [400, 3, 'etcdserver: duplicate key given in txn request', 'registry_refused'],
] as const) {
  test(`"${message}" is ${wanted}, and asked once`, async (t) => {
    const member = await startMember(t, refused(status, code, message));
    const store = openEtcdClient(t, [member.address]);
    await assert.rejects(store.put('a', '1'), { code: wanted });
    assert.equal(member.asked.length, 1);
  });
}
