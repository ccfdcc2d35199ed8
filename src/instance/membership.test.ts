// A server that somebody had taken out and gives back while the registry is away: nobody holds it any more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { server, status, upstream } from '../../test/support/admin/documents.ts';
import { ALONE } from '../../test/support/base/scopes.ts';
import type { DrainDocument, ServerDocument } from '../admin.ts';
import { admit, type InstanceControl, withdraw } from './membership.ts';

const ID = '127.0.0.1:9001';
const DRAINED: Partial<ServerDocument> = {
  admin: { state: 'drain', owner: 'user:ann', reason: '', sinceMs: 1 },
  eligibility: 'drain',
};

/** `seen`: at each look, the last one from then on. */
function scene(...seen: readonly Partial<ServerDocument>[]) {
  const calls: string[] = [];
  const looks = [...seen];
  let now = server(ID);
  const look = (): ServerDocument => {
    now = server(ID, looks.length > 1 ? looks.shift() : looks[0]);
    return now;
  };
  const drain = (): DrainDocument => ({
    ...{ server: ID, admin: now.admin, generation: 1, acknowledged: true },
    ...{ inFlight: 0, tunnels: 0, streams: 0, idle: true, givenBack: false },
    ...{ eligibility: now.eligibility, scope: ALONE },
  });
  const control: InstanceControl = {
    status: async () => status([upstream('app', [look()])]),
    setAdmin: async (_, __, { state, owner }) => {
      calls.push(`${state} ${owner}`);
      return drain();
    },
    awaitIdle: async () => drain(),
    register: async (_, __, { down }) => void calls.push(down ? 'down' : 'up'),
    deregister: async () => void calls.push('deregister'),
  };
  const target = { control, upstream: 'app', server: ID, owner: 'instance:web', timeoutMs: 5000 };
  return { target, calls };
}

test('a server that a person holds is left in their drain, one that is given back gets its own', async () => {
  const held = scene(DRAINED);
  await withdraw(held.target);
  assert.deepEqual(held.calls, ['deregister']);
  const back = scene({ ...DRAINED, givenBack: true });
  await withdraw(back.target);
  assert.deepEqual(back.calls, ['drain instance:web', 'deregister']);
});

test('a join ends where a person holds the server, and waits for one that is given back', async () => {
  const answers = async (): Promise<boolean> => true;
  const held = scene(DRAINED);
  assert.equal((await admit({ ...held.target, answers })).kind, 'held');
  const out = { ...DRAINED, givenBack: true };
  const back = scene(out, out, out, {});
  assert.equal((await admit({ ...back.target, answers })).kind, 'admitted');
});
