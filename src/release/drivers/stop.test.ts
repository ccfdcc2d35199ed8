import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { buildService, ids } from '../../../test/support/release/builders.ts';
import { identityAtStart, identityOf, instanceProcesses, isAlive } from '../hosts/process-table.ts';
import { serviceFolder } from '../journal/files.ts';
import { findProcess, logTail } from './command.ts';
import { LISTEN, type Started, started, startedBy, stop } from './instance-builders.test.ts';
import { stopFacts, stopInstance } from './stop.ts';
import { strangerOn } from './stranger.ts';

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
    assert((await logTail(it.service, it.instance, 0)).includes('answered'));
  });
}

test('what ignores TERM below a wrapper is killed after the time, and named', async (t) => {
  const child = `process.on('SIGTERM', () => {}); ${LISTEN}`;
  const it = await startedBy(t, (port) => {
    const script = `const port = ${port}; ${child}`.replaceAll("'", '"');
    return ['/bin/sh', '-c', `${process.execPath} -e '${script}' & wait`];
  });
  const mark = `${serviceFolder(it.service)}/${it.instance}.json`;
  const [leader, server] = (await instanceProcesses(mark, it.running.process)).map(
    ({ pid }) => pid,
  );
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
  const { pid } = it.running.process;
  const outcome = await stop(it);
  assert.deepEqual(outcome, { signal: 'TERM', termed: [pid], killed: [], left: 0, trouble: '' });
  assert.deepEqual(await logTail(it.service, it.instance, 0), ['ready']);
});

test('a session that only has the number of ours is not touched', async (t) => {
  const service = await buildService(t, 1);
  const other = spawn('/bin/sh', ['-c', 'sleep 60 & wait'], { detached: true });
  await once(other, 'spawn');
  const pid = other.pid ?? 0;
  t.after(() => process.kill(-pid, 'SIGKILL'));
  const [address = { host: '', port: 0 }] = service.instances;
  const stale = { pid, identity: `${identityAtStart(pid)}1` };
  const outcome = await stopInstance({ service, address, process: stale, timeoutMs: 100 });
  assert.deepEqual(outcome.termed, []);
  assert.notEqual(identityOf(pid), undefined);
});

test('what carries the mark of another instance is left to that one', async (t) => {
  const it = await started(
    t,
    `require('child_process').spawn('sleep', ['60'], { detached: true, stdio: 'ignore',
      env: { ...process.env, SLUICE_INSTANCE: '/other.json' } }); ${LISTEN}`,
  );
  const [other] = await instanceProcesses('/other.json');
  assert(other !== undefined);
  t.after(() => process.kill(other.pid, 'SIGKILL'));
  assert.deepEqual((await stop(it)).termed, [it.running.process.pid]);
  assert.equal(isAlive(other), true);
});

test('a process that follows TERM is stopped by TERM', async (t) => {
  const it = await started(t, LISTEN);
  const { pid } = it.running.process;
  const outcome = await stop(it);
  assert.deepEqual(outcome, { signal: 'TERM', termed: [pid], killed: [], left: 0, trouble: '' });
  assert.deepEqual(stopFacts(outcome), { signal: 'TERM' });
  assert.equal(isAlive(it.running.process), false);
});

test('a process that ignores TERM is killed after the deadline', async (t) => {
  const it = await started(t, `process.on('SIGTERM', () => {}); ${LISTEN}`);
  const { pid } = it.running.process;
  const outcome = await stop(it, 50);
  assert.deepEqual(outcome, { signal: 'KILL', termed: [pid], killed: [pid], left: 0, trouble: '' });
  assert.deepEqual(stopFacts(outcome), { signal: 'KILL', kill: `${pid}` });
});

test('children that a process leaves behind are ended, also in a session of their own', async (t) => {
  const child = `setInterval(() => {}, 1000)`;
  const it = await started(
    t,
    `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { detached: true, stdio: 'ignore' }).unref(); ${LISTEN}`,
  );
  const mark = `${serviceFolder(it.service)}/${it.instance}.json`;
  assert.equal((await instanceProcesses(mark)).length, 2);
  assert.equal((await stop(it)).trouble, '');
  assert.deepEqual(await instanceProcesses(mark), []);
});

test('a pid that belongs to another process now is not touched', async (t) => {
  const service = await buildService(t, 1);
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  t.after(() => other.kill('SIGKILL'));
  await once(other, 'spawn');
  const pid = other.pid ?? 0;
  const launch = { version: 'v1', argv: ['x'], cwd: '/', env: {}, inherit: [], path: '' };
  const stale = {
    pid,
    identity: `${identityAtStart(pid)}1`,
    startedAtMs: 0,
    release: 'r1',
    launch,
  };
  const [address = { host: '', port: 0 }] = service.instances;
  const outcome = await stopInstance({ service, address, process: stale, timeoutMs: 100 });
  assert.deepEqual(outcome, { signal: '', termed: [], killed: [], left: 0, trouble: '' });
  assert.notEqual(identityOf(pid), undefined);
  assert.equal(
    await findProcess(service, ids(service)[0] ?? '', { process: stale, proven: null }),
    null,
  );
});

test('an instance behind something that empties the environment is still known as ours', async (t) => {
  const child = JSON.stringify(`const port = PORT; ${LISTEN}`);
  const it = await started(
    t,
    `require('child_process').spawn(process.execPath, ['-e', ${child}.replace('PORT', port)], { env: {}, stdio: 'inherit' });`,
  );
  const [address = { host: '', port: 0 }] = it.service.instances;
  assert.equal(await strangerOn(it.service, address, it.running.process), '');
  const { signal, left, trouble } = await stop(it);
  assert.deepEqual({ signal, left, trouble }, { signal: 'TERM', left: 1, trouble: '' });
});

test('stopping what has ended already is no trouble', async (t) => {
  const it = await started(t, LISTEN);
  process.kill(it.running.process.pid, 'SIGKILL');
  while (it.running.ended() === '') await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(it.running.ended(), 'was ended by SIGKILL');
  const outcome = await stop(it);
  assert.deepEqual(outcome, { signal: '', termed: [], killed: [], left: 0, trouble: '' });
  assert.deepEqual(stopFacts(outcome), { signal: 'none' });
});
