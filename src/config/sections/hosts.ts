// The section `hosts`: machines on which instances run, and how a release reaches them.

import type { z } from 'zod';
import { parseAddress } from '../../base/units.ts';
import { pathProblem, section } from './shapes.ts';
import { optionalChoice, show, text, wholeNumber } from './values.ts';

/** What ssh is called with: a user is optional, and nothing may be taken for an option. */
const TARGET = /^(?:([\w.][\w.+$-]*)@)?(\[[0-9a-fA-F:.%\w]+\]|[\w.][\w.-]*)(?::([1-9]\d{0,4}))?$/;

export type SshTarget = {
  /** `deploy@10.0.0.11`, as ssh takes it: no port, no brackets. */
  readonly destination: string;
  /** 0 = as ssh's own configuration says. */
  readonly port: number;
};

/** `deploy@10.0.0.11:2222`; undefined when it is none. */
export function readTarget(target: string): SshTarget | undefined {
  const [, user, host = '', port = '0'] = TARGET.exec(target) ?? [];
  if (host === '' || Number(port) > 65_535) return undefined;
  const plain = host.replace(/^\[|\]$/g, '');
  return { destination: user === undefined ? plain : `${user}@${plain}`, port: Number(port) };
}

const path = (about: string) =>
  text({
    about: `${about}; relative to this file.`,
    kind: 'path',
    problemOf: (value) => pathProblem(value, 'a file'),
  }).optional();

export const hostSchema = section('A machine on which instances run.', {
  address: text({
    about:
      'Where gateways and checks reach its instances: an IP address or a host name, without a port.',
    kind: 'host',
    problemOf: hostProblem,
  }),
  ssh: section(
    'How a release reaches it: by the `ssh` of the machine that deploys, with its keys, agent, `known_hosts` and configuration. `user@host` or `user@host:port` alone is `target`. Without `ssh` the host is the machine that deploys itself.',
    {
      target: text({
        about: "`user@host`, `user@host:port`, or a name of ssh's own configuration.",
        kind: 'user@host',
        problemOf: targetProblem,
      }),
      port: wholeNumber({
        about: 'Of its sshd, if not in `target`.',
        least: 1,
        most: 65_535,
      }).optional(),
      identity: path('Private key; ssh tries no other one then'),
      config: path("ssh's configuration, in place of `~/.ssh/config`"),
      strict: optionalChoice({
        about:
          "`yes`: only a host whose key is known. `accept-new`: the key of a host that is seen for the first time is taken, a changed one never. Left out: as ssh's own configuration says; what it would ask is refused.",
        words: ['yes', 'accept-new'],
      }),
    },
    'target',
  ).optional(),
});

export type HostFile = z.output<typeof hostSchema>;

function hostProblem(host: string): string {
  if (host.includes('@')) return `${show(host)} has a user; write it in ssh: ${show(host)}`;
  if (parseAddress(host) !== undefined) {
    return `${show(host)} has a port; write the host alone, ports are those of a service`;
  }
  return parseAddress(`${host.includes(':') ? `[${host}]` : host}:1`) === undefined
    ? `${show(host)} is not a host; write an IP address or a host name, like 10.0.0.11`
    : '';
}

function targetProblem(target: string): string {
  if (readTarget(target) !== undefined) return '';
  const url = /^ssh:\/\/([^/]*)\/?$/i.exec(target)?.[1] ?? '';
  if (readTarget(url) !== undefined) return `${show(target)} is a URL; write ${url}`;
  if (/^(ssh\s|-)|\s-/.test(target)) {
    return `${show(target)} has options of ssh; write { target: deploy@10.0.0.11, port: 22, identity: key }, the rest belongs into ssh's configuration`;
  }
  return `${show(target)} is not user@host; write one like deploy@10.0.0.11 or deploy@10.0.0.11:2222`;
}
