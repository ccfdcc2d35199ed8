// The schema of the control API: where it listens, who may use it, what is written down of it.

import { z } from 'zod';
import { ROLES } from '../../model.ts';
import { pathProblem, record, secret, section } from './shapes.ts';
import { choice, listenAddress, onOff, text } from './values.ts';

const pem = (about: string) =>
  text({
    about: `${about} PEM; a path, relative to this file.`,
    kind: 'path',
    problemOf: (value) => pathProblem(value, 'a path'),
  });

const tls = section('HTTPS instead of HTTP. The files are read again when they change.', {
  cert: pem('The certificate, and those between it and its authority.'),
  key: pem('Its key.'),
  client_ca: pem(
    'Authorities of clients: whoever has no certificate of theirs is turned away.',
  ).optional(),
});

const token = section('A token.', {
  role: choice({
    about:
      'What its owner may do: `read`, also change servers (`operate`), also release (`release`).',
    initial: 'read',
    words: ROLES,
  }),
  secret: secret('What requests carry.'),
});

export const admin = section('The control API: CLI, status pages, metrics.', {
  listen: listenAddress('Where it listens.').prefault('127.0.0.1:8700'),
  token: secret(
    'Bearer token that may do everything. One, or one of `tokens`, is needed when `listen` is not loopback.',
  ).optional(),
  tokens: record(
    'More bearer tokens, by the name that the audit log shows. With any token, every request must carry one.',
    token,
  ).prefault({}),
  start_releases: onOff({
    about:
      'Whoever has the role `release` may start releases of `services` here, from `/ui/` too: this process then runs `sluice`, as its own user, with the commands of this file.',
    initial: 'off',
  }),
  tls: tls.optional(),
  audit_log: z
    .preprocess(
      (value: string | false) => (value === false ? 'off' : value),
      text({
        about: '',
        kind: 'path',
        problemOf: (value) => pathProblem(value, 'a path, or off'),
      }),
    )
    .optional()
    .meta({
      description:
        'Who changed what through the control API: JSON lines. `off`, or a path relative to this file. Default: `audit.log` in `state_dir`.',
      'x-value': 'off, path',
    }),
});

export type AdminFile = z.output<typeof admin>;
