// What ssh says when it does not get there, and what to do about it.

import type { SshConfig } from '../../../config.ts';

export type SshTrouble = {
  readonly text: string;
  /** The way there may be good again in a moment; else a person has to do something. */
  readonly mayPass: boolean;
  /** The host has too many logins under way: asked again at once, it may take us. */
  readonly isBusy: boolean;
};

type Rule = {
  readonly said: RegExp;
  readonly why: string;
  readonly advice: (ssh: SshConfig) => string;
  readonly mayPass?: true;
  readonly isBusy?: true;
};

const RULES: readonly Rule[] = [
  {
    said: /REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .* has changed/i,
    why: 'its host key has changed',
    advice: (ssh) =>
      `if it was set up anew: ssh-keygen -R ${hostIn(ssh)}, then connect once by hand; otherwise another machine answers in its place`,
  },
  {
    said: /Host key verification failed|No \S+ host key is known/i,
    why: 'its host key is not known here',
    advice: () =>
      'connect once by hand and compare the key, or set strict: accept-new in its ssh section',
  },
  {
    said: /Permission denied|Too many authentication failures|no more authentication methods/i,
    why: 'permission denied',
    advice: ({ identity }) =>
      identity === ''
        ? 'the public key of whoever deploys belongs into ~/.ssh/authorized_keys of that user there; a key with a passphrase needs an agent (ssh-add)'
        : `the public part of ${identity} belongs into ~/.ssh/authorized_keys of that user there; a key with a passphrase needs an agent (ssh-add)`,
  },
  {
    said: /Could not resolve hostname|Name or service not known/i,
    why: 'no such host name',
    advice: () => 'see the target in its ssh section',
  },
  {
    said: /Identity file .* not accessible|Can't open user config file|Bad configuration option|no such identity/i,
    why: 'its identity or configuration file cannot be used',
    advice: () => 'see identity and config in its ssh section',
  },
  {
    said: /Connection refused/i,
    why: 'nothing listens there',
    advice: ({ port }) => `is sshd up, and is port ${port || 22} right?`,
    mayPass: true,
  },
  {
    said: /No route to host|Network is unreachable/i,
    why: 'no route to it',
    advice: () => 'is it up, and is its address right?',
    mayPass: true,
  },
  {
    said: /timed out|not responding|no answer within/i,
    why: 'no answer',
    advice: () => 'is it up, is its address right, does a firewall drop what we send?',
    mayPass: true,
  },
  {
    said: /kex_exchange_identification|ssh_exchange_identification|Connection (closed|reset) by|Exceeded MaxStartups/i,
    why: 'it closed the connection before the login',
    advice: () =>
      'too many logins at once (MaxStartups of its sshd), or it does not let this machine in (hosts.deny, fail2ban)',
    mayPass: true,
    isBusy: true,
  },
  {
    said: /not currently available|nologin|This account/i,
    why: 'its user has no shell',
    advice: () => 'use one whose login shell is a shell',
  },
  {
    said: /ENOENT/,
    why: 'there is no program ssh here',
    advice: () => 'install openssh-client',
  },
];

/** `said`: what ssh printed, `message` what is known without it. */
export function troubleOf(ssh: SshConfig, message: string, said: string): SshTrouble {
  const rule = RULES.find((one) => one.said.test(`${said}\n${message}`));
  if (rule === undefined) {
    const last = said.trim().split('\n').at(-1)?.trim() ?? '';
    const why = last === '' ? message : last.slice(0, 200);
    const advice = `it must connect without asking, try: ${commandOf(ssh)}`;
    return { text: `${why}; ${advice}`, mayPass: true, isBusy: false };
  }
  const { why, advice, mayPass = false, isBusy = false } = rule;
  return { text: `${why}; ${advice(ssh)}; try: ${commandOf(ssh)}`, mayPass, isBusy };
}

/** What a person types to see the same. */
export function commandOf({ destination, port, identity, config, strict }: SshConfig): string {
  const words = ['ssh', '-o BatchMode=yes'];
  if (config !== '') words.push(`-F ${config}`);
  if (identity !== '') words.push(`-i ${identity}`);
  if (port !== 0) words.push(`-p ${port}`);
  if (strict !== '') words.push(`-o StrictHostKeyChecking=${strict}`);
  return [...words, destination, 'true'].join(' ');
}

function hostIn({ destination, port }: SshConfig): string {
  const host = destination.replace(/^.*@/, '');
  return port === 0 || port === 22 ? host : `'[${host}]:${port}'`;
}
