// The keys `tls` of a program that Sluice is a client of.

import { resolve } from 'node:path';
import { z } from 'zod';
import { pathProblem, section } from './shapes.ts';
import { onOff, show, text } from './values.ts';

const pemFile = (about: string) =>
  text({
    about: `${about} A path, relative to this file; PEM.`,
    kind: 'path',
    problemOf: (value) => pathProblem(value, 'a path'),
  }).optional();

export const minVersion = z
  .preprocess(
    // YAML reads 1.2 as a number.
    (value: string | number) => (typeof value === 'number' ? String(value) : value),
    z.enum(['1.2', '1.3'], {
      error: ({ input }) =>
        `${show(input)} is not a version of TLS that is spoken here; write "1.2" or "1.3"`,
    }),
  )
  .prefault('1.2')
  .meta({ description: 'The oldest version of TLS that is spoken.', 'x-value': '1.2, 1.3' });

const keys = {
  ca: pemFile('Authorities to trust, instead of those that Node trusts.'),
  cert: pemFile('Our certificate, where one is asked for.'),
  key: pemFile('Its key.'),
  server_name: text({
    about: "The name in the server's certificate, where it is not the host of the address.",
    kind: 'host name',
    problemOf: (value) =>
      /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(value)
        ? ''
        : `${show(value)} is not a host name; write one like registry.internal`,
  }).optional(),
  verify: onOff({
    about: "Check the server's certificate; `off` takes any, and anybody in between.",
    initial: 'on',
  }),
};

export const clientTls = section('TLS. The files are read again when they change.', keys);

export const upstreamTls = section(
  'The servers of this upstream speak HTTPS. Their certificates are checked. nginx: `proxy_pass https://`, with `proxy_ssl_verify on`. See tls.md.',
  { ...keys, min_version: minVersion },
);

export const checkTls = section(
  'TLS of the check, where it is not that of the upstream: these settings count instead of all of those.',
  { ...keys, min_version: minVersion },
);

export type ClientTlsFile = z.output<typeof clientTls>;

/** Paths absolute; '' for what is not given. */
export function clientTlsOf(read: ClientTlsFile, folder: string) {
  const path = (file: string | undefined): string =>
    file === undefined ? '' : resolve(folder, file);
  return {
    ca: path(read.ca),
    cert: path(read.cert),
    key: path(read.key),
    serverName: read.server_name ?? '',
    verify: read.verify,
  };
}

/** What is wrong with the keys together; '' when nothing is. */
export function clientTlsProblem(read: ClientTlsFile | undefined): string {
  if (read === undefined || (read.cert === undefined) === (read.key === undefined)) return '';
  const [has, needs] = read.cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
  return `has ${has} without ${needs}; a certificate needs both`;
}
