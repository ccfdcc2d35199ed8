// A real sshd on loopback, as the user who runs the test: its own host key, configuration and keys in a
// folder of the test. And an `ssh` that knows them, to be first in PATH.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SshConfig } from '../../../src/config.ts';
import { freePort } from '../base/ports.ts';
import { until } from '../daemon/builders.ts';
import { isListening } from '../daemon/listening.ts';
import { needPeer, type Scope } from '../peers/programs.ts';
import { temporaryFolder } from './process.ts';

export type Sshd = {
  /** `ssh://user@127.0.0.1:port` */
  readonly url: string;
  /** How a host of a service says the same. */
  readonly ssh: SshConfig;
  /** Of the one that listens. */
  readonly pid: number;
  /** With the ssh that has the key. */
  readonly env: Readonly<Record<string, string>>;
  /** With an ssh that has no key. */
  readonly stranger: Readonly<Record<string, string>>;
  /** Processes of ssh clients that run now. */
  readonly clients: () => Promise<number>;
};

/** `settings`: further lines of its configuration. Undefined: the test is skipped. */
export async function startSshd(
  t: Scope,
  { settings = '', address = '127.0.0.1' }: { settings?: string; address?: string } = {},
): Promise<Sshd | undefined> {
  const [sshd, ssh] = [needPeer(t, 'sshd'), needPeer(t, 'ssh')];
  if (sshd === undefined || ssh === undefined) return undefined;
  const folder = temporaryFolder(t);
  const port = await freePort();
  const run = promisify(execFile);
  for (const name of ['host', 'user', 'unknown']) {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)]);
  }
  // Run by root it wants this folder, which its package's service makes.
  if (process.getuid?.() === 0 && !existsSync('/run/sshd')) mkdirSync('/run/sshd', { mode: 0o755 });
  const publicKey = (name: string): string => readFileSync(join(folder, `${name}.pub`), 'utf8');
  writeFileSync(join(folder, 'authorized_keys'), publicKey('user'));
  writeFileSync(
    join(folder, 'sshd_config'),
    `${settings}
ListenAddress ${address}:${port}
HostKey ${folder}/host
AuthorizedKeysFile ${folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
`,
  );
  writeFileSync(join(folder, 'known_hosts'), `[${address}]:${port} ${publicKey('host')}`);
  const child = spawn(sshd, ['-D', '-e', '-f', join(folder, 'sshd_config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  await until('sshd listens', async () => {
    if (child.exitCode !== null) throw new Error(`sshd ended: ${said}`);
    return isListening(port);
  });
  const environment = (key: string): Record<string, string> => {
    const bin = join(folder, `bin-${key}`);
    mkdirSync(bin);
    const options = [
      ...['-F', '/dev/null', '-i', join(folder, key), '-o', 'IdentitiesOnly=yes'],
      ...['-o', `UserKnownHostsFile=${folder}/known_hosts`, '-o', 'StrictHostKeyChecking=yes'],
    ];
    writeFileSync(join(bin, 'ssh'), `#!/bin/sh\nexec ${ssh} ${options.join(' ')} "$@"\n`);
    chmodSync(join(bin, 'ssh'), 0o755);
    return { PATH: `${bin}:${process.env['PATH']}` };
  };
  const config = join(folder, 'ssh_config');
  writeFileSync(
    config,
    `Host *
IdentityFile ${folder}/user
IdentitiesOnly yes
UserKnownHostsFile ${folder}/known_hosts
GlobalKnownHostsFile /dev/null
`,
  );
  const destination = `${userInfo().username}@${address}`;
  return {
    url: `ssh://${destination}:${port}`,
    ssh: { destination, port, identity: '', config, strict: '' },
    pid: child.pid ?? 0,
    env: environment('user'),
    stranger: environment('unknown'),
    clients: async () => {
      const { stdout } = await run('ps', ['-eo', 'args']);
      return stdout.split('\n').filter((line) => line.includes(`-i ${join(folder, 'user')} `))
        .length;
    },
  };
}
