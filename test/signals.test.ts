// Signals that operators send by habit, to real processes: nothing is opened, nothing ends before its
// shutdown, and USR1 opens the access log anew without a line lost.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  childrenOf,
  handles,
  isPending,
  isStopped,
  listeningPorts,
} from './support/base/process-facts.ts';
import { COMMAND, type Serving, serve, start, temporaryFolder } from './support/cli/process.ts';
import { get, startServer, until } from './support/daemon/builders.ts';

const HABITUAL = [
  ...['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGPROF', 'SIGIO'],
  ...['SIGSTKFLT', 'SIGXCPU', 'SIGWINCH', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGPIPE', 'SIGCONT'],
] as NodeJS.Signals[];
/** Said by nobody: the system's own action is to do nothing, or Node's is. */
const SILENT = new Set<string>(['SIGPIPE', 'SIGCONT']);

function pidOf({ child }: Pick<Serving, 'child'>): number {
  assert(child.pid !== undefined);
  return child.pid;
}

function familyOf(pid: number): number[] {
  return [pid, ...childrenOf(pid)];
}

/** Lets a process that starts go on in small steps until then, and leaves it stopped. */
function runUntil(pid: number, isThere: () => boolean): void {
  while (!isThere()) {
    process.kill(pid, 'SIGCONT');
    process.kill(pid, 'SIGSTOP');
    while (!isStopped(pid));
  }
}

async function startTwoWorkers(t: TestContext, more = ''): Promise<Serving> {
  const server = await startServer(t);
  return serve(t, `workers: 2\n${more}upstreams: { app: { servers: ["${server.id}"] } }\n`);
}

test('no signal of habit opens, stops or ends anything', async (t) => {
  const daemon = await startTwoWorkers(t);
  const pid = pidOf(daemon);
  const family = familyOf(pid);
  const ports = listeningPorts(family);
  assert.equal(family.length, 3);
  const intact = async (what: string): Promise<void> => {
    assert.equal((await get(daemon.gateway)).status, 200, what);
    const status: unknown = await (await fetch(`${daemon.control}/api/status`)).json();
    assert(typeof status === 'object' && status !== null && 'workers' in status, what);
    assert.deepEqual(familyOf(pid), family, what);
    assert.deepEqual(listeningPorts(family), ports, what);
  };
  for (const signal of HABITUAL) {
    // Another program takes over then: upgrade.test.ts.
    if (signal === 'SIGUSR2') continue;
    process.kill(pid, signal);
    if (!SILENT.has(signal))
      await until(`${signal} is said`, () => daemon.stderr().includes(`sluice: ${signal}: `));
    await intact(`${signal} to the primary`);
    for (const worker of family.slice(1)) process.kill(worker, signal);
    await intact(`${signal} to the workers`);
    process.kill(-pid, signal);
    await intact(`${signal} to the process group`);
  }
  assert.doesNotMatch(daemon.stderr(), /inspector|debugger/i);
});

test('SIGUSR1 before the first line of ours opens no debugger that stays', async (t) => {
  const folder = temporaryFolder(t);
  const child = start(['registry', '--listen', '127.0.0.1:0', '--data-dir', folder]);
  const pid = pidOf({ child });
  const ended = once(child, 'close');
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  runUntil(pid, () => handles(pid, 'SIGUSR1'));
  child.kill('SIGUSR1');
  child.kill('SIGCONT');
  while (!text.includes('sluice registry: http')) {
    child.kill('SIGUSR1');
    await nextTurn();
  }
  assert.equal(listeningPorts([pid]).length, 1);
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
});

test('SIGTERM when a worker accepts clients and the start is not over: it finishes, too', async (t) => {
  const server = await startServer(t);
  const folder = temporaryFolder(t);
  const file = join(folder, 'sluice.yaml');
  const free = '"127.0.0.1:0"';
  writeFileSync(
    file,
    `workers: 2\nlisten: ${free}\nadmin: { listen: ${free} }\nregistry: { embedded: { listen: ${free} } }\nupstreams: { app: { servers: ["${server.id}"] } }\n`,
  );
  const child = start(['serve', '-c', file], { cwd: folder });
  child.stderr?.resume();
  const pid = pidOf({ child });
  const ended = once(child, 'exit');
  await until('both are there', () => childrenOf(pid).length === 2);
  const [first = 0, second = 0] = childrenOf(pid);
  await until('it has begun', () => handles(second, 'SIGUSR1'));
  // The start waits for it.
  process.kill(second, 'SIGSTOP');
  await until('the other accepts clients', () => listeningPorts([first]).length > 0);
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [143, null]);
  process.kill(second, 'SIGCONT');
  await until('they are gone', () => ![first, second].some((one) => existsSync(`/proc/${one}`)));
});

