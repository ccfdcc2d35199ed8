// The keys that say how to reach a Consul, the same for every kind of registry that asks one.

import { resolve } from 'node:path';
import { z } from 'zod';
import type { Address } from '../../../base/units.ts';
import { clientTls, clientTlsOf, clientTlsProblem } from '../client-tls.ts';
import { list, pathProblem, secret } from '../shapes.ts';
import { address, show, text } from '../values.ts';

/** An address that may have a scheme in front. */
type Agent = Address & { readonly scheme: string };

const plainAddress = address('An agent.');

const agent = z
  .any()
  .transform((value: unknown, context): Agent => {
    const url = typeof value === 'string' ? /^(https?):\/\/([^/?#]+)\/?$/i.exec(value) : null;
    const read = plainAddress.safeParse(url?.[2] ?? value);
    if (read.success) return { ...read.data, scheme: url?.[1]?.toLowerCase() ?? '' };
    for (const { message } of read.error.issues) context.addIssue({ code: 'custom', message });
    return z.NEVER;
  })
  .meta({ description: 'An agent.', 'x-value': 'host:port, https://host:port' });

const word = (about: string) =>
  text({
    about,
    kind: 'name',
    problemOf: (value) =>
      /^[A-Za-z0-9_.-]+$/.test(value)
        ? ''
        : `${show(value)} is no such name; write letters, digits, "-" and "_"`,
  }).optional();

export const consulKeys = {
  addresses: list(
    'Agents; any of them may be asked. With `https://` in front, or with `tls`, all of them speak TLS.',
    agent,
    1,
  ),
  token: secret('ACL token.').optional(),
  token_file: text({
    about:
      'A file whose first line is the ACL token, relative to this file; read again when it changes.',
    kind: 'path',
    problemOf: (value) => pathProblem(value, 'a path'),
  }).optional(),
  tls: clientTls.optional(),
  datacenter: word("The data centre that is meant, where it is not the agents' own."),
  namespace: word('Of Consul Enterprise; passed on with each request.'),
};

const consulAccess = z.object(consulKeys);

/** What was read of these keys. */
export type ConsulKeys = z.output<typeof consulAccess>;

/** Whatever kind of registry it is for. */
export function consulAccessOf(
  read: ConsulKeys,
  origin: { readonly folder: string; readonly secret: (text: string | undefined) => string },
) {
  const { addresses, token, token_file: file, tls, datacenter = '', namespace = '' } = read;
  const isSecure = tls !== undefined || addresses.some(({ scheme }) => scheme === 'https');
  return {
    addresses: addresses.map(({ host, port }): Address => ({ host, port })),
    token: origin.secret(token),
    tokenFile: file === undefined ? '' : resolve(origin.folder, file),
    tls: isSecure ? clientTlsOf(tls ?? clientTls.parse({}), origin.folder) : undefined,
    datacenter,
    namespace,
  };
}

/** By key, what is wrong with the keys together; '' = nothing. */
export function consulProblems(read: ConsulKeys): Readonly<Record<string, string>> {
  const { addresses, token, token_file: file, tls } = read;
  const schemes = new Set(addresses.map(({ scheme }) => scheme || (tls ? 'https' : 'http')));
  return {
    addresses:
      schemes.size > 1
        ? 'has some with TLS and some without; write https:// in front of all, or of none'
        : tls !== undefined && schemes.has('http')
          ? 'has http:// but there is tls; write https://'
          : '',
    tls: clientTlsProblem(tls),
    token_file: file !== undefined && token !== undefined ? 'excludes token; keep one' : '',
  };
}
