// Locks and semaphores as Consul's clients build them of sessions, blocking queries and check-and-set:
// the requests of the Go and Python clients, on ours and on a real Consul.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startConsul } from '../../../../test/support/peers/programs.ts';
import { ask, header, startEmbedded } from '../../../../test/support/registry/builders.ts';
import type { Address } from '../../../base/units.ts';

/** What the Go client marks its records with; beyond 2^53. */
const LOCK_FLAGS = '3304740253564472344';
const SEMAPHORE_FLAGS = '16210313421097356768';

type KvRecord = {
  readonly key: string;
  readonly session: string;
  readonly flags: string;
  readonly value: string;
  readonly modifyIndex: number;
};
type KvAnswer = { readonly index: string; readonly records: readonly KvRecord[] };

class Client {
  readonly #address: Address;

  constructor(address: Address) {
    this.#address = address;
  }

  async session(options: object): Promise<string> {
    const body = JSON.stringify({ Name: 'a lock', TTL: '15s', LockDelay: '0s', ...options });
    let answer = await ask(this.#address, 'PUT /v1/session/create', { body });
    // A real one has its own node a little after its leader.
    const endMs = performance.now() + 10_000;
    while (answer.body.startsWith('Missing node') && performance.now() < endMs) {
      answer = await ask(this.#address, 'PUT /v1/session/create', { body });
    }
    return /"ID": ?"([^"]+)"/.exec(answer.body)?.[1] ?? assert.fail(answer.body);
  }

  async end(session: string): Promise<void> {
    await ask(this.#address, `PUT /v1/session/destroy/${session}`);
  }

  async put(key: string, query: string, value: string): Promise<boolean> {
    const answer = await ask(this.#address, `PUT /v1/kv/${key}?${query}`, { body: value });
    assert.equal(answer.status, 200, answer.body);
    return answer.body.trim() === 'true';
  }

  async remove(key: string, query = ''): Promise<boolean> {
    const answer = await ask(this.#address, `DELETE /v1/kv/${key}?${query}`);
    return answer.body.trim() === 'true';
  }

  async get(key: string, query = ''): Promise<KvAnswer> {
    const answer = await ask(this.#address, `GET /v1/kv/${key}?${query}`);
    const records = [...answer.body.matchAll(/\{[^}]*\}/g)].map(([text]) => ({
      key: /"Key": ?"([^"]*)"/.exec(text)?.[1] ?? '',
      session: /"Session": ?"([^"]*)"/.exec(text)?.[1] ?? '',
      flags: /"Flags": ?(\d+)/.exec(text)?.[1] ?? '',
      value: Buffer.from(/"Value": ?"([^"]*)"/.exec(text)?.[1] ?? '', 'base64').toString(),
      modifyIndex: Number(/"ModifyIndex": ?(\d+)/.exec(text)?.[1]),
    }));
    return { index: header(answer, 'X-Consul-Index') ?? '', records };
  }
}

/** Takes the lock, waiting for whoever has it; the index after which it may be lost. */
async function lock(client: Client, key: string, session: string): Promise<void> {
  for (let index = ''; ; ) {
    const { index: now, records } = await client.get(key, `wait=15s${index}`);
    const holder = records[0]?.session ?? '';
    if (records[0] !== undefined) assert.equal(records[0].flags, LOCK_FLAGS, 'a lock of a client');
    if (holder !== '' && holder !== session) {
      index = `&index=${now}`;
      continue;
    }
    if (await client.put(key, `acquire=${session}&flags=${LOCK_FLAGS}`, 'mine')) return;
    index = '';
  }
}

/** Resolves when the session does not hold the lock any more. */
async function lost(client: Client, key: string, session: string): Promise<void> {
  for (let index = ''; ; ) {
    const { index: now, records } = await client.get(key, `consistent${index}`);
    if (records[0]?.session !== session) return;
    index = `&index=${now}`;
  }
}

type Holders = { readonly Limit: number; readonly Holders: Readonly<Record<string, boolean>> };

