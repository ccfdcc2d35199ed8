import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildService, ids, killGroup } from '../../../test/support/release/builders.ts';
import { isAlive } from '../hosts/process-table.ts';
import { logFile, makeFolder, serviceFolder } from '../journal/files.ts';
import { NO_RECORD, readRecord, writeRecord } from '../journal/instance-record.ts';
import { findProcess, logTail, startInstance } from './command.ts';
import { LISTEN, started, startedBy } from './instance-builders.test.ts';
import { launchProblem } from './launch.ts';
import { strangerOn } from './stranger.ts';

test('a listener on the same port of another address is no stranger', async (t) => {
  const service = await buildService(t, 1);
  const [address = { host: '', port: 0 }] = service.instances;
  for (const host of ['127.0.0.2', '::1']) {
    const server = createServer((socket) => socket.destroy()).listen(address.port, host);
    t.after(() => server.close());
    await once(server, 'listening');
    assert.equal(await strangerOn(service, address, null), '');
    assert.match(await strangerOn(service, { host, port: address.port }, null), /^pid /);
  }
});

test('a port that somebody else holds after the stop is named', async (t) => {
  const service = await buildService(t, 1);
  const [address = { host: '', port: 0 }] = service.instances;
  const server = createServer((socket) => socket.destroy()).listen(address.port, address.host);
  t.after(() => server.close());
  await once(server, 'listening');
  assert.match(await strangerOn(service, address, null), new RegExp(`^pid ${process.pid} \\(`));
});

test('a process whose runner died before it wrote the record is found by its mark', async (t) => {
  const it = await started(t, LISTEN);
  const found = await findProcess(it.service, it.instance, NO_RECORD);
  assert.equal(found?.pid, it.running.process.pid);
  assert.equal(found?.launch.version, 'v1');
  assert.equal(found?.release, 'r1');
  const [address = { host: '', port: 0 }] = it.service.instances;
  assert.equal(await strangerOn(it.service, address, found), '');
});

test('what a leader that ended has left behind is known by the command of the record', async (t) => {
  const it = await startedBy(t, async (port, folder) => {
    const file = join(folder, 'server.cjs');
    await writeFile(file, `const port = ${port}; ${LISTEN}`);
    return ['/bin/sh', '-c', `${process.execPath} ${file} & exit 0`];
  });
  const { process: leader } = it.running;
  while (it.running.ended() === '') await new Promise((resolve) => setTimeout(resolve, 5));
  const found = await findProcess(it.service, it.instance, { process: leader, proven: null });
  assert.notEqual(found?.pid, leader.pid);
  assert.deepEqual(found?.launch, leader.launch);
  const other = { ...leader, release: 'r0' };
  const old = await findProcess(it.service, it.instance, { process: other, proven: null });
  assert.deepEqual(old?.launch.argv, []);
});

test("the operator's token does not reach the instance", async (t) => {
  process.env['SLUICE_TOKEN'] = 'secret';
  t.after(() => delete process.env['SLUICE_TOKEN']);
  const it = await started(t, `console.log('token ' + process.env.SLUICE_TOKEN); ${LISTEN}`);
  assert.deepEqual(await logTail(it.service, it.instance, 0), ['token undefined', 'ready']);
});

test('a program that does not exist is an error that names it', async (t) => {
  const service = await buildService(t, 1);
  await makeFolder(serviceFolder(service));
  const [instance = ''] = ids(service);
  const launch = {
    version: 'v1',
    argv: ['/no/such/program'],
    cwd: service.cwd,
    env: {},
    inherit: [],
    path: process.env['PATH'] ?? '',
  };
  await assert.rejects(startInstance({ service, instance, launch, release: 'r1' }), {
    code: 'release_failed',
    message: `${instance}: cannot start "/no/such/program": /no/such/program is not an executable file`,
  });
});

test('of a long log the last lines are shown, of this start only, without control characters', async (t) => {
  const service = await buildService(t, 1);
  const [instance = ''] = ids(service);
  await makeFolder(serviceFolder(service));
  const file = logFile(service, instance);
  await writeFile(file, 'from the start before\n');
  const offset = 'from the start before\n'.length;
  assert.deepEqual(await logTail(service, instance, offset), []);
  await appendFile(file, '\u001b[31mred\u001b[0m\u0007\nno newline');
  assert.deepEqual(await logTail(service, instance, offset), ['red', 'no newline']);
  await appendFile(file, `\n${'x'.repeat(1_000_000)}\n${'line\n'.repeat(100)}`);
  const tail = await logTail(service, instance, offset);
  assert.equal(tail.length, 30);
  assert(tail.every((line) => line === 'line'));
  await appendFile(file, 'y'.repeat(1_000_000));
  assert((await logTail(service, instance, offset)).join('').length < 20_000);
});

test('a record survives a round trip, and garbage is refused with the remedy', async (t) => {
  const service = await buildService(t, 1);
  const [instance = ''] = ids(service);
  await makeFolder(serviceFolder(service));
  assert.deepEqual(await readRecord(service, instance), NO_RECORD);
  const launch = {
    version: 'v1',
    argv: ['node', 'a b'],
    cwd: '/srv',
    env: { A: '1' },
    inherit: [],
    path: '/bin',
  };
  const record = {
    process: { pid: 7, identity: 'boot/9', startedAtMs: 5, release: 'r1', launch },
    proven: launch,
  };
  await writeRecord(service, instance, record);
  assert.deepEqual(await readRecord(service, instance), record);
  for (const garbage of ['', '{', 'null', '{"process":{"pid":"7"}}', '{"proven":{"argv":[1]}}']) {
    await writeFile(`${serviceFolder(service)}/${instance}.json`, garbage);
    await assert.rejects(readRecord(service, instance), {
      code: 'preflight_failed',
      message: /^record .*: unreadable \(.*\); restore the file, or move it away: /,
    });
  }
});

test('a program is looked for on the PATH of the launch, whatever the PATH is now', async (t) => {
  const service = await buildService(t, 1);
  const [instance = ''] = ids(service);
  await makeFolder(serviceFolder(service));
  await writeFile(`${service.cwd}/only-here`, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
  const path = `${service.cwd}:${process.env['PATH']}`;
  const launch = {
    version: 'v1',
    argv: ['only-here'],
    cwd: service.cwd,
    env: {},
    inherit: [],
    path,
  };
  assert.equal(launchProblem(launch), '');
  assert.match(launchProblem({ ...launch, path: '/nowhere' }), /not on the PATH/);
  const running = await startInstance({ service, instance, launch, release: 'r1' });
  t.after(() => killGroup(running.process.pid));
  assert.equal(isAlive(running.process), true);
  await writeRecord(service, instance, { process: running.process, proven: launch });
  assert.equal((await readRecord(service, instance)).proven?.path, path);
});
