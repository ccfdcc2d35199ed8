// What is known of a secured connection, read when somebody asks: most requests want nothing of it.

import { X509Certificate } from 'node:crypto';
import type { TlsFacts } from '../connection.ts';

/** As TLSSocket and the handle below it have them. */
export type TlsSource = {
  getProtocol(): unknown;
  getCipher(): unknown;
  isSessionReused(): unknown;
  /** `raw`: the certificate as DER. */
  getPeerCertificate(detailed: boolean): unknown;
};

type Asked = { readonly asksClients: boolean; readonly requiresClients: boolean };

/** `verifyCode`: what OpenSSL found wrong with the client's certificate; '' = nothing. */
export function factsOf(source: TlsSource, verifyCode: string, asked: Asked): TlsFacts {
  const version = source.getProtocol();
  const cipher = source.getCipher();
  const certificate = asked.asksClients ? certificateOf(source) : undefined;
  return {
    version: typeof version === 'string' ? version : '',
    cipher: textOf(cipher, 'name'),
    isResumed: source.isSessionReused() === true,
    client: certificate && {
      subject: subjectOf(certificate),
      fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    },
    problem: problemOf(certificate, verifyCode, asked),
  };
}

function certificateOf(source: TlsSource): X509Certificate | undefined {
  const found = source.getPeerCertificate(false);
  const raw: unknown =
    typeof found === 'object' && found !== null && 'raw' in found ? found.raw : undefined;
  return Buffer.isBuffer(raw) ? new X509Certificate(raw) : undefined;
}

/** What is resumed without a certificate counts as verified to OpenSSL, so that one is looked for. */
function problemOf(
  certificate: X509Certificate | undefined,
  code: string,
  { asksClients, requiresClients }: Asked,
): string {
  if (!asksClients) return '';
  if (certificate === undefined) {
    return requiresClients ? 'no client certificate was sent, and one is required' : '';
  }
  return code === '' ? '' : `the client certificate is not accepted (${code})`;
}

/** As RFC 2253 writes it: CN=client,O=Example. */
function subjectOf({ subject }: X509Certificate): string {
  const parts = subject.split('\n').filter((part) => part !== '');
  return parts
    .reverse()
    .join(',')
    .replaceAll(/[^\x20-\x7e]/g, '?');
}

function textOf(value: unknown, key: string): string {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : '';
  return typeof found === 'string' ? found : '';
}