/** Takes one of `limit` places. */
async function enter(
  client: Client,
  prefix: string,
  session: string,
  limit: number,
): Promise<void> {
  const own = `acquire=${session}&flags=${SEMAPHORE_FLAGS}`;
  assert(await client.put(`${prefix}/${session}`, own, ''));
  for (let index = ''; ; ) {
    const { index: now, records } = await client.get(`${prefix}/`, `recurse&wait=15s${index}`);
    const place = records.find(({ key }) => key === `${prefix}/.lock`);
    const alive = new Set(records.map((one) => one.session).filter((one) => one !== ''));
    const state: Holders =
      place === undefined ? { Limit: limit, Holders: {} } : JSON.parse(place.value);
    assert.equal(state.Limit, limit);
    // Those whose contender is gone have lost their place.
    const holders = Object.keys(state.Holders).filter((holder) => alive.has(holder));
    if (holders.length >= limit) {
      index = `&index=${now}`;
      continue;
    }
    const next = Object.fromEntries([...holders, session].map((holder) => [holder, true]));
    const value = JSON.stringify({ Limit: limit, Holders: next });
    const cas = `cas=${place?.modifyIndex ?? 0}&flags=${SEMAPHORE_FLAGS}`;
    if (await client.put(`${prefix}/.lock`, cas, value)) return;
    index = '';
  }
}

async function leave(client: Client, prefix: string, session: string): Promise<void> {
  for (;;) {
    const { records } = await client.get(`${prefix}/.lock`);
    const [place] = records;
    if (place === undefined) return;
    const state: Holders = JSON.parse(place.value);
    const holders = Object.entries(state.Holders).filter(([holder]) => holder !== session);
    const value = JSON.stringify({ ...state, Holders: Object.fromEntries(holders) });
    const cas = `cas=${place.modifyIndex}&flags=${SEMAPHORE_FLAGS}`;
    if (await client.put(`${prefix}/.lock`, cas, value)) break;
  }
  await client.remove(`${prefix}/${session}`);
}

const SERVERS: Readonly<Record<string, (t: TestContext) => Promise<Address | undefined>>> = {
  embedded: async (t) => (await startEmbedded(t)).address,
  consul: async (t) => (await startConsul(t))?.addresses[0],
};

for (const [name, start] of Object.entries(SERVERS)) {
  test(`${name}: a lock goes from one to the next, and who loses it hears of it`, async (t) => {
    const address = await start(t);
    if (address === undefined) return;
    const client = new Client(address);
    const [first, second] = [await client.session({}), await client.session({})];
    await lock(client, 'service/leader', first);
    await lock(client, 'service/leader', first); // Again by the same: it has it.
    const waiting = lock(client, 'service/leader', second);
    const over = lost(client, 'service/leader', first);
    assert.equal(await client.put('service/leader', `release=${second}`, ''), false);
    assert.equal(
      await client.put('service/leader', `release=${first}&flags=${LOCK_FLAGS}`, ''),
      true,
    );
    await over;
    await waiting;
    const { records } = await client.get('service/leader');
    assert.deepEqual([records[0]?.session, records[0]?.value], [second, 'mine']);
    // The end of a session frees its lock, too: the next one gets it without being told.
    const third = await client.session({});
    const next = lock(client, 'service/leader', third);
    const ended = lost(client, 'service/leader', second);
    await client.end(second);
    await Promise.all([ended, next]);
    assert.equal((await client.get('service/leader')).records[0]?.session, third);
  });

  test(`${name}: a semaphore has as many places as its limit, and the dead lose theirs`, async (t) => {
    const address = await start(t);
    if (address === undefined) return;
    const client = new Client(address);
    const sessions = await Promise.all(
      [1, 2, 3, 4].map(() => client.session({ Behavior: 'delete' })),
    );
    const [one = '', two = '', three = '', four = ''] = sessions;
    await Promise.all([enter(client, 'pool', one, 2), enter(client, 'pool', two, 2)]);
    const inside = new Set([one, two]);
    const entering = [three, four].map((session) =>
      enter(client, 'pool', session, 2).then(() => inside.add(session)),
    );
    await client.get('pool/', 'recurse'); // Both others have asked by now, or do after it.
    assert.equal(inside.size, 2);
    inside.delete(one);
    await leave(client, 'pool', one);
    inside.delete(two);
    await client.end(two);
    await Promise.all(entering);
    assert.deepEqual([...inside].sort(), [three, four].sort());
    const state: Holders = JSON.parse((await client.get('pool/.lock')).records[0]?.value ?? '');
    assert.deepEqual(Object.keys(state.Holders).sort(), [three, four].sort());
  });
}
