// Hosts behind a real sshd on loopback.

import { after, type TestContext } from 'node:test';
import type { SshConfig } from '../../../src/config.ts';
import { type Host, ShellHost, SshConnection } from '../../../src/release/hosts.ts';
import { type Sshd, startSshd } from '../cli/sshd.ts';

/** Undefined: the test is skipped. */
export async function sshHost(
  t: TestContext,
  options: { readonly settings?: string; readonly ssh?: Partial<SshConfig> } = {},
): Promise<{ readonly host: Host; readonly sshd: Sshd } | undefined> {
  const sshd = await startSshd(t, options);
  return sshd && { sshd, host: hostBehind(t, sshd, options.ssh) };
}

/** A connection of its own to it, closed after the test. */
export function hostBehind(
  scope: { after(end: () => unknown): unknown },
  sshd: Sshd,
  part: Partial<SshConfig> = {},
  aliveS?: number,
): Host {
  const host = new ShellHost(new SshConnection('app-1', { ...sshd.ssh, ...part }, aliveS));
  scope.after(() => host.close());
  return host;
}

/** One connection to one sshd for all tests of a file: to be called outside of them. */
export function sharedSshHost(): (t: TestContext) => Promise<Host | undefined> {
  const ends: (() => unknown)[] = [];
  after(async () => {
    for (const end of ends.reverse()) await end();
  });
  const open = async (t: TestContext): Promise<Host | undefined> => {
    const scope = {
      after: (end: () => unknown) => void ends.push(end),
      skip: (message?: string) => t.skip(message),
    };
    const sshd = await startSshd(scope);
    return sshd && hostBehind(scope, sshd);
  };
  let host: ReturnType<typeof open> | undefined;
  return async (t) => {
    host ??= open(t);
    const found = await host;
    if (found === undefined) t.skip('sshd is not on this machine: run .ci/peers');
    return found;
  };
}
