// A real Consul cluster of three whose servers are killed, stand still and come back: reads and writes go
// on, a watch misses nothing, never reports an empty list and never goes back to what was before.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openClient } from '../../../test/support/registry/builders.ts';
import {
  type ConsulCluster,
  startConsulCluster,
} from '../../../test/support/registry/consul-cluster.ts';
import { Seen } from '../../../test/support/registry/store-contract.ts';
import { type Address, formatAddress } from '../../base/units.ts';
import type { RecordStore } from '../record-store.ts';

/** Far above what is seen (see docs/registry.md), far below what blindness costs: 68 s and 27 s. */
const DEADLINE_MS = 15_000;

type Followed = { readonly registry: RecordStore; readonly seen: Seen; readonly away: string[] };

/** A client that asks the addresses in this order, with a watch that has seen `w/a` = 0. */
async function follow(t: TestContext, addresses: readonly Address[]): Promise<Followed> {
  const registry = openClient(t, addresses);
  await registry.put('w/a', '0');
  const seen = new Seen();
  const away: string[] = [];
  const watch = registry.watch('w/', {
    onState: seen.onState,
    onHealth: ({ reachable, trouble }) => away.push(reachable ? '' : trouble),
  });
  t.after(() => watch.close());
  await seen.until('a=0');
  return { registry, seen, away };
}

/** Awaits it, and says how long it took; fails after the deadline. */
async function timed(t: TestContext, what: string, promise: Promise<unknown>): Promise<void> {
  const startedMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_resolve, reject) => {
    const error = new Error(`${what}: not within ${DEADLINE_MS} ms`);
    timer = setTimeout(() => reject(error), DEADLINE_MS);
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
  t.diagnostic(`${what}: ${Math.round(performance.now() - startedMs)} ms`);
}

/** The addresses with the leader in front, or behind. */
async function byRole(cluster: ConsulCluster) {
  const leader = await cluster.leader();
  const [first, second] = await cluster.followers();
  assert(first !== undefined && second !== undefined);
  return { leader, first, second };
}

function assertOnly(seen: Seen, pattern: RegExp): void {
  assert(
    seen.states.every((state) => pattern.test(state)),
    `never empty, never of before: ${seen.states}`,
  );
  assert(
    seen.indexes.every((index, at) => at === 0 || index >= (seen.indexes[at - 1] ?? 0)),
    `never back: ${seen.indexes}`,
  );
}

test('losing the leader of three costs neither a write nor the watch', async (t) => {
  const cluster = await startConsulCluster(t);
  if (cluster === undefined) return;
  const leader = await cluster.leader();
  const { registry, seen, away } = await follow(t, cluster.addresses);
  await leader.kill();
  // The address that the client used first may be the dead one: it finds another by itself.
  assert.equal(await registry.put('w/a', '1'), true);
  await seen.until('a=1');
  const entry = await registry.get('w/a');
  assert.equal(await registry.put('w/a', '2', { cas: entry?.modifyIndex ?? 0 }), true);
  await seen.until('a=2');
  assertOnly(seen, /^a=[012]$/);
  assert.equal(away.at(-1), '', 'it is not away any more');
  leader.start();
  await cluster.ready();

  // All of them, at once: what is known stays, and the watch goes on by itself.
  await timed(
    t,
    'the write after a restart of all',
    Promise.all([cluster.restart(), registry.put('w/a', '3')]),
  );
  await timed(t, 'seen after a restart of all', seen.until('a=3'));
  assertOnly(seen, /^a=[0123]$/);
});

test('an agent that stands still blinds the watch for a moment only, and carries out no late write', async (t) => {
  const cluster = await startConsulCluster(t);
  if (cluster === undefined) return;
  const { leader, first, second } = await byRole(cluster);
  const { registry, seen } = await follow(
    t,
    [first, second, leader].map(({ address }) => address),
  );
  const other = openClient(t, [second.address]);

  first.freeze();
  await other.put('w/a', '1');
  await timed(t, 'a change, with the watched follower frozen', seen.until('a=1'));
  assert.notEqual(registry.health().address, formatAddress(first.address));
  // The client that would ask the frozen one first.
  const another = openClient(t, [first.address, second.address]);
  await timed(t, 'a write, with the first address frozen', another.put('w/b', 'early'));
  const yetAnother = openClient(t, [first.address, second.address]);
  await timed(
    t,
    'a guarded write, with the first address frozen',
    yetAnother.put('w/c', '1', { cas: 0 }),
  );
  await timed(
    t,
    'a read, with the first address frozen',
    openClient(t, [first.address, second.address]).get('w/a'),
  );
  await other.put('w/b', 'late');
  await seen.until('a=1 b=late c=1');

  first.thaw();
  // It takes what lies in its sockets; an answer of it comes after that.
  const thawed = openClient(t, [first.address]);
  await thawed.put('w/d', '1');
  await seen.until('a=1 b=late c=1 d=1');
  const { entries } = await thawed.list('w/');
  assert.deepEqual(
    entries.map(({ key, value }) => `${key}=${Buffer.from(value)}`),
    ['w/a=1', 'w/b=late', 'w/c=1', 'w/d=1'],
  );
  assertOnly(seen, /^a=[01]( b=\w+)?( c=1)?( d=1)?$/);
});

test('a leader that stands still blinds no watch longer than the others need for a new one', async (t) => {
  const cluster = await startConsulCluster(t);
  if (cluster === undefined) return;
  const { leader, first, second } = await byRole(cluster);
  // One watches through a follower, one through the leader itself.
  const a = await follow(
    t,
    [first, second, leader].map(({ address }) => address),
  );
  const b = await follow(
    t,
    [leader, first, second].map(({ address }) => address),
  );

  leader.freeze();
  const writer = openClient(t, [second.address, first.address]);
  await timed(t, 'a write, with the leader frozen', writer.put('w/a', '1'));
  await timed(t, 'then seen through a follower', a.seen.until('a=1'));
  await timed(t, 'then seen through the leader', b.seen.until('a=1'));
  const entry = await b.registry.get('w/a');
  assert.equal(await b.registry.put('w/a', '2', { cas: entry?.modifyIndex ?? 0 }), true);

  leader.thaw();
  await writer.put('w/a', '3');
  await a.seen.until('a=3');
  await b.seen.until('a=3');
  assertOnly(a.seen, /^a=[0123]$/);
  assertOnly(b.seen, /^a=[0123]$/);
});
