// What the control API foretells of an action is what happens: on random pools, the action is allowed where it
// was said to be, refused with the same code where not, and leaves as many eligible servers as was said.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { requestOf } from '../src/admin/contract.ts';
import type { EffectDocument } from '../src/admin.ts';
import { formatAddress } from '../src/base/units.ts';
import { seededRandom } from './support/base/random.ts';
import {
  daemonConfig,
  put,
  type RunningDaemon,
  runDaemon,
  setAdmin,
  startServer,
  status,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';
import { openClient, startEmbedded } from './support/registry/builders.ts';

const ACTIONS = ['drain', 'maint', 'undrain', 'weight', 'deregister'] as const;

type Action = (typeof ACTIONS)[number];
type Question = {
  readonly upstream: string;
  readonly server: string;
  readonly action: Action;
  readonly weight: number;
  readonly keep: number;
};

async function effectOf(
  { control }: RunningDaemon,
  question: Question,
  reason = '',
): Promise<EffectDocument> {
  const { path } = requestOf('effect', { ...question, reason });
  const response = await fetch(`${control}${path}`);
  assert.equal(response.status, 200, await response.clone().text());
  // The type is what the API promises; a test of the contract says that it holds.
  return (await response.json()) as EffectDocument;
}

async function act({ control }: RunningDaemon, question: Question, by: string) {
  const { upstream, server, action, weight, keep } = question;
  const place = { upstream, server };
  const call =
    action === 'weight'
      ? requestOf('setWeight', { ...place, body: { weight } })
      : action === 'deregister'
        ? requestOf('deregister', { ...place, body: { owner: by } })
        : requestOf('setAdmin', {
            ...place,
            body: {
              ...{ state: action === 'undrain' ? 'ready' : action, owner: by, reason: '' },
              ...(action === 'undrain' || keep === 0 ? {} : { keepEligible: keep }),
            },
          });
  const { path, ...rest } = call;
  const response = await fetch(`${control}${path}`, rest);
  const text = await response.text();
  return { isDone: response.ok, code: /"code":"(\w+)"/.exec(text)?.[1] ?? '', text };
}

const POOLS = `
workers: 1
routes: [{ path: /, upstream: app }, { path: /web, upstream: web }, { path: /one, upstream: one }]
upstreams:
  app:
    servers: ["127.0.0.1:1", { address: "127.0.0.1:2", weight: 3 }, { address: "127.0.0.1:3", down: on }]
  web:
    registry: off
    servers: ["127.0.0.1:1", { address: "127.0.0.1:2", backup: on }, { address: "127.0.0.1:3", down: on }]
  one: { allow_empty: on }
`;

async function eligible(daemon: RunningDaemon, name: string): Promise<number> {
  const { upstreams } = await status(daemon.control);
  return upstreams.find((upstream) => upstream.name === name)?.eligible ?? -1;
}

test('whatever is foretold happens, on random pools', async (t) => {
  const daemon = await runDaemon(t, daemonConfig(POOLS, temporaryDir(t)));
  const registry = `http://127.0.0.1:${daemon.addresses.registry?.port}/v1/kv/upstreams`;
  const seed = Number(process.env['SEED'] ?? 7);
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]): T => {
    const found = list[Math.floor(random() * list.length)];
    assert(found !== undefined);
    return found;
  };
  const records = ['{}', '{"weight":2}', '{"down":1}', '{"backup":1}', '{"down":"x"}', 'no json'];
  const seen = new Map<string, number>();
  for (let round = 0; round < 250; round += 1) {
    if (random() < 0.3) {
      const id = `127.0.0.1:${pick([1, 2, 4, 5])}`;
      const key = `${pick(['app', 'one'])}/${id}`;
      const written = await fetch(`${registry}/${key}`, { method: 'PUT', body: pick(records) });
      assert.equal(await written.text(), 'true');
      const index = Number((await fetch(`${registry}/${key}`)).headers.get('x-consul-index'));
      await until(
        'the table has it',
        async () => (await status(daemon.control)).registry.index >= index,
      );
    }
    const { upstreams } = await status(daemon.control);
    const { name, servers } = pick(upstreams.filter(({ servers }) => servers.length > 0));
    const question: Question = {
      ...{ upstream: name, server: pick(servers).id, action: pick(ACTIONS) },
      ...{ weight: 1 + Math.floor(random() * 5), keep: Math.floor(random() * 4) },
    };
    const effect = await effectOf(daemon, question);
    const about = `seed ${seed}, round ${round}: ${JSON.stringify({ question, effect })}`;
    assert.equal(effect.eligibleBefore, await eligible(daemon, name), about);
    const done = await act(daemon, question, effect.by);
    assert.equal(done.isDone, effect.allowed, `${about} ${done.text}`);
    assert.equal(done.code, effect.refusalCode, about);
    if (!done.isDone) assert(done.text.includes(JSON.stringify(effect.refusal)), about);
    const expected = done.isDone ? effect.eligibleAfter : effect.eligibleBefore;
    // A weight is in the table a moment after it is written.
    if (question.action === 'weight' || question.action === 'deregister') {
      await until(about, async () => (await eligible(daemon, name)) === expected);
    } else assert.equal(await eligible(daemon, name), expected, about);
    const key = `${question.action} ${effect.allowed}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  // Both answers were met for all that can be refused.
  for (const action of ACTIONS) {
    assert((seen.get(`${action} true`) ?? 0) > 2, action);
    if (action !== 'undrain') assert((seen.get(`${action} false`) ?? 0) > 2, action);
  }
});

test('it happens on two gateways that share a registry, whichever is asked', async (t) => {
  const { address } = await startEmbedded(t);
  const store = openClient(t, [address]);
  for (const at of [1, 2, 3]) await store.put(`upstreams/app/127.0.0.1:${at}`, '{}');
  const yaml = `workers: 1\nregistry: { consul: { addresses: ["${formatAddress(address)}"] } }\nupstreams: { app: {} }`;
  const gateways = [
    await runDaemon(t, daemonConfig(yaml, temporaryDir(t))),
    await runDaemon(t, daemonConfig(yaml, temporaryDir(t))),
  ];
  const isCalm = async (): Promise<boolean> => {
    const seen = await Promise.all(gateways.map(({ control }) => status(control)));
    return seen.every(
      ({ gateways: known, upstreams }) =>
        known.length === 2 &&
        known.every(({ current }) => current) &&
        upstreams[0]?.servers.length === seen[0]?.upstreams[0]?.servers.length &&
        upstreams[0]?.servers.every(({ settled }) => settled) === true,
    );
  };
  const seed = Number(process.env['SEED'] ?? 5);
  const random = seededRandom(seed);
  for (let round = 0; round < 40; round += 1) {
    await until('both know the same', isCalm);
    const daemon = gateways[round % 2];
    assert(daemon !== undefined);
    const question: Question = {
      ...{ upstream: 'app', server: `127.0.0.1:${1 + Math.floor(random() * 3)}`, weight: 2 },
      action: ACTIONS[Math.floor(random() * 4)] ?? 'drain',
      keep: Math.floor(random() * 3),
    };
    const effect = await effectOf(daemon, question);
    const about = `seed ${seed}, round ${round}: ${JSON.stringify({ question, effect })}`;
    const done = await act(daemon, question, effect.by);
    assert.equal(done.isDone, effect.allowed, `${about} ${done.text}`);
    assert.equal(done.code, effect.refusalCode, about);
    const expected = done.isDone ? effect.eligibleAfter : effect.eligibleBefore;
    await until(about, async () => (await eligible(daemon, 'app')) === expected);
  }
});

async function twoServers(t: TestContext) {
  const daemon = await runDaemon(
    t,
    daemonConfig('workers: 1\nupstreams: { app: {} }', temporaryDir(t)),
  );
  const [one, two] = [await startServer(t), await startServer(t)];
  await put(daemon, one.id, '{"weight":3}');
  await put(daemon, two.id, '{}');
  await until('both are there', async () => (await eligible(daemon, 'app')) === 2);
  const ask = (action: Action, more: Partial<Question> = {}, reason = '') =>
    effectOf(
      daemon,
      { upstream: 'app', server: one.id, action, weight: 0, keep: 1, ...more },
      reason,
    );
  return { daemon, one, two, ask };
}

test('it says what would stay, what is in flight, which share moves, and how to confirm', async (t) => {
  const { daemon, one, two, ask } = await twoServers(t);
  const answer = fetch(`${daemon.gateway}/hold`);
  await until('a server has it', () => one.held.length + two.held.length === 1);
  const holder = one.held.length === 1 ? one : two;
  const drain = await ask('drain', { server: holder.id }, 'new kernel');
  assert.deepEqual(
    [drain.allowed, drain.level, drain.eligibleBefore, drain.eligibleAfter, drain.servers],
    [true, 'confirm', 2, 1, 2],
  );
  assert.deepEqual([drain.inFlight, drain.owner, drain.need], [1, '', 1]);
  const share = holder === one ? 0.75 : 0.25;
  assert.deepEqual([drain.shareBefore, drain.shareAfter], [share, 0]);
  assert.match(drain.cli, /^sluice drain app \S+ --keep 1 '--message=new kernel' --control 127\./);
  assert.match(drain.curl, /"reason":"new kernel","keepEligible":1/);
  const weight = await ask('weight', { weight: 1 });
  assert.deepEqual(
    [weight.allowed, weight.level, weight.shareBefore, weight.shareAfter],
    [true, 'confirm', 0.75, 0.5],
  );
  holder.held.pop()?.end('x');
  await (await answer).text();
});

test('the last one is refused, and without a guard it is to be typed', async (t) => {
  const { daemon, one, two, ask } = await twoServers(t);
  await setAdmin(daemon.control, two.id, { state: 'drain', owner: 'release:r7', reason: 'r7' });
  const guarded = await ask('drain');
  assert.deepEqual(
    [guarded.allowed, guarded.level, guarded.eligibleAfter, guarded.refusalCode],
    [false, 'type', 0, 'guard_refused'],
  );
  assert.match(guarded.refusal, /0 eligible would stay, 1 needed/);
  const bare = await ask('maint', { keep: 0 });
  assert.deepEqual([bare.allowed, bare.level], [true, 'type']);
  assert.match(bare.warnings.join(), /would have no eligible server: its requests get 503/);
  const back = await ask('undrain', { server: two.id });
  assert.deepEqual([back.level, back.eligibleAfter, back.owner], ['light', 2, 'release:r7']);
  assert.equal(back.release, 'r7');
  assert.match(back.warnings.join(), /it is in drain by release:r7 \(r7\)/);
  const gone = await ask('deregister', { server: one.id });
  assert.deepEqual([gone.allowed, gone.level, gone.refusalCode], [false, 'type', 'conflict']);
  assert.match(gone.warnings.join(), /"sluice instance leave" drains it first/);
});

test('a question that makes no sense is refused', async (t) => {
  const { daemon, one } = await twoServers(t);
  const ask = async (path: string): Promise<string> => {
    const response = await fetch(`${daemon.control}/api/upstreams/${path}`);
    return `${response.status} ${/"code":"(\w+)"/.exec(await response.text())?.[1]}`;
  };
  assert.equal(await ask(`app/servers/${one.id}/effect`), '400 usage');
  assert.equal(await ask(`app/servers/${one.id}/effect?action=destroy`), '400 usage');
  assert.equal(await ask(`app/servers/${one.id}/effect?action=weight`), '400 usage');
  assert.equal(await ask(`app/servers/${one.id}/effect?action=weight&weight=70000`), '400 usage');
  assert.equal(await ask('app/servers/127.0.0.1:2/effect?action=drain'), '404 not_found');
  assert.equal(await ask('none/servers/a:1/effect?action=drain'), '404 not_found');
});
