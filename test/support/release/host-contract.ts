// What every host must do, whatever it is reached by. A new host runs this, too.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { Command, Host } from '../../../src/release/hosts.ts';
import { freePorts } from '../base/ports.ts';
import { until } from '../base/until.ts';
import { killGroup } from './builders.ts';

const PATH = process.env['PATH'] ?? '';

/** `open` skips the test where it gives none. */
export function hostContract(
  name: string,
  open: (t: TestContext) => Promise<Host | undefined>,
): void {
  const check = (
    what: string,
    run: (host: Host, folder: string, t: TestContext) => Promise<void>,
  ): void => {
    test(`${name}: ${what}`, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'sluice-host-'));
      t.after(() => rm(folder, { recursive: true, force: true }));
      const host = await open(t);
      if (host !== undefined) await run(host, folder, t);
    });
  };
  const shell = (folder: string, script: string, env: Record<string, string> = {}): Command => ({
    file: '/bin/sh',
    args: ['-c', script],
    cwd: folder,
    env: { PATH, ...env },
  });

  check(
    'runs a command to its end, in its folder and with nothing inherited',
    async (host, folder) => {
      const script = `pwd; echo "$A \${HOME-none}"; echo oops >&2; exit 3`;
      const end = await host.run(shell(folder, script, { A: 'a b"$c' }), 10_000);
      assert.deepEqual(end, { code: 3, stdout: `${folder}\na b"$c none\n`, stderr: 'oops\n' });
    },
  );

  check('gives a command what it reads: nothing, a text, a stream', async (host, folder) => {
    const count = shell(folder, 'wc -c');
    assert.equal((await host.run(count, 10_000)).stdout, '0\n');
    const text = `set -- x; echo "$1" 'ü'\n`;
    const same = await host.run({ ...shell(folder, 'cat; exit 3'), stdin: text }, 10_000);
    assert.deepEqual(same, { code: 3, stdout: text, stderr: '' });
    const chunk = Buffer.alloc(100_000, 'a\0\n');
    const stdin = Readable.from(Array.from({ length: 50 }, () => chunk));
    assert.equal((await host.run({ ...count, stdin }, 10_000)).stdout, '5000000\n');
  });

  check('a command need not read all of it', async (host, folder) => {
    const stdin = Readable.from(endless());
    const end = await host.run({ ...shell(folder, 'head -c 3; exit 4'), stdin }, 10_000);
    assert.deepEqual(end, { code: 4, stdout: 'aaa', stderr: '' });
    assert.equal(stdin.destroyed, true);
    const text = { ...shell(folder, 'exit 5'), stdin: 'a'.repeat(1_000_000) };
    assert.equal((await host.run(text, 10_000)).code, 5);
  });

  check('says what a stream failed with', async (host, folder) => {
    const stdin = Readable.from(
      (async function* () {
        yield 'part';
        throw new Error('the file is gone');
      })(),
    );
    const command = { ...shell(folder, 'cat'), stdin };
    await assert.rejects(host.run(command, 10_000), { message: 'the file is gone' });
  });

  check('ends a command whose time is over', async (host, folder) => {
    const end = await host.run(shell(folder, 'echo begun; exec sleep 60'), 300);
    assert.equal(end.code, null);
    assert.equal(end.stdout, 'begun\n');
  });

  check('says ENOENT of a program that is not there', async (host, folder) => {
    const missing = { ...shell(folder, ''), file: '/no/such/program' };
    await assert.rejects(host.run(missing, 10_000), { code: 'ENOENT' });
    await assert.rejects(host.spawn(missing, join(folder, 'log')), { code: 'ENOENT' });
  });

  check(
    'starts a process that is alone in its session and appends to its log',
    async (host, folder, t) => {
      const log = join(folder, 'log');
      await writeFile(log, 'before\n');
      const script = 'echo "mark $MARK"; exec sleep 60';
      const { process: started, ended } = await host.spawn(
        shell(folder, script, { MARK: 'm 1' }),
        log,
      );
      t.after(() => killGroup(started.pid));
      await until(async () => (await host.read(log, 0, 100))?.toString() === 'before\nmark m 1\n');
      assert.equal((await host.read(log, 7, 4))?.toString(), 'mark');
      assert.equal(await ended(), '');
      assert.equal(await host.isAlive(started), true);
      await until(async () => (await host.variableOf(started.pid, 'MARK')) === 'm 1');
      assert.equal(await host.variableOf(started.pid, 'MAR'), '');
      const all = (await host.processes('MARK')) ?? [];
      const found = all.find(({ value }) => value === 'm 1');
      assert.deepEqual(found && { pid: found.pid, identity: found.identity }, started);
      assert.equal(found?.session, started.pid);
      assert(!host.isLocal || !all.some(({ pid }) => pid === process.pid), 'not ourselves');
      assert.match(await host.commandOf(started.pid), /sleep 60/);
      assert.equal(await host.ownerOf(started.pid), '');
    },
  );

  check(
    'signals the process that is meant, and none that only has its pid',
    async (host, folder, t) => {
      const script = `trap 'echo told; exit 0' TERM; echo up; while :; do sleep 0.05; done`;
      const log = join(folder, 'log');
      const { process: started, ended } = await host.spawn(shell(folder, script), log);
      t.after(() => killGroup(started.pid));
      await until(async () => (await host.read(log, 0, 100))?.toString() === 'up\n');
      const other = { pid: started.pid, identity: `${started.identity}1` };
      assert.equal(await host.isAlive(other), false);
      assert.equal(await host.signal(other, 'KILL'), false);
      assert.equal(await host.isAlive(started), true);
      assert.equal(await host.signal(started, 'TERM'), true);
      await until(async () => !(await host.isAlive(started)));
      await until(async () => (await ended()) !== '');
      assert.equal((await host.read(log, 0, 100))?.toString(), 'up\ntold\n');
      assert.equal(await host.signal(started, 'TERM'), false);
    },
  );

  check('looks at files, folders and where links lead', async (host, folder) => {
    const file = join(folder, 'a b.sh');
    await writeFile(file, 'text', { mode: 0o755 });
    await mkdir(join(folder, 'sub'));
    await symlink(file, join(folder, 'link'));
    await symlink('/no/such/place', join(folder, 'dangling'));
    const facts = { kind: 'file', isExecutable: true, realPath: file, size: 4 };
    assert.deepEqual(await host.look(file), facts);
    assert.deepEqual(await host.look(join(folder, 'link')), facts);
    assert.equal((await host.look(join(folder, 'sub')))?.kind, 'folder');
    assert.equal(await host.look(join(folder, 'dangling')), null);
    assert.equal(await host.look(join(folder, 'none')), null);
    const entries = (await host.list(folder)).map(({ name: own, kind }) => `${kind} ${own}`);
    assert.deepEqual(entries.sort(), ['file a b.sh', 'folder sub', 'link dangling', 'link link']);
    assert.deepEqual(await host.list(join(folder, 'none')), []);
    assert.equal(await host.read(join(folder, 'none'), 0, 10), null);
  });

  check(
    'stamps change with what is written and replaced, and with nothing else',
    async (host, folder) => {
      const file = join(folder, 'file');
      await writeFile(file, 'old');
      await mkdir(join(folder, 'sub'));
      const paths = [file, join(folder, 'sub'), join(folder, 'none'), ''];
      const [first, sub, none, empty] = await host.stamps(paths);
      assert.deepEqual([none, empty], ['', '']);
      await writeFile(join(folder, 'sub', 'new'), '');
      assert.deepEqual(await host.stamps(paths), [first, sub, '', '']);
      await writeFile(file, 'longer');
      const [second] = await host.stamps(paths);
      assert(second !== '' && second !== first);
    },
  );

  check('puts a file as a whole, for its owner only, and sets one aside', async (host, folder) => {
    const file = join(folder, 'unit');
    await host.put(file, `a 'b' "c" $d\n`);
    await host.put(file, 'anew\n\n');
    assert.equal((await host.read(file, 0, 100))?.toString(), 'anew\n\n');
    const mode = await host.run(shell(folder, 'stat -c %a unit; ls'), 10_000);
    assert.equal(mode.stdout, '600\nunit\n');
    await host.rename(file, `${file}.1`);
    assert.equal(await host.look(file), null);
    assert.equal((await host.look(`${file}.1`))?.size, 6);
  });

  check('makes folders that only their owner may enter', async (host, folder) => {
    const made = join(folder, 'a b', "c'd");
    await host.makeFolder(made);
    await host.makeFolder(made);
    const mode = await host.run(shell(made, 'stat -c %a . ..'), 10_000);
    assert.equal(mode.stdout, '700\n700\n');
    await writeFile(join(folder, 'file'), '');
    await assert.rejects(host.makeFolder(join(folder, 'file', 'x')), { code: 'storage_failed' });
    await assert.rejects(host.put(join(folder, 'none', 'x'), ''), { code: 'storage_failed' });
  });

  check(
    'lets in a release with the same or a higher fence, and no lower one',
    async (host, folder) => {
      const own = join(folder, 'app');
      await host.claim(own, 7);
      await host.claim(own, 7);
      await host.claim(own, 12);
      await assert.rejects(host.claim(own, 9), {
        code: 'locked',
        message: /: taken over by a later release \(its fence is 12, ours is 9\)/,
      });
      const all = Array.from({ length: 8 }, (_, at) => host.claim(own, 20 + at).catch(() => {}));
      await Promise.all(all);
      await assert.rejects(host.claim(own, 26), { code: 'locked' });
      await host.claim(own, 27);
    },
  );

  check(
    'changes nothing under a claim that a later release has taken over',
    async (host, folder, t) => {
      const own = join(folder, 'app');
      const log = join(own, 'log');
      const [old, now] = [
        { folder: own, fence: 4 },
        { folder: own, fence: 5 },
      ];
      const script = 'echo "up $A"; exec sleep 60';
      const app = shell(folder, script, { A: 'a b' });
      await host.claim(own, now.fence);
      const { process: started } = await host.spawn({ ...app, claim: now }, log);
      t.after(() => killGroup(started.pid));
      const says = async (text: string) =>
        until(async () => (await host.read(log, 0, 100))?.toString() === text);
      await says('up a b\n');
      // What was started does not keep others out.
      await host.claim(own, now.fence);
      const refused = { code: 'locked', message: /its fence is 5, ours is 4/ };
      await assert.rejects(host.spawn({ ...app, claim: old }, log), refused);
      const touch = { ...shell(folder, 'touch made; cat; exit 3'), stdin: 'text' };
      await assert.rejects(host.run({ ...touch, claim: old }, 10_000), refused);
      await assert.rejects(host.put(join(folder, 'made'), 'text', old), refused);
      await assert.rejects(host.signal(started, 'TERM', old), refused);
      assert.equal(await host.look(join(folder, 'made')), null);
      assert.equal(await host.isAlive(started), true);
      await says('up a b\n');
      await host.put(join(folder, 'put'), `a 'b'\n`, now);
      assert.equal((await host.read(join(folder, 'put'), 0, 100))?.toString(), `a 'b'\n`);
      const end = await host.run({ ...touch, claim: now }, 10_000);
      assert.deepEqual(end, { code: 3, stdout: 'text', stderr: '' });
      assert.notEqual(await host.look(join(folder, 'made')), null);
      assert.equal(await host.signal({ ...started, identity: 'other/1' }, 'TERM', now), false);
      assert.equal(await host.signal(started, 'TERM', now), true);
      await until(async () => !(await host.isAlive(started)));
    },
  );

  check(
    'under a claim a command is refused, ended and named as without one',
    async (host, folder) => {
      const claim = { folder: join(folder, 'app'), fence: 1 };
      const missing = { ...shell(folder, ''), file: '/no/such/program', claim };
      await assert.rejects(host.run(missing, 10_000), { code: 'ENOENT' });
      await host.makeFolder(claim.folder);
      await assert.rejects(host.spawn(missing, join(folder, 'app', 'log')), { code: 'ENOENT' });
      const late = { ...shell(folder, 'echo begun; exec sleep 60'), claim };
      assert.deepEqual(await host.run(late, 300).then(({ code, stdout }) => [code, stdout]), [
        null,
        'begun\n',
      ]);
      await host.claim(claim.folder, 2);
    },
  );

  check(
    'a release that is refused waits until what is under a claim has ended',
    async (host, folder) => {
      const own = join(folder, 'app');
      const script = 'touch begun; while [ ! -e go ]; do sleep 0.02; done; touch over';
      const run = host.run({ ...shell(folder, script), claim: { folder: own, fence: 1 } }, 10_000);
      await until(async () => (await host.look(join(folder, 'begun'))) !== null);
      const next = host.claim(own, 2).then(() => host.look(join(folder, 'over')));
      await writeFile(join(folder, 'go'), '');
      assert.equal((await run).code, 0);
      assert.notEqual(await next, null);
    },
  );

  check('a program is called by its own name where that leads to it', async (host, folder) => {
    const file = join(folder, 'box');
    await writeFile(file, '#!/bin/sh\necho "$0"\n', { mode: 0o755 });
    await symlink(file, join(folder, 'applet'));
    const name = join(folder, 'applet');
    const { stdout } = await host.run({ ...shell(folder, ''), file, name, args: [] }, 10_000);
    assert.equal(stdout, host.isLocal ? `${file}\n` : `${name}\n`);
  });

  check('knows what its programs find in their environment', async (host) => {
    await host.connect();
    assert.notEqual(host.name, '');
    assert.match(host.environment['PATH'] ?? '', /\/bin/);
    assert.notEqual(host.environment['HOME'] ?? '', '');
  });

  check('knows who listens on a port', async (host, folder, t) => {
    const [port = 0] = await freePorts(1);
    const address = { host: '127.0.0.1', port };
    assert.equal(await host.isListening(address), false);
    assert.equal((await host.sockets(address)).size, 0);
    const script = `require('net').createServer().listen(${port}, '127.0.0.1')`;
    const command = { file: process.execPath, args: ['-e', script], cwd: folder, env: { PATH } };
    const { process: started } = await host.spawn(command, join(folder, 'log'));
    t.after(() => killGroup(started.pid));
    await until(() => host.isListening(address));
    const sockets = await host.sockets(address);
    assert.deepEqual([...sockets.values()], [process.getuid?.()]);
    assert.equal(await host.holderOf(sockets), started.pid);
    assert.equal(await host.holderOf(sockets, [started.pid]), started.pid);
    assert.equal(await host.holderOf(sockets, [process.pid]), undefined);
  });
}

function* endless(): Generator<Buffer> {
  for (;;) yield Buffer.alloc(65_536, 'a');
}
