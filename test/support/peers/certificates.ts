// Certificates for tests, made by the system's openssl: two authorities that do not know each other, a
// server and clients. None of them is worth anything outside a test.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { needPeer, type Scope } from './programs.ts';

/** Paths of `NAME.pem` and `NAME.key`. */
export type Certificates = (name: 'ca' | 'server' | 'client' | 'other-ca' | 'other-client') => {
  readonly cert: string;
  readonly key: string;
};

/** Undefined: the test is skipped. `server` is 127.0.0.1, and may be a client, as members of a cluster are. */
export async function createCertificates(
  t: Scope,
  folder: string,
): Promise<Certificates | undefined> {
  const openssl = needPeer(t, 'openssl');
  if (openssl === undefined) return undefined;
  const run = (...argv: readonly string[]): Promise<unknown> =>
    promisify(execFile)(openssl, argv, { cwd: folder });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const;
  writeFileSync(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  for (const [ca, names] of [
    ['ca', ['server', 'client']],
    ['other-ca', ['other-client']],
  ] as const) {
    const files = ['-keyout', `${ca}.key`, '-out', `${ca}.pem`] as const;
    await run('req', '-x509', ...key, ...files, '-subj', `/CN=${ca}`, '-days', '2');
    for (const name of names) {
      const made = ['-keyout', `${name}.key`, '-out', `${name}.csr`] as const;
      await run('req', ...key, ...made, '-subj', `/CN=${name}`);
      const sign = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial'] as const;
      const what = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-extfile', 'names'] as const;
      await run('x509', '-req', ...what, ...sign, '-days', '2');
    }
  }
  return (name) => ({ cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) });
}
