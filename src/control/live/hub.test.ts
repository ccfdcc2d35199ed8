// The hub on a clock that the test turns: snapshot, patches, resume, slow clients, and no work without listeners.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { applyPatch, readMessage } from '../../admin/contract.ts';
import { silentLog } from '../../base/log.ts';
import { Hub, QUEUED_MAX } from './hub.ts';

type Client = {
  text: string;
  queued: number;
  isEnded: boolean;
  isDestroyed: boolean;
  close: () => void;
  readonly states: () => Map<string, unknown>;
  readonly ids: () => string[];
};

async function turn(): Promise<void> {
  for (let times = 0; times < 20; times += 1) await Promise.resolve();
}

function scene(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const states = new Map<string, object>([
    ['a', { value: 1, kept: { x: 1 } }],
    ['b', { value: 1 }],
  ]);
  let rounds = 0;
  const watched: boolean[] = [];
  const hub = new Hub({
    log: silentLog,
    compute: async (topics) => {
      rounds += 1;
      return new Map(topics.map((topic) => [topic, states.get(topic) ?? {}]));
    },
    onWatched: (isWatched) => watched.push(isWatched),
  });
  const open = async (topics: readonly string[], after = ''): Promise<Client> => {
    const client: Client = {
      ...{ text: '', queued: 0, isEnded: false, isDestroyed: false, close: () => {} },
      ids: () => [...client.text.matchAll(/^id: (.+)$/gm)].map(([, id = '']) => id),
      states: () => {
        const found = new Map<string, unknown>();
        for (const [, data = ''] of client.text.matchAll(/^data: (.+)$/gm)) {
          const message = readMessage(data);
          if (message === undefined) continue;
          const { topic } = message;
          if ('snapshot' in message) found.set(topic, message.snapshot);
          else found.set(topic, applyPatch(found.get(topic), message.patch));
        }
        return found;
      },
    };
    client.close = hub.open(
      topics,
      after,
    )({
      write: (text) => {
        client.text += text.toString();
      },
      queued: () => client.queued,
      end: () => {
        client.isEnded = true;
      },
      destroy: () => {
        client.isDestroyed = true;
      },
    });
    t.after(() => client.close());
    await turn();
    return client;
  };
  const tick = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    await turn();
  };
  return { hub, states, open, tick, rounds: () => rounds, watched };
}

test('a listener gets a snapshot of each topic, then what changes; once a second or at once', async (t) => {
  const { hub, states, open, tick } = scene(t);
  const client = await open(['a', 'b']);
  assert.deepEqual(Object.fromEntries(client.states()), Object.fromEntries(states));
  assert.equal(client.ids().length, 1, 'the last one has the id');
  states.set('a', { value: 2, kept: { x: 1 } });
  await tick(1000);
  assert.match(
    client.text,
    /data: \{"topic":"a","patch":\{"value":2\}\}\n\n$/,
    'what changed alone',
  );
  states.set('b', { other: true });
  hub.poke();
  hub.poke();
  await tick(20);
  assert.match(client.text, /"patch":\{"other":true,"value":null\}\}\n\n$/);
  const { length } = client.text;
  await tick(2000);
  assert.equal(client.text.length, length, 'nothing changed, nothing is said');
  await tick(12_000);
  assert.match(client.text, /event: ping\ndata: \{\}\n\n$/);
});

test('nothing is computed while nobody listens, and once for all who do', async (t) => {
  const { hub, open, tick, rounds, watched } = scene(t);
  hub.poke();
  await tick(5000);
  assert.equal(rounds(), 0);
  const clients = [await open(['a']), await open(['a']), await open(['a', 'b'])];
  const before = rounds();
  await tick(1000);
  assert.equal(rounds(), before + 1);
  for (const client of clients) client.close();
  const last = rounds();
  hub.poke();
  await tick(60_000);
  assert.equal(rounds(), last);
  assert.deepEqual(watched, [true, false]);
});

test('who comes back gets what was missed, from the ring or as a new snapshot', async (t) => {
  const { states, open, tick } = scene(t);
  const stays = await open(['a']);
  const first = await open(['a']);
  states.set('a', { value: 2 });
  await tick(1000);
  first.close();
  const seen = first.ids().at(-1) ?? '';
  states.set('a', { value: 3 });
  await tick(1000);
  const second = await open(['a'], seen);
  assert.doesNotMatch(second.text, /snapshot/);
  assert.deepEqual(applyPatch({ value: 2 }, { value: 3 }), { value: 3 });
  assert.match(second.text, /"patch":\{"value":3\}/);
  assert.match((await open(['a'], stays.ids().at(-1))).text, /: nothing was missed/);
  for (const after of [
    `other-${seen.split('-')[1]}`,
    `${seen}00`,
    'x',
    `${seen.split('-')[0]}-0x1`,
  ]) {
    assert.match((await open(['a'], after)).text, /snapshot/, after);
  }
  // Topic b began after that: of it nothing is known to have been seen.
  assert.match((await open(['a', 'b'], seen)).text, /"topic":"b","snapshot"/);
});

test('what happened while nobody listened is missed by nobody who comes back', async (t) => {
  const { states, open, tick } = scene(t);
  const first = await open(['a']);
  first.close();
  states.set('a', { value: 9 });
  await tick(5000);
  const second = await open(['a'], first.ids().at(-1));
  assert.doesNotMatch(second.text, /snapshot/);
  assert.match(second.text, /"value":9/);
});

test('the ring is bounded: what it has lost is a snapshot', async (t) => {
  const { states, open, tick } = scene(t);
  const first = await open(['a']);
  const seen = first.ids().at(-1);
  for (let round = 0; round < 12; round += 1) {
    states.set('a', { value: `${round}${'x'.repeat(500_000)}` });
    await tick(1000);
  }
  assert.match((await open(['a'], seen)).text, /snapshot/);
});

test('a slow client is dropped, the others go on', async (t) => {
  const { hub, states, open, tick } = scene(t);
  const [slow, quick] = [await open(['a']), await open(['a'])];
  slow.queued = QUEUED_MAX + 1;
  states.set('a', { value: 5 });
  await tick(1000);
  assert.deepEqual([slow.isDestroyed, hub.listeners], [true, 1]);
  assert.match(quick.text, /"value":5/);
});

test('at the end all are told, and nobody new is let in', async (t) => {
  const { hub, open } = scene(t);
  const client = await open(['a']);
  hub.close();
  assert.match(client.text, /event: end\ndata: \{"reason":"shutting down"\}\n\n$/);
  assert.equal(client.isEnded, true);
  assert.throws(() => hub.open(['a'], ''), { code: 'unreachable' });
});
