import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { buildService, firstOf } from '../../../../test/support/release/builders.ts';
import { driverOf } from '../../drivers.ts';
import { identityAtStart, localHost } from '../../hosts.ts';
import { serviceFolder } from '../../journal/files.ts';
import { instanceProcesses } from '../processes.ts';
import {
  LISTEN,
  launchOf,
  type Started,
  scopeOf,
  started,
  startedBy,
  stop,
} from './instance-builders.test.ts';
import { stopFacts, stopInstance } from './stop.ts';

/** A server that has a request to answer when it is told to end, and says when it has. */
const SERVER = `
  process.on('SIGTERM', () => {
    console.log('told');
    setTimeout(() => { console.log('answered'); process.exit(0); }, 400);
  });
  require('net').createServer().listen(+process.argv[2], '127.0.0.1', () => console.log('ready'));
`;

/** The server below a wrapper: `sh -c text`, where SERVER stands for its command. */
function wrapped(t: TestContext, text: string): Promise<Started> {
  return startedBy(t, async (port, folder) => {
    const file = join(folder, 'server.cjs');
    await writeFile(file, SERVER);
    const script = join(folder, 'start.sh');
    await writeFile(script, `#!/bin/sh\n${process.execPath} ${file} ${port}\necho after\n`);
    await writeFile(
      join(folder, 'package.json'),
      JSON.stringify({ scripts: { start: `${process.execPath} ${file} ${port}` } }),
    );
    const command = `${process.execPath} ${file} ${port}`;
    return ['/bin/sh', '-c', text.replaceAll('SERVER', command).replaceAll('SCRIPT', script)];
  });
}

/** Below each of them the server gets TERM and its time; none needs KILL. */
const WRAPPERS: Readonly<Record<string, string>> = {
  'a shell that waits': 'SERVER & wait',
  'a shell with a command after it': 'SERVER; true',
  'a shell in a shell': "sh -c 'SERVER; true'; true",
  'a script without exec': 'sh SCRIPT; true',
  'a shell that defers its trap until its command ends': "trap 'echo bye' TERM; SERVER; true",
  'a shell that ignores TERM': "trap '' TERM; SERVER; true",
  'a shell that passes TERM on': "trap 'kill $!; wait $!' TERM; SERVER & wait",
  'a session of its own': 'setsid SERVER & wait',
  'a session of its own without the mark': 'env -i setsid SERVER & wait',
  'a leader that has left already': 'SERVER & exit 0',
  'npm start': 'npm start --silent',
};

for (const [name, text] of Object.entries(WRAPPERS)) {
  test(`what a wrapper has started answers its requests: ${name}`, async (t) => {
    const it = await wrapped(t, text);
    const outcome = await stop(it, 6000);
    assert.equal(outcome.trouble, '');
    assert.equal(outcome.signal, 'TERM', JSON.stringify(outcome));
    assert((await it.driver.logs(it.running.handle)).includes('answered'));
  });
}

test('what ignores TERM below a wrapper is killed after the time, and named', async (t) => {
  const child = `process.on('SIGTERM', () => {}); ${LISTEN}`;
  const it = await startedBy(t, (port) => {
    const script = `const port = ${port}; ${child}`.replaceAll("'", '"');
    return ['/bin/sh', '-c', `${process.execPath} -e '${script}' & wait`];
  });
  const { host, mark } = it.scope;
  const [leader, server] = (await instanceProcesses(host, mark, it.process)).map(({ pid }) => pid);
  const outcome = await stop(it, 300);
  assert.deepEqual(outcome.termed, [leader, server]);
  assert.deepEqual(outcome.killed, [server]);
  assert.deepEqual(stopFacts(outcome), {
    signal: 'KILL',
    left: 1,
    term: `${leader}, ${server}`,
    kill: `${server}`,
  });
});

test('a leader that ends its children itself is the only one that is told', async (t) => {
  const it = await started(
    t,
    `const child = require('child_process').fork('-', [], {
      execArgv: ['-e', "process.on('SIGTERM', () => console.log('told')); process.on('message', () => process.exit()); process.send('up')"],
    });
    process.on('SIGTERM', () => setTimeout(() => child.send('end'), 200));
    child.on('exit', () => process.exit());
    child.on('message', () => { ${LISTEN} });`,
  );
  const { pid } = it.process;
  const outcome = await stop(it);
  assert.deepEqual(outcome, { signal: 'TERM', termed: [pid], killed: [], left: 0, trouble: '' });
  assert.deepEqual(await it.driver.logs(it.running.handle), ['ready']);
});

test('a session that only has the number of ours is not touched', async (t) => {
  const service = await buildService(t, 1);
  const other = spawn('/bin/sh', ['-c', 'sleep 60 & wait'], { detached: true });
  await once(other, 'spawn');
  const pid = other.pid ?? 0;
  t.after(() => process.kill(-pid, 'SIGKILL'));
  const stale = { pid, identity: `${identityAtStart(pid)}1` };
  const outcome = await stopInstance(await scopeOf(service), stale, { timeoutMs: 100 });
  assert.deepEqual(outcome.termed, []);
  const name = { pid, identity: identityAtStart(pid) };
  assert.equal(await localHost.isAlive(name), true);
});

