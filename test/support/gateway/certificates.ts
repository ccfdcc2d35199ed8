// Certificates for tests of TLS: made by openssl once for all tests of a file, and worth nothing outside.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ListenerTls } from '../../../src/config.ts';
import type { CertificatePair, ListenerCredentials, TlsCredentials } from '../../../src/model.ts';

export type MadePair = CertificatePair & {
  readonly files: { readonly cert: string; readonly key: string };
};

export type Ask = {
  readonly names?: readonly string[];
  readonly kind?: 'ec' | 'rsa';
  /** Days that it is good for; below 0: it has ended. */
  readonly days?: number;
  /** It is signed by this one instead of by itself. */
  readonly by?: MadePair;
  readonly common?: string;
};

const KEYS = {
  ec: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  rsa: ['-newkey', 'rsa:2048'],
} as const;

export class Maker {
  readonly folder: string;
  #count = 0;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
  }

  make({
    names = ['localhost'],
    kind = 'ec',
    days = 30,
    by,
    common = names[0] ?? 'test',
  }: Ask = {}): MadePair {
    const at = join(this.folder, `${this.#count++}`);
    const files = { cert: `${at}.pem`, key: `${at}.key` };
    const run = (...argv: readonly string[]): void =>
      void execFileSync('openssl', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    const alt =
      names.length === 0
        ? []
        : [
            '-addext',
            `subjectAltName=${names.map((name) => (/^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`)).join(',')}`,
          ];
    const subject = ['-subj', `/CN=${common}`, ...alt];
    if (by === undefined) {
      const life = days > 0 ? ['-days', `${days}`] : [];
      run(
        'req',
        '-x509',
        ...KEYS[kind],
        '-nodes',
        '-keyout',
        files.key,
        '-out',
        files.cert,
        ...subject,
        ...life,
      );
      if (days <= 0)
        run(
          'x509',
          '-in',
          files.cert,
          '-signkey',
          files.key,
          '-days',
          `${days}`,
          '-out',
          files.cert,
        );
    } else {
      const request = `${at}.csr`;
      run('req', ...KEYS[kind], '-nodes', '-keyout', files.key, '-out', request, ...subject);
      const signer = ['-CA', by.files.cert, '-CAkey', by.files.key, '-CAcreateserial'];
      run(
        'x509',
        '-req',
        '-in',
        request,
        ...signer,
        '-copy_extensions',
        'copy',
        '-days',
        `${days}`,
        '-out',
        files.cert,
      );
    }
    return { files, cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') };
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** For tests that look at no certificate: one for localhost, made when it is first asked for. */
let plain: MadePair | undefined;

export function anyPair(): MadePair {
  if (plain !== undefined) return plain;
  const maker = new Maker();
  plain = maker.make({ names: ['localhost', '127.0.0.1'] });
  process.on('exit', () => maker.close());
  return plain;
}

export function tlsSettings(patch: Partial<ListenerTls> = {}): ListenerTls {
  return {
    certificates: [],
    minVersion: '1.2',
    unknownNames: 'default',
    clientCa: '',
    clientCertificate: 'required',
    passesClientCertificate: false,
    hsts: '',
    ...patch,
  };
}

/** For the listener `test`. */
export function credentialsOf(
  pairs: readonly CertificatePair[] = [anyPair()],
  patch: Partial<ListenerCredentials & { readonly ticketKeys: readonly string[] }> = {},
): TlsCredentials {
  const { clientCa = '', ticketKeys = [] } = patch;
  return { listeners: { test: { pairs, clientCa } }, upstreams: {}, ticketKeys };
}
