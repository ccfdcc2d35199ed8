// The kind of registry that is an etcd.

import { clientTls, clientTlsOf, clientTlsProblem } from '../client-tls.ts';
import { list, secret, section } from '../shapes.ts';
import { address, choiceOf, show, text } from '../values.ts';
import { kindOf } from './kind.ts';
import { ownName } from './names.ts';

export const etcd = kindOf({
  kind: 'etcd',
  keys: section('An etcd cluster.', {
    addresses: list('Members; any of them may be asked.', address('A member.'), 1),
    api: choiceOf({
      about: 'Where the records are.',
      initial: 'v3',
      meanings: {
        v3: 'as etcd 3 keeps them',
        v2: 'in the keys of the v2 API, which nginx-upsync-module reads (`etcd --enable-v2`)',
      },
    }),
    root: text({
      about:
        'What stands before the key of every record: with `/` it is `/upstreams/app/10.0.0.1:80`, as v2 has it always.',
      kind: 'key prefix',
      problemOf: rootProblem,
    }).prefault(''),
    user: text({
      about: 'Who we are, where etcd asks for users.',
      kind: 'name',
      problemOf: (value) =>
        /^[\x21-\x39\x3b-\x7e]+$/.test(value)
          ? ''
          : 'is empty or holds blanks, colons or non-ASCII characters; remove them',
    }).optional(),
    password: secret("The user's password.").optional(),
    tls: clientTls.optional(),
  }),
  called: /etcd/i,
  example: (_, member) => `{ addresses: ${member || '127.0.0.1:2379'} }`,
  settings: (
    { addresses, api, root, user = '', password, tls },
    { folder: from, secret: read },
  ) => ({
    kind: 'etcd' as const,
    addresses,
    api,
    root,
    user,
    password: read(password),
    tls: tls === undefined ? undefined : clientTlsOf(tls, from),
  }),
  listen: () => undefined,
  secrets: ({ password }) => ({ password }),
  problems: ({ user, password, tls }) => ({
    tls: clientTlsProblem(tls),
    user: user !== undefined && password === undefined ? 'has no password; set password' : '',
    password: password !== undefined && user === undefined ? 'is for no user; set user' : '',
  }),
  serversIn: () => undefined,
  serviceProblem: ownName,
});

/** Of what stands before every key. */
function rootProblem(root: string): string {
  if (!/^[\x21-\x7e]*$/.test(root)) return 'holds blanks or non-ASCII characters; remove them';
  return /\/\/|(^|\/)\.{1,2}(\/|$)/.test(root)
    ? `${show(root)} has an empty, "." or ".." segment; write one like / or /prod/`
    : '';
}
