// A storm of failures, in requests and in checks, while one server still answers: nothing that may be tried again is
// lost. Real servers in processes of their own, two workers with counts of their own.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { type TestContext, test } from 'node:test';
import {
  daemonConfig,
  get,
  runDaemonProcess,
  status,
  temporaryDir,
  until,
} from './support/daemon/builders.ts';

/** It drops every request while it is told to, and answers /ping as it is told: `drop`, `fail`, `well`. */
const SERVER = `
  let mode = 'well';
  process.on('message', (word) => { mode = word; process.send(word); });
  require('node:http').createServer((request, response) => {
    const isPing = request.url === '/ping';
    if (mode === 'drop' && !isPing) return request.socket.destroy();
    response.writeHead(isPing && mode === 'fail' ? 500 : 200).end('hello');
  }).listen(0, '127.0.0.1', function () { process.send(this.address().port); });
`;

type Member = {
  readonly id: string;
  readonly child: ChildProcess;
  tell(mode: string): Promise<void>;
};

async function startMember(t: TestContext): Promise<Member> {
  const child = spawn(process.execPath, ['-e', SERVER], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.after(() => child.kill('SIGKILL'));
  const [port] = await once(child, 'message');
  return {
    id: `127.0.0.1:${port}`,
    child,
    tell: async (mode) => {
      child.send(mode);
      await once(child, 'message');
    },
  };
}

async function scene(t: TestContext, settings: string) {
  const members = await Promise.all([1, 2, 3, 4].map(() => startMember(t)));
  const servers = members.map(({ id }) => `{ address: "${id}", fail_timeout: 60s }`);
  const yaml = `workers: 2\nupstreams: { app: { ${settings}, servers: [${servers}] } }`;
  const daemon = await runDaemonProcess(t, daemonConfig(yaml, temporaryDir(t)));
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  t.after(() => agent.destroy());
  const words = async (): Promise<readonly string[]> =>
    (await status(daemon.control)).upstreams[0]?.servers.map(({ eligibility }) => eligibility) ??
    [];
  /** The statuses of so many requests, eight at a time; half on connections of their own, for both workers. */
  const load = async (count: number): Promise<ReadonlyMap<number, number>> => {
    const statuses = new Map<number, number>();
    let left = count;
    const client = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const { status: code } = await get(daemon.gateway, left % 2 === 0 ? agent : false);
        statuses.set(code, (statuses.get(code) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    return statuses;
  };
  const metrics = async (): Promise<string> => (await fetch(`${daemon.control}/metrics`)).text();
  return { members, words, load, metrics };
}

test('the one that was ejected before all others died answers every request', async (t) => {
  const { members, words, load, metrics } = await scene(t, 'balance: round_robin');
  const [last, ...others] = members;
  assert(last !== undefined);
  await last.tell('drop');
  await until('it is ejected', async () => {
    await load(16);
    return (await words())[0] === 'ejected';
  });
  await last.tell('well');
  const running = load(3000);
  for (const { child } of others) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  assert.deepEqual([...(await running)], [[200, 3000]]);
  assert.deepEqual([...(await load(200))], [[200, 200]]);
  await until('it is in again', async () => (await words())[0] === 'ok');
  assert.match(await metrics(), /^sluice_upstream_last_resorts_total\{upstream="app"\} [1-9]/m);
});

test('with a panic threshold checks that fail everywhere lose no request either', async (t) => {
  const check = 'check: { path: /ping, interval: 20ms, rise: 1, fall: 1 }';
  const { members, words, load } = await scene(t, `panic_threshold: 50%, ${check}`);
  const is = (word: string, count: number) => async (): Promise<boolean> =>
    (await words()).filter((one) => one === word).length === count;
  await until('all are in', is('ok', 4));
  const running = load(3000);
  for (const mode of ['fail', 'well', 'fail', 'well', 'fail']) {
    await Promise.all(members.map((member) => member.tell(mode)));
    await until(`all ${mode}`, is(mode === 'fail' ? 'panic' : 'ok', 4));
  }
  for (const { child } of members.slice(1)) child.kill('SIGKILL');
  assert.deepEqual([...(await running)], [[200, 3000]]);
  assert.deepEqual([...(await load(200))], [[200, 200]]);
  await until('the last one is in panic alone', async () => (await words())[0] === 'panic');
});
