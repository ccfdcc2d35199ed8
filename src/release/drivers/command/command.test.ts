import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  buildService,
  firstOf,
  ids,
  killGroup,
} from '../../../../test/support/release/builders.ts';
import { driverOf } from '../../drivers.ts';
import { localHost } from '../../hosts.ts';
import { logFile, makeFolder, serviceFolder } from '../../journal/files.ts';
import { NO_RECORD, readRecord, writeRecord } from '../../journal/instance-record.ts';
import { strangerOn } from '../stranger.ts';
import { LISTEN, launchOf, scopeOf, started, startedBy } from './instance-builders.test.ts';
import { launchProblem } from './launch.ts';
import { tailOf } from './log-tail.ts';

test('a listener on the same port of another address is no stranger', async (t) => {
  const service = await buildService(t, 1);
  const { address } = firstOf(service);
  for (const host of ['127.0.0.2', '::1']) {
    const server = createServer((socket) => socket.destroy()).listen(address.port, host);
    t.after(() => server.close());
    await once(server, 'listening');
    const scope = await scopeOf(service);
    assert.equal(await strangerOn(scope, address.port, null), '');
    const there = { ...scope, address: { host, port: address.port } };
    assert.match(await strangerOn(there, address.port, null), /^pid /);
  }
});

test('a port that somebody else holds after the stop is named', async (t) => {
  const service = await buildService(t, 1);
  const { address } = firstOf(service);
  const server = createServer((socket) => socket.destroy()).listen(address.port, address.host);
  t.after(() => server.close());
  await once(server, 'listening');
  const scope = await scopeOf(service);
  assert.match(await strangerOn(scope, address.port, null), new RegExp(`^pid ${process.pid} \\(`));
});

test('a process whose runner died before it wrote the record is found by its mark', async (t) => {
  const it = await started(t, LISTEN);
  const found = await it.driver.find(null);
  assert.deepEqual(found?.handle, it.process);
  assert.equal(found?.launch.version, 'v1');
  assert.equal(found?.release, 'r1');
  assert.equal(await it.driver.stranger(found.handle, it.scope.address.port), '');
});

test('what a leader that ended has left behind is known by the command of the record', async (t) => {
  const it = await startedBy(t, async (port, folder) => {
    const file = join(folder, 'server.cjs');
    await writeFile(file, `const port = ${port}; ${LISTEN}`);
    return ['/bin/sh', '-c', `${process.execPath} ${file} & exit 0`];
  });
  const { running, driver } = it;
  while ((await driver.state(running.handle)).ended === '') {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const found = await driver.find(running);
  assert.notDeepEqual(found?.handle, running.handle);
  assert.deepEqual(found?.launch, running.launch);
  const old = await driver.find({ ...running, release: 'r0' });
  assert(old !== null && !driver.isKnown(old.launch));
});

test("the operator's token does not reach the instance", async (t) => {
  process.env['SLUICE_TOKEN'] = 'secret';
  t.after(() => delete process.env['SLUICE_TOKEN']);
  const it = await started(t, `console.log('token ' + process.env.SLUICE_TOKEN); ${LISTEN}`);
  assert.deepEqual(await it.driver.logs(it.running.handle), ['token undefined', 'ready']);
});

test('a program that does not exist is an error that names it', async (t) => {
  const service = await buildService(t, 1);
  await scopeOf(service);
  const launch = launchOf(['/no/such/program'], { cwd: service.cwd });
  await assert.rejects(driverOf(service, firstOf(service)).start(launch, 'r1'), {
    code: 'release_failed',
    message: `${ids(service)[0]}: cannot start "/no/such/program": /no/such/program is not an executable file`,
  });
});

test('of a long log the last lines are shown, of this start only, without control characters', async (t) => {
  const service = await buildService(t, 1);
  const [instance = ''] = ids(service);
  await makeFolder(serviceFolder(service));
  const file = logFile(service, instance);
  await writeFile(file, 'from the start before\n');
  const offset = 'from the start before\n'.length;
  assert.deepEqual(await tailOf(localHost, file, offset), []);
  await appendFile(file, '\u001b[31mred\u001b[0m\u0007\nno newline');
  assert.deepEqual(await tailOf(localHost, file, offset), ['red', 'no newline']);
  await appendFile(file, `\n${'x'.repeat(1_000_000)}\n${'line\n'.repeat(100)}`);
  const tail = await tailOf(localHost, file, offset);
  assert.equal(tail.length, 30);
  assert(tail.every((line) => line === 'line'));
  await appendFile(file, 'y'.repeat(1_000_000));
  assert((await tailOf(localHost, file, offset)).join('').length < 20_000);
});

test('a record survives a round trip, and garbage is refused with the remedy', async (t) => {
  const service = await buildService(t, 1);
  const [instance = ''] = ids(service);
  await makeFolder(serviceFolder(service));
  const driver = driverOf(service, firstOf(service));
  assert.deepEqual(await readRecord(service, instance, driver), NO_RECORD);
  const launch = launchOf(['node', 'a b'], { cwd: '/srv', env: { A: '1' }, path: '/bin' });
  const handle = { pid: 7, identity: 'boot/9' };
  const process = { handle, startedAtMs: 5, release: 'r1', launch };
  const record = { process, proven: launch };
  await writeRecord(service, instance, record);
  assert.deepEqual(await readRecord(service, instance, driver), record);
  // As earlier builds wrote it.
  const { handle: _, ...rest } = process;
  const old = { v: 1, instance, process: { ...handle, ...rest }, proven: launch };
  await writeFile(`${serviceFolder(service)}/${instance}.json`, JSON.stringify(old));
  assert.deepEqual(await readRecord(service, instance, driver), record);
  for (const garbage of ['', '{', 'null', '{"process":{"pid":"7"}}', '{"proven":{"argv":[1]}}']) {
    await writeFile(`${serviceFolder(service)}/${instance}.json`, garbage);
    await assert.rejects(readRecord(service, instance, driver), {
      code: 'preflight_failed',
      message: /^record .*: unreadable \(.*\); restore it, or move it away: /,
    });
  }
});

test('a program is looked for on the PATH of the launch, whatever the PATH is now', async (t) => {
  const service = await buildService(t, 1);
  const [instance = ''] = ids(service);
  const { host } = await scopeOf(service);
  await writeFile(`${service.cwd}/only-here`, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
  const path = `${service.cwd}:${process.env['PATH']}`;
  const launch = launchOf(['only-here'], { cwd: service.cwd, path });
  assert.equal(await launchProblem(host, launch), '');
  assert.match(await launchProblem(host, { ...launch, path: '/nowhere' }), /not on the PATH/);
  const driver = driverOf(service, firstOf(service));
  const running = await driver.start(launch, 'r1');
  const { pid, ended } = await driver.state(running.handle);
  t.after(() => killGroup(pid));
  assert.equal(ended, '');
  await writeRecord(service, instance, { process: running, proven: launch });
  const { proven } = await readRecord(service, instance, driver);
  assert.deepEqual(proven, launch);
});
