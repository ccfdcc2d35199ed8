// What goes wrong on the way to a host: cuts, a host that stands still, limits of its sshd, keys.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { isRunning } from '../../../../test/support/base/process-facts.ts';
import { startSshd } from '../../../../test/support/cli/sshd.ts';
import { killGroup } from '../../../../test/support/release/builders.ts';
import { hostBehind, sshHost } from '../../../../test/support/release/ssh-hosts.ts';
import { type Command, type Host, ShellHost, SshConnection } from '../../hosts.ts';

const PATH = process.env['PATH'] ?? '';

function shell(script: string, env: Record<string, string> = {}): Command {
  return { file: '/bin/sh', args: ['-c', script], cwd: '/', env: { PATH, ...env } };
}

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-ssh-host-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!(await isSo())) {
    assert(performance.now() < deadlineMs, 'it did not come about');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function pidIn(file: string): Promise<number> {
  await until(async () => /\n/.test(await readFile(file, 'utf8').catch(() => '')));
  return Number(await readFile(file, 'utf8'));
}

test('what was asked is asked again after a cut, also while it is under way', async (t) => {
  const it = await sshHost(t);
  if (it === undefined) return;
  assert.notEqual(await it.host.look('/'), null);
  for (let round = 0; round < 3; round += 1) {
    const asked: ReturnType<Host['look']>[] = Array.from({ length: 6 }, () =>
      it.host.look('/etc/passwd'),
    );
    it.sshd.cut();
    for (const found of await Promise.all(asked)) assert.equal(found?.kind, 'file');
  }
});

test('a command that was cut off is not run again, and ends on the host', async (t) => {
  const it = await sshHost(t);
  if (it === undefined) return;
  const file = join(await folderOf(t), 'pid');
  const run = it.host.run(shell(`echo $$ >>${file}; exec sleep 60`), 60_000);
  const pid = await pidIn(file);
  it.sshd.cut();
  await assert.rejects(run, { code: 'host_unreachable', message: /whether it ended is not known/ });
  await until(() => !isRunning(pid));
  assert.equal((await readFile(file, 'utf8')).trim().split('\n').length, 1);
});

test('a command ends on the host when the one who runs it is killed', async (t) => {
  const sshd = await startSshd(t);
  if (sshd === undefined) return;
  const file = join(await folderOf(t), 'pid');
  const hosts = new URL('../../hosts.ts', import.meta.url).href;
  const code = `import { ShellHost, SshConnection } from '${hosts}';
const host = new ShellHost(new SshConnection('a', ${JSON.stringify(sshd.ssh)}));
await host.run({ file: '/bin/sh', args: ['-c', 'echo $$ >${file}; exec sleep 60'], cwd: '/', env: { PATH: process.env.PATH } }, 60000);`;
  const runner = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore' });
  t.after(() => runner.kill('SIGKILL'));
  const pid = await pidIn(file);
  runner.kill('SIGKILL');
  await until(() => !isRunning(pid));
  await until(() => sshd.connections().length === 0);
});

test('a start that was cut off at any moment happened once', async (t) => {
  const it = await sshHost(t);
  if (it === undefined) return;
  const folder = await folderOf(t);
  const { host, sshd } = it;
  // A host that was never reached is not tried again.
  await host.look('/');
  for (let round = 0; round < 6; round += 1) {
    const [log, file] = [join(folder, `log${round}`), join(folder, `pid${round}`)];
    const started = host.spawn(shell(`echo $$ >>${file}; exec sleep 60`), log);
    await new Promise((resolve) => setTimeout(resolve, round * 40));
    sshd.cut();
    const { process: found } = await started;
    t.after(() => killGroup(found.pid));
    await pidIn(file);
    assert.equal((await readFile(file, 'utf8')).trim(), String(found.pid));
    assert.equal(await host.isAlive(found), true);
  }
});

test('a host that stands still is left, and asked again by another connection', async (t) => {
  const sshd = await startSshd(t);
  if (sshd === undefined) return;
  const host = hostBehind(t, sshd, {}, 1);
  await host.look('/');
  const frozen = sshd.connections();
  for (const pid of frozen) process.kill(pid, 'SIGSTOP');
  t.after(() => {
    for (const pid of frozen) if (isRunning(pid)) process.kill(pid, 'SIGKILL');
  });
  assert.equal((await host.look('/etc/passwd'))?.kind, 'file');
});

for (const settings of ['MaxSessions 1', 'MaxSessions 2', 'MaxStartups 1:100:1']) {
  test(`an sshd with ${settings} is enough`, async (t) => {
    const it = await sshHost(t, { settings });
    if (it === undefined) return;
    const hosts = [it.host, ...Array.from({ length: 3 }, () => hostBehind(t, it.sshd))];
    const work = async (host: Host): Promise<void> => {
      const looks = Array.from({ length: 8 }, () => host.look('/etc/passwd'));
      const runs = Array.from({ length: 3 }, () => host.run(shell('echo done'), 10_000));
      for (const found of await Promise.all(looks)) assert.equal(found?.kind, 'file');
      for (const { stdout } of await Promise.all(runs)) assert.equal(stdout, 'done\n');
    };
    await Promise.all(hosts.map(work));
  });
}

test('why a host is not reached is said, with what to do', async (t) => {
  const sshd = await startSshd(t);
  if (sshd === undefined) return;
  const refusal = async (part: Parameters<typeof hostBehind>[2]): Promise<string> => {
    const error: unknown = await hostBehind(t, sshd, part)
      .connect()
      .catch((found: unknown) => found);
    assert(error instanceof Error && 'code' in error && error.code === 'host_unreachable');
    return error.message;
  };
  const folder = await folderOf(t);
  const config = join(folder, 'config');
  const known = join(folder, 'known_hosts');
  const own = await readFile(sshd.ssh.config, 'utf8');
  const rest = own.replace(/UserKnownHostsFile .*/, `UserKnownHostsFile ${known}`);
  await writeFile(config, rest);
  await writeFile(known, '');
  assert.match(await refusal({ config }), /its host key is not known here; .*strict: accept-new/);
  const accepting = hostBehind(t, sshd, { config, strict: 'accept-new' });
  await accepting.connect();
  const other = own.match(/IdentityFile (.*)/)?.[1] ?? '';
  const [, address, , key] = /(\[.*\]:\d+) (\S+) (\S+)/.exec(await readFile(known, 'utf8')) ?? [];
  const [, type, publicKey] = /(\S+) (\S+)/.exec(await readFile(`${other}.pub`, 'utf8')) ?? [];
  assert.notEqual(key, publicKey);
  await writeFile(known, `${address} ${type} ${publicKey}\n`);
  for (const strict of ['', 'accept-new'] as const) {
    assert.match(
      await refusal({ config, strict }),
      /its host key has changed; if it was set up anew: ssh-keygen -R '\[127\.0\.0\.1\]:\d+'/,
    );
  }
  await writeFile(config, own.replace(/IdentityFile .*/, `IdentityFile ${folder}/none`));
  assert.match(await refusal({ config }), /permission denied; the public key of whoever deploys/);
  assert.match(await refusal({ config: join(folder, 'no') }), /its identity or configuration file/);
  assert.match(
    await refusal({ destination: 'no-such-host.invalid', port: 22 }),
    /no such host name/,
  );
  await sshd.stop();
  assert.match(await refusal({}), /nothing listens there; is sshd up, and is port \d+ right\?/);
});

test('what a login shell prints at its start is no answer', async (t) => {
  const it = await sshHost(t, { settings: 'Banner /etc/passwd\nSetEnv A=1' });
  if (it === undefined) return;
  const file = join(await folderOf(t), 'file');
  await appendFile(file, '\x1esluice 0\x1e\x1eabc 0\x1e\n');
  assert.equal((await it.host.read(file, 0, 100))?.toString(), '\x1esluice 0\x1e\x1eabc 0\x1e\n');
});

test('a full disk on the host is named, and leaves what was there', async (t) => {
  const it = await sshHost(t);
  if (it === undefined) return;
  const folder = await folderOf(t);
  const disk = join(folder, 'disk');
  const run = promisify(execFile);
  await it.host.makeFolder(disk);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'sluice-test', disk]);
  } catch {
    t.skip('this user may not mount a small disk');
    return;
  }
  try {
    await assertFull(it.host, disk);
  } finally {
    await run('umount', ['-l', disk]);
  }
});

