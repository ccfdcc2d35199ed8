// Names of servers and what they resolve to, with a resolver and a clock that the test turns.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Log, silentLog } from '../base/log.ts';
import { mergeAddresses, Names, systemLookup } from './names.ts';

type Answers = Record<string, readonly string[] | Error>;

function createNames(t: TestContext, answers: Answers) {
  const state = {
    nowMs: 0,
    asked: [] as string[],
    changed: [] as string[],
    said: [] as string[],
    used: undefined as readonly string[] | undefined,
  };
  const write: Log['warn'] = ({ name, code }, message) => {
    const why = code === undefined ? '' : ` (${code})`;
    state.said.push(`${name}: ${message.replace(/;.*/, '')}${why}`);
  };
  const names = new Names({
    log: { ...silentLog, warn: write, info: write },
    now: () => state.nowMs,
    lookup: async (name) => {
      state.asked.push(name);
      const answer = answers[name] ?? [];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  names.handOver({
    onChange: (changed) => state.changed.push(...changed),
    used: () => new Set(state.used ?? Object.keys(answers)),
  });
  t.after(() => names.close());
  /** Time passes, second by second, and what was asked is answered. */
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      state.nowMs += 1000;
      names.tick();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { names, state, pass };
}

const NOT_FOUND = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });

test('a name is resolved, and moves when its address leaves the answer', async (t) => {
  const answers: Answers = { app: ['10.0.0.1', '10.0.0.2'] };
  const { names, state, pass } = createNames(t, answers);
  assert.deepEqual(names.addresses('app'), []);
  await names.settled(10_000);
  assert.deepEqual(names.addresses('app'), ['10.0.0.1', '10.0.0.2']);
  // A rotating DNS moves nobody.
  answers['app'] = ['10.0.0.2', '10.0.0.1'];
  await pass(6);
  answers['app'] = ['10.0.0.3', '10.0.0.2', '10.0.0.1'];
  await pass(6);
  assert.deepEqual(names.addresses('app'), ['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  assert.deepEqual(state.said, []);
  answers['app'] = ['10.0.0.9'];
  await pass(6);
  assert.deepEqual(names.addresses('app'), ['10.0.0.9']);
  assert.deepEqual(state.said, ['app: server name has another address']);
  assert.equal(state.changed.length, 3);
});

test('without an answer the last addresses stay, it is said once, and asked for less often', async (t) => {
  const answers: Answers = { app: ['10.0.0.1'] };
  const { names, state, pass } = createNames(t, answers);
  names.addresses('app');
  await pass(1);
  answers['app'] = NOT_FOUND;
  await pass(5);
  assert.equal(state.asked.length, 2);
  await pass(4);
  assert.equal(state.asked.length, 2, 'at the pace of a name that is known');
  for (const failure of [NOT_FOUND, []]) {
    answers['app'] = failure;
    await pass(60);
  }
  assert.deepEqual(names.addresses('app'), ['10.0.0.1']);
  assert.ok(state.asked.length < 10, `${state.asked.length} lookups in two minutes`);
  answers['app'] = ['10.0.0.1'];
  await pass(31);
  assert.deepEqual(state.said, [
    'app: server name cannot be resolved now (ENOTFOUND)',
    'app: server name resolves again',
  ]);
  assert.deepEqual(state.changed, ['app']);
});

test('a name that was never resolved is asked for often, and does not hold up the start', async (t) => {
  const answers: Answers = { app: NOT_FOUND };
  const { names, state, pass } = createNames(t, answers);
  names.addresses('app');
  await names.settled(10_000);
  assert.deepEqual(names.addresses('app'), []);
  assert.deepEqual(state.said, ['app: server name cannot be resolved (ENOTFOUND)']);
  await pass(2);
  assert.equal(state.asked.length, 2);
  await pass(60);
  assert.ok(state.asked.length >= 12);
  answers['app'] = ['10.0.0.1'];
  await pass(6);
  assert.deepEqual(names.addresses('app'), ['10.0.0.1']);
  assert.deepEqual(state.changed, ['app']);
});

test('another second address is news, too', async (t) => {
  const answers: Answers = { app: ['10.0.0.1', '10.0.0.2'] };
  const { names, state, pass } = createNames(t, answers);
  names.addresses('app');
  await pass(1);
  answers['app'] = ['10.0.0.1', '10.0.0.3'];
  await pass(6);
  assert.deepEqual(state.changed, ['app', 'app']);
  assert.deepEqual(state.said, [], 'nothing that is in use has changed');
});

test('a start waits for every name, and for none when there is none', async (t) => {
  const answers: (() => void)[] = [];
  const names = new Names({
    log: silentLog,
    lookup: () => new Promise((resolve) => answers.push(() => resolve(['10.0.0.1']))),
  });
  t.after(() => names.close());
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const settled: string[] = [];
  const wait = (what: string): void => void names.settled(5000).then(() => settled.push(what));
  wait('none');
  await turn();
  assert.deepEqual(settled, ['none']);
  names.addresses('a');
  names.addresses('b');
  wait('both');
  answers[0]?.();
  await turn();
  assert.deepEqual(settled, ['none']);
  answers[1]?.();
  await turn();
  assert.deepEqual(settled, ['none', 'both']);
});

test('an answer that comes too late, after the end or for a forgotten name, changes nothing', async (t) => {
  for (const isClosed of [false, true]) {
    const answer = Promise.withResolvers<readonly string[]>();
    const changed: string[] = [];
    let nowMs = 0;
    const names = new Names({
      log: silentLog,
      now: () => nowMs,
      lookup: (name) => (name === 'late' ? answer.promise : Promise.resolve(['10.0.0.1'])),
    });
    t.after(() => names.close());
    names.handOver({
      onChange: (list) => changed.push(...list),
      used: () => new Set(['app']),
    });
    names.addresses('late');
    names.addresses('app');
    await new Promise((resolve) => setImmediate(resolve));
    nowMs += 6000;
    if (isClosed) names.close();
    else names.tick();
    answer.resolve(['10.0.0.2']);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(changed, ['app']);
  }
});

test('a name that nobody uses any more is forgotten', async (t) => {
  const { names, state, pass } = createNames(t, { old: ['10.0.0.1'], app: ['10.0.0.2'] });
  names.addresses('old');
  names.addresses('app');
  await pass(1);
  state.used = ['app'];
  await pass(20);
  assert.equal(state.asked.filter((name) => name === 'old').length, 1);
});

test('a slow resolver is asked for few names at a time, and a start waits no longer than told', async (t) => {
  let asked = 0;
  const names = new Names({
    log: silentLog,
    lookup: () => {
      asked += 1;
      return new Promise(() => {});
    },
  });
  t.after(() => names.close());
  for (let count = 0; count < 10; count += 1) names.addresses(`app-${count}`);
  await names.settled(1);
  assert.equal(asked, 2);
});

test('who waits longest is asked for first, so that a slow resolver starves nobody', async (t) => {
  const asked: string[] = [];
  const answers: (() => void)[] = [];
  let nowMs = 0;
  const names = new Names({
    log: silentLog,
    now: () => nowMs,
    lookup: (name) => {
      asked.push(name);
      return new Promise((resolve) => answers.push(() => resolve(['10.0.0.1'])));
    },
  });
  t.after(() => names.close());
  for (const name of ['a', 'b', 'c', 'd']) names.addresses(name);
  for (let round = 0; round < 8; round += 1) {
    nowMs += 6000;
    answers.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(asked.join(''), 'abcdabcdab');
});

test('the system resolves localhost', async () => {
  assert.ok(
    (await systemLookup('localhost')).some((address) => ['127.0.0.1', '::1'].includes(address)),
  );
});

/** As many as are kept beside one. */
const LETTERS = Array.from({ length: 63 }, (_, at) => `n${at}`).join(' ');

for (const [last, answer, expected] of [
  ['', 'a b', 'a b'],
  ['a', 'b a', 'a b'],
  ['a b', 'b c', 'b c'],
  ['a', 'b', 'b'],
  ['', 'a a', 'a'],
  ['c d', 'a b c d e', 'c d a b e'],
  ['z', `z ${LETTERS}`, `z ${LETTERS}`],
  ['z', `${LETTERS} more z`, `z ${LETTERS}`],
] as const) {
  test(`after "${last}" the answer "${answer.slice(0, 20)}" makes "${expected.slice(0, 20)}"`, () => {
    const list = (text: string): string[] => text.split(' ').filter((item) => item !== '');
    assert.deepEqual(mergeAddresses(list(last), list(answer)), list(expected));
  });
}

test('what was known before a restart is used until the first answer, and without one', async (t) => {
  const answer = Promise.withResolvers<readonly string[]>();
  const names = new Names({
    log: silentLog,
    lookup: () => answer.promise,
    remembered: [{ name: 'app', addresses: ['10.0.0.1'] }],
  });
  t.after(() => names.close());
  assert.deepEqual(names.addresses('app'), ['10.0.0.1']);
  assert.deepEqual(names.addresses('new'), []);
  let isSettled = false;
  const settled = names.settled(10_000).then(() => {
    isSettled = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isSettled, false, 'what is remembered is no answer');
  answer.reject(NOT_FOUND);
  await settled;
  assert.deepEqual(names.remembered(), [
    { name: 'app', addresses: ['10.0.0.1'] },
    { name: 'new', addresses: [] },
  ]);
});