test('SIGUSR1 before the first line of a worker opens nothing', async (t) => {
  const daemon = await startTwoWorkers(t);
  const pid = pidOf(daemon);
  const [, first = 0, second = 0] = familyOf(pid);
  const ports = listeningPorts(familyOf(pid));
  process.kill(second, 'SIGKILL');
  let replacement = 0;
  while (replacement === 0) {
    await nextTurn();
    replacement = childrenOf(pid).find((child) => child !== first && child !== second) ?? 0;
  }
  runUntil(replacement, () => handles(replacement, 'SIGUSR1'));
  process.kill(replacement, 'SIGUSR1');
  process.kill(replacement, 'SIGCONT');
  while (!handles(replacement, 'SIGUSR2')) {
    assert.deepEqual(listeningPorts([replacement]), []);
    await nextTurn();
  }
  await until('it serves', () => listeningPorts([replacement]).length > 0);
  assert.deepEqual(listeningPorts(familyOf(pid)), ports);
  // Where it could be opened; it is said too when the address is in use.
  assert.doesNotMatch(daemon.stderr(), /127\.0\.0\.1:9229/);
});

test('SIGUSR1 to any other verb does nothing', async (t) => {
  const server = await startServer(t);
  const daemon = await serve(t, `upstreams: { app: { servers: ["${server.id}"] } }\n`);
  const response = get(`${daemon.gateway}/hold`);
  await until('the request is in flight', () => server.held.length === 1);
  const drain = start(['drain', 'app', server.id, ...daemon.here]);
  let said = '';
  let remarks = '';
  drain.stderr?.setEncoding('utf8').on('data', (text: string) => {
    remarks += text;
  });
  drain.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(drain, 'close');
  await until('the drain waits', () => said.includes('1 in flight'));
  drain.kill('SIGUSR1');
  await until('it is delivered', () => !isPending(pidOf({ child: drain }), 'SIGUSR1'));
  server.held[0]?.end('done');
  await response;
  assert.deepEqual(await ended, [0, null]);
  assert.doesNotMatch(remarks, /debugger|inspector/i);
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGPWR'] as const) {
  test(`${signal} to one worker: it finishes, another takes its place`, async (t) => {
    const server = await startServer(t);
    const daemon = await serve(
      t,
      `log_level: info\nworkers: 1\nupstreams: { app: { servers: ["${server.id}"] } }\n`,
    );
    const pid = pidOf(daemon);
    const [, worker = 0] = familyOf(pid);
    const response = get(`${daemon.gateway}/hold`);
    await until('the request is in flight', () => server.held.length === 1);
    process.kill(worker, signal);
    // Asked twice it is still one that leaves and one that comes.
    process.kill(worker, signal === 'SIGTERM' ? 'SIGINT' : 'SIGTERM');
    await until('another one serves', () => childrenOf(pid).length === 2);
    await until('the first accepts nobody', () => listeningPorts([worker]).length === 0);
    assert.equal((await get(daemon.gateway)).status, 200);
    server.held[0]?.end('done');
    assert.deepEqual(await response, { status: 200, body: 'done' });
    await until('it is gone', () => !childrenOf(pid).includes(worker));
    assert.equal(childrenOf(pid).length, 1);
    await until('it is said', () => daemon.stderr().includes('"worker ended as asked"'));
    assert.equal(daemon.stderr().match(/worker was asked to end/g)?.length, 1);
    assert.doesNotMatch(daemon.stderr(), /replacing it"/);
    const metrics = await (await fetch(`${daemon.control}/metrics`)).text();
    assert.match(metrics, /^sluice_worker_crashes_total 0$/m);
  });
}

for (const [signal, code] of [
  ['SIGQUIT', 131],
  ['SIGPWR', 158],
] as const) {
  test(`${signal} finishes what is in flight, a second one ends at once`, async (t) => {
    const server = await startServer(t);
    const daemon = await serve(t, `upstreams: { app: { servers: ["${server.id}"] } }\n`);
    const broken = assert.rejects(get(`${daemon.gateway}/hold`));
    await until('the request is in flight', () => server.held.length === 1);
    process.kill(-pidOf(daemon), signal);
    await until('it says so', () => daemon.stderr().includes('finishing what is in flight'));
    // Signals of habit in the middle of the end count for nothing.
    for (const other of HABITUAL) daemon.child.kill(other);
    assert.equal(daemon.child.exitCode, null);
    daemon.child.kill(signal);
    assert.deepEqual(await daemon.ended, [code, null]);
    await broken;
  });
}

test('SIGUSR1 after a rename: no line is lost or cut, and new ones are in a new file', async (t) => {
  const daemon = await startTwoWorkers(t, 'proxy: { access_log: access.log }\n');
  const file = join(daemon.folder, 'access.log');
  const targets: string[] = [];
  let isOver = false;
  const client = async (name: number): Promise<void> => {
    for (let count = 0; !isOver; count += 1) {
      const target = `/${name}-${count}`;
      assert.equal((await get(`${daemon.gateway}${target}`)).status, 200);
      targets.push(target);
    }
  };
  const clients = Promise.all([1, 2, 3, 4].map(client));
  const files = [file];
  for (let round = 1; round <= 5; round += 1) {
    await until('there is something in it', () => readFileSync(file).length > 0);
    renameSync(file, `${file}.${round}`);
    files.push(`${file}.${round}`);
    // To the primary, and to all of its group as some supervisors do.
    process.kill(round % 2 === 0 ? pidOf(daemon) : -pidOf(daemon), 'SIGUSR1');
    await until('there is a new file', () => existsSync(file));
  }
  isOver = true;
  await clients;
  assert.match(
    daemon.stderr(),
    /SIGUSR1: the workers open \/\S+access\.log anew; the audit log is opened anew, too\n/,
  );
  daemon.child.kill('SIGTERM');
  assert.deepEqual(await daemon.ended, [0, null]);
  const logged = files.flatMap((name) =>
    readFileSync(name, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line): string => JSON.parse(line).target),
  );
  assert.deepEqual(logged.toSorted(), targets.toSorted());
});

test('SIGUSR1 to one worker opens its access log anew', async (t) => {
  const server = await startServer(t);
  const daemon = await serve(
    t,
    `workers: 1\nproxy: { access_log: access.log }\nupstreams: { app: { servers: ["${server.id}"] } }\n`,
  );
  const file = join(daemon.folder, 'access.log');
  renameSync(file, `${file}.1`);
  process.kill(familyOf(pidOf(daemon))[1] ?? 0, 'SIGUSR1');
  await until('there is a new file', () => existsSync(file));
});

test('SIGUSR1 says that there is nothing to open where there is no file', async (t) => {
  const none = await startTwoWorkers(t);
  none.child.kill('SIGUSR1');
  await until('it is said', () => none.stderr().includes('there is no access log'));
  const standard = await startTwoWorkers(t, 'proxy: { access_log: on }\n');
  standard.child.kill('SIGUSR1');
  await until('it is said', () => standard.stderr().includes('is standard output'));
});

test('SIGHUP in a terminal is a remark; the end of the terminal is an end', async (t) => {
  const folder = temporaryFolder(t);
  const command = `exec "${process.execPath}" ${COMMAND} registry --listen 127.0.0.1:0 --data-dir ${folder} 2> ${folder}/log`;
  const terminal = spawn('script', ['-qec', command, '/dev/null'], { stdio: 'ignore' });
  const ended = once(terminal, 'close');
  t.after(() => terminal.kill('SIGKILL'));
  const log = (): string =>
    existsSync(`${folder}/log`) ? readFileSync(`${folder}/log`, 'utf8') : '';
  await until('it is ready', () => log().includes('sluice registry: http'));
  const [pid = 0] = childrenOf(terminal.pid ?? 0);
  process.kill(pid, 'SIGHUP');
  await until('it is said', () => log().includes('SIGHUP: there is nothing to reload'));
  terminal.kill('SIGKILL');
  await ended;
  await until('it ends', () => log().includes('SIGHUP: finishing what is in flight'));
  await until('it is gone', () => !existsSync(`/proc/${pid}`));
});