async function assertFull(host: Host, disk: string): Promise<void> {
  const file = join(disk, 'record');
  await host.put(file, 'old');
  await writeFile(join(disk, 'rest'), Buffer.alloc(1_000_000)).catch(() => {});
  const full = {
    code: 'storage_full',
    message: /No space left on device\); free some space there/,
  };
  await assert.rejects(host.put(file, 'new'.repeat(10_000)), full);
  assert.equal((await host.read(file, 0, 100))?.toString(), 'old');
  await assert.rejects(host.spawn(shell('exec sleep 60'), join(disk, 'log')), full);
  await assert.rejects(host.claim(disk, 3), { code: 'storage_full' });
}

test('a host that was given up is tried once for each further question, until it is back', async (t) => {
  const folder = await folderOf(t);
  const [tries, up] = [join(folder, 'tries'), join(folder, 'up')];
  const fake = `#!/bin/sh
echo $$ >>${tries}
[ -e ${up} ] && exec sh -s
echo 'ssh: connect to host app-1 port 22: Connection refused' >&2
exit 255
`;
  await writeFile(join(folder, 'ssh'), fake, { mode: 0o755 });
  process.env['PATH'] = `${folder}:${PATH}`;
  t.after(() => {
    process.env['PATH'] = PATH;
  });
  const ssh = { destination: 'app-1', port: 0, identity: '', config: '', strict: '' } as const;
  const host = new ShellHost(new SshConnection('app-1', ssh, 1, 1000));
  t.after(() => host.close());
  const tried = async (): Promise<string[]> => (await readFile(tries, 'utf8')).trim().split('\n');
  const isLost = { code: 'host_unreachable', message: /nothing listens there/ };

  await writeFile(up, '');
  assert.notEqual(await host.look('/'), null);
  await rm(up);
  for (const pid of await tried()) killGroup(Number(pid));
  await assert.rejects(host.look('/'), isLost);
  // As at the end of a release, when it is looked at what became of its instances.
  const before = (await tried()).length;
  await assert.rejects(host.look('/'), isLost);
  assert.equal((await tried()).length, before + 1);
  await writeFile(up, '');
  assert.notEqual(await host.look('/'), null);
});
