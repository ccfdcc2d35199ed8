// What a watch asks of a member, seen from the member: once for the list, once for the stream, and then
// only whether it is there, until there is a reason.

import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openEtcdClient } from '../../../../test/support/registry/etcd-cluster.ts';
import type { Address } from '../../../base/units.ts';

type Member = {
  readonly address: Address;
  readonly counts: { list: number; stream: number; pulse: number; check: number };
  /** Of the stream that was opened last. */
  stream: ServerResponse | undefined;
  header: { cluster_id: string; revision: string };
};

/** A member without records, that says what its header says. */
async function startMember(t: TestContext): Promise<Member> {
  const counts = { list: 0, stream: 0, pulse: 0, check: 0 };
  const header = { cluster_id: '1', revision: '7' };
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const body = Buffer.concat(pieces).toString();
      if (request.url === '/v3/watch') {
        counts.stream++;
        member.stream = response;
        response.write(`${JSON.stringify({ result: { header: member.header, created: true } })}\n`);
        return;
      }
      if (body.includes('min_mod_revision')) counts.check++;
      else if (body.includes('range_end')) counts.list++;
      else counts.pulse++;
      response.end(JSON.stringify({ header: member.header }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
  const address = { host: '127.0.0.1', port };
  const member: Member = { address, counts, stream: undefined, header };
  return member;
}

async function watched(t: TestContext): Promise<{
  readonly member: Member;
  readonly told: string[];
  readonly close: () => void;
}> {
  const member = await startMember(t);
  const told: string[] = [];
  const watch = openEtcdClient(t, [member.address]).watch('w/', {
    onState: ({ index, entries }) => told.push(`${index}: ${entries.length}`),
    onHealth: ({ reachable }) => told.push(String(reachable)),
  });
  t.after(() => watch.close());
  await until(() => told.length === 2);
  return { member, told, close: () => watch.close() };
}

async function until(isThere: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!isThere()) {
    assert.ok(performance.now() < deadlineMs, 'not in time');
    await delay(10);
  }
}

async function pulses(member: Member, count: number): Promise<void> {
  const from = member.counts.pulse;
  await until(() => member.counts.pulse >= from + count);
}

test('a quiet watch asks for the list once and for the stream once', async (t) => {
  const { member, told } = await watched(t);
  await pulses(member, 4);
  const { list, stream, check } = member.counts;
  assert.deepEqual([list, stream, check], [1, 1, 0]);
  assert.deepEqual(told, ['7: 0', 'true']);
});

test('when only other keys change, it looks once for each change whether it missed one', async (t) => {
  const { member, told } = await watched(t);
  member.header = { ...member.header, revision: '8' };
  await until(() => member.counts.check === 1);
  await pulses(member, 4);
  const { list, stream, check } = member.counts;
  assert.deepEqual([list, stream, check], [1, 1, 1]);
  assert.deepEqual(told, ['7: 0', 'true']);
});

for (const [what, header] of [
  ['a lower revision', { cluster_id: '1', revision: '3' }],
  ['another cluster', { cluster_id: '2', revision: '9' }],
] as const) {
  test(`${what} makes it read the list anew, once`, async (t) => {
    const { member, told } = await watched(t);
    member.header = header;
    await until(() => member.counts.stream === 2);
    await pulses(member, 3);
    const { list, stream } = member.counts;
    assert.deepEqual([list, stream], [2, 2]);
    // The list is the same one: no news.
    assert.deepEqual(told, ['7: 0', 'true']);
  });
}

test('a stream that cannot be read is opened again, and the trouble is told when it stays', async (t) => {
  const { member, told } = await watched(t);
  member.stream?.write('{"result":{"header":{"cluster_id":"1"},"events":[{"kv":{"key":7}}]}}\n');
  await until(() => member.counts.stream === 2);
  await pulses(member, 1);
  assert.equal(member.counts.list, 1);
  assert.deepEqual(told, ['7: 0', 'true']);
});

test('when it is closed the stream ends, and nothing is asked or told any more', async (t) => {
  const { member, told, close } = await watched(t);
  const { stream } = member;
  assert(stream !== undefined);
  const ended = new Promise((resolve) => stream.once('close', resolve));
  close();
  await ended;
  const { pulse } = member.counts;
  member.header = { ...member.header, revision: '3' };
  await delay(0);
  assert.ok(member.counts.pulse <= pulse + 1);
  assert.deepEqual(told, ['7: 0', 'true']);
});