test('what carries the mark of another instance is left to that one', async (t) => {
  const it = await started(
    t,
    `require('child_process').spawn('sleep', ['60'], { detached: true, stdio: 'ignore',
      env: { ...process.env, SLUICE_INSTANCE: '/other.json' } }); ${LISTEN}`,
  );
  const [other] = await instanceProcesses(it.scope.host, '/other.json');
  assert(other !== undefined);
  t.after(() => process.kill(other.pid, 'SIGKILL'));
  assert.deepEqual((await stop(it)).termed, [it.process.pid]);
  assert.equal(await it.scope.host.isAlive(other), true);
});

test('a process that follows TERM is stopped by TERM', async (t) => {
  const it = await started(t, LISTEN);
  const { pid } = it.process;
  const outcome = await stop(it);
  assert.deepEqual(outcome, { signal: 'TERM', termed: [pid], killed: [], left: 0, trouble: '' });
  assert.deepEqual(stopFacts(outcome), { signal: 'TERM' });
  assert.equal(await it.scope.host.isAlive(it.process), false);
});

test('a process that ignores TERM is killed after the deadline', async (t) => {
  const it = await started(t, `process.on('SIGTERM', () => {}); ${LISTEN}`);
  const { pid } = it.process;
  const outcome = await stop(it, 50);
  assert.deepEqual(outcome, { signal: 'KILL', termed: [pid], killed: [pid], left: 0, trouble: '' });
  assert.deepEqual(stopFacts(outcome), { signal: 'KILL', kill: `${pid}` });
});

test('what is alive after a stop stood still is not killed when a later release has the host', async (t) => {
  const it = await started(t, `process.on('SIGTERM', () => {}); ${LISTEN}`);
  const folder = serviceFolder(it.service);
  const scope = { ...it.scope, claim: { folder, fence: 7 } };
  // Between the first signal and the last one.
  let taken: Promise<void> | undefined;
  const wait = (): void => {
    taken ??= scope.host.claim(folder, 8);
  };
  await assert.rejects(stopInstance(scope, it.process, { timeoutMs: 500, wait }), {
    code: 'locked',
  });
  await taken;
  assert.equal(await it.scope.host.isAlive(it.process), true);
});

test('children that a process leaves behind are ended, also in a session of their own', async (t) => {
  const child = `setInterval(() => {}, 1000)`;
  const it = await started(
    t,
    `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { detached: true, stdio: 'ignore' }).unref(); ${LISTEN}`,
  );
  const { host, mark } = it.scope;
  assert.equal((await instanceProcesses(host, mark)).length, 2);
  assert.equal((await stop(it)).trouble, '');
  assert.deepEqual(await instanceProcesses(host, mark), []);
});

test('a pid that belongs to another process now is not touched', async (t) => {
  const service = await buildService(t, 1);
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  t.after(() => other.kill('SIGKILL'));
  await once(other, 'spawn');
  const pid = other.pid ?? 0;
  const handle = { pid, identity: `${identityAtStart(pid)}1` };
  const scope = await scopeOf(service);
  const outcome = await stopInstance(scope, handle, { timeoutMs: 100 });
  assert.deepEqual(outcome, { signal: '', termed: [], killed: [], left: 0, trouble: '' });
  const name = { pid, identity: identityAtStart(pid) };
  assert.equal(await localHost.isAlive(name), true);
  const stale = { handle, startedAtMs: 0, release: 'r1', launch: launchOf(['x']) };
  assert.equal(await driverOf(service, firstOf(service)).find(stale), null);
});

test('an instance behind something that empties the environment is still known as ours', async (t) => {
  const child = JSON.stringify(`const port = PORT; ${LISTEN}`);
  const it = await started(
    t,
    `require('child_process').spawn(process.execPath, ['-e', ${child}.replace('PORT', port)], { env: {}, stdio: 'inherit' });`,
  );
  const { port } = it.scope.address;
  assert.equal(await it.driver.stranger(it.running.handle, port), '');
  const { signal, left, trouble } = await stop(it);
  assert.deepEqual({ signal, left, trouble }, { signal: 'TERM', left: 1, trouble: '' });
});

test('stopping what has ended already is no trouble', async (t) => {
  const it = await started(t, LISTEN);
  process.kill(it.process.pid, 'SIGKILL');
  const ended = async (): Promise<string> => (await it.driver.state(it.running.handle)).ended;
  while ((await ended()) === '') await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(await ended(), 'was ended by SIGKILL');
  const outcome = await stop(it);
  assert.deepEqual(outcome, { signal: '', termed: [], killed: [], left: 0, trouble: '' });
  assert.deepEqual(stopFacts(outcome), { signal: 'none' });
});

test('the signal is the one that is configured', async (t) => {
  const it = await started(
    t,
    `process.on('SIGTERM', () => {}); process.on('SIGQUIT', () => process.exit(0)); ${LISTEN}`,
  );
  const scope = { ...it.scope, service: { ...it.service, stopSignal: 'QUIT' as const } };
  const outcome = await stopInstance(scope, it.process, { timeoutMs: 10_000 });
  assert.deepEqual(stopFacts(outcome), { signal: 'QUIT' });
});

test('to the tree: a child is told at once, although its parent stays', async (t) => {
  const child = `setInterval(() => {}, 1000)`;
  const it = await started(
    t,
    `process.on('SIGTERM', () => {}); require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { stdio: 'ignore' }).on('exit', () => process.exit(0)); ${LISTEN}`,
  );
  const scope = { ...it.scope, service: { ...it.service, stopTo: 'tree' as const } };
  // The parent's share of this time is longer than a test may last.
  const { termed, killed } = await stopInstance(scope, it.process, { timeoutMs: 900_000 });
  assert.deepEqual([termed.length, killed], [2, []]);
});
