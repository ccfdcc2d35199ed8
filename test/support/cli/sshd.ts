// A real sshd on loopback, as the user who runs the test: its own host key, configuration and keys in a
// folder of the test. And an `ssh` that knows them, to be first in PATH.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SshConfig } from '../../../src/config.ts';
import { freePort } from '../base/ports.ts';
import { signal } from '../base/signal.ts';
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
  /** Pids of the processes that it has now, one or two for each connection. */
  readonly connections: () => readonly number[];
  /** Ends all connections, without a word to either side. */
  readonly cut: () => void;
  readonly stop: () => Promise<void>;
  /** Again, on the same port. */
  readonly start: () => Promise<void>;
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
  let child: ChildProcess | undefined;
  const stop = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    for (const pid of [...connections(), child.pid ?? 0]) signal(pid, 'SIGKILL');
    await ended;
  };
  const connections = (): readonly number[] => descendantsOf(child?.pid ?? 0);
  const start = async (): Promise<void> => {
    const own = spawn(sshd, ['-D', '-e', '-f', join(folder, 'sshd_config')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child = own;
    let said = '';
    own.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await until('sshd listens', async () => {
      if (own.exitCode !== null) throw new Error(`sshd ended: ${said}`);
      return isListening(port);
    });
  };
  t.after(stop);
  await start();
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
    get pid() {
      return child?.pid ?? 0;
    },
    connections,
    cut: () => {
      for (const pid of connections()) signal(pid, 'SIGKILL');
    },
    stop,
    start,
    env: environment('user'),
    stranger: environment('unknown'),
    clients: async () => {
      const { stdout } = await run('ps', ['-eo', 'args']);
      return stdout.split('\n').filter((line) => line.includes(`-i ${join(folder, 'user')} `))
        .length;
    },
  };
}

/** Processes of sshd itself below this one: not what they have started. */
function descendantsOf(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const [, , parent = ''] = /\((.*)\) \S (\d+)/s.exec(stat) ?? [];
      if (!stat.includes('(sshd')) continue;
      children.set(Number(parent), [...(children.get(Number(parent)) ?? []), Number(name)]);
    } catch {
      // It has ended in the meantime.
    }
  }
  const below = (one: number): number[] =>
    (children.get(one) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid);
}
