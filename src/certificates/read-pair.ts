// One certificate with its key: read, held against each other, and looked at for what will soon be wrong. What cannot be
// used is an error that names file and remedy; what works is a pair with its facts and warnings. Contents of a key
// are in no message.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { messageOf, SluiceError, systemCode } from '../base/errors.ts';
import type { CertificateFacts, CertificatePair } from '../model.ts';

export type PairFiles = { readonly cert: string; readonly key: string };

export type ReadPair = {
  readonly pair: CertificatePair;
  readonly facts: Omit<CertificateFacts, 'listener'>;
  readonly warnings: readonly string[];
};

/** A certificate is said to end soon so long before, or with the last third of a shorter life. */
const SOON_MS = 14 * 86_400_000;
const FILE_BYTES_MAX = 1024 * 1024;

/** `place`: the key of the configuration, for messages. @throws config_invalid */
export function readPair(files: PairFiles, place: string, nowMs: number): ReadPair {
  const pair = {
    cert: readPem(files.cert, `${place}.cert`),
    key: readPem(files.key, `${place}.key`),
  };
  const certificate = certificateOf(pair.cert, `${place}.cert ${files.cert}`);
  const key = keyOf(pair.key, `${place}.key ${files.key}`);
  if (!certificate.checkPrivateKey(key)) {
    const isLater = chainOf(pair.cert)
      .slice(1)
      .some((other) => isFor(other, key));
    throw invalid(
      isLater
        ? `${place}.cert ${files.cert}: the certificate of the key is not the first in it; put it before those of its authorities`
        : `${place}.key ${files.key}: is not the key of ${files.cert}; name the one that belongs to it`,
    );
  }
  const facts = factsOf(certificate, files.cert);
  return {
    pair,
    facts,
    warnings: [...warningsOf(facts, place, nowMs), ...modeWarning(files.key, place)],
  };
}

/** @throws config_invalid */
export function readPem(file: string, place: string): string {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > FILE_BYTES_MAX)
      throw invalid(`${place} ${file}: is larger than 1 MB; is it the right file?`);
    return bytes.toString('latin1');
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    const remedy =
      systemCode(cause) === 'ENOENT'
        ? 'does not exist; write the path of a PEM file'
        : systemCode(cause) === 'EACCES'
          ? 'may not be read by this user; change its owner or mode'
          : systemCode(cause) === 'EISDIR'
            ? 'is a folder; name a file in it'
            : `cannot be read (${messageOf(cause)})`;
    throw invalid(`${place} ${file}: ${remedy}`, cause);
  }
}

/** Every certificate in a PEM text. */
export function chainOf(pem: string): string[] {
  return (
    pem.match(
      /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED )?CERTIFICATE-----/g,
    ) ?? []
  );
}

/** @throws config_invalid */
export function certificateOf(pem: string, what: string): X509Certificate {
  const [first] = chainOf(pem);
  if (first === undefined) {
    const hint = pem.includes('PRIVATE KEY-----')
      ? 'holds a key; are cert and key exchanged?'
      : 'holds no certificate in PEM (-----BEGIN CERTIFICATE-----)';
    throw invalid(`${what}: ${hint}`);
  }
  try {
    return new X509Certificate(first);
  } catch (cause) {
    throw invalid(`${what}: its first certificate cannot be read (${messageOf(cause)})`, cause);
  }
}

function keyOf(pem: string, what: string): KeyObject {
  if (!pem.includes('PRIVATE KEY-----')) {
    const hint = pem.includes('CERTIFICATE-----')
      ? 'holds a certificate; are cert and key exchanged?'
      : 'holds no key in PEM (-----BEGIN PRIVATE KEY-----)';
    throw invalid(`${what}: ${hint}`);
  }
  if (/^-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    throw invalid(
      `${what}: is encrypted, and nobody is asked for its passphrase; write it down decrypted (openssl pkey -in … -out …), readable by this user alone`,
    );
  }
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw invalid(`${what}: the key cannot be read (${messageOf(cause)})`, cause);
  }
}

function isFor(pem: string, key: KeyObject): boolean {
  try {
    return new X509Certificate(pem).checkPrivateKey(key);
  } catch {
    // It is another's, whatever is wrong with it.
    return false;
  }
}

function factsOf(certificate: X509Certificate, file: string): ReadPair['facts'] {
  return {
    file,
    names: namesOf(certificate),
    keyType: certificate.publicKey.asymmetricKeyType ?? '',
    beginsAtMs: Date.parse(certificate.validFrom),
    expiresAtMs: Date.parse(certificate.validTo),
    fingerprint: certificate.fingerprint256,
  };
}

/** DNS names in lower case, and addresses; of a certificate without, the common name where it is a name of a host. */
export function namesOf({ subjectAltName = '', subject }: X509Certificate): string[] {
  const names = [...subjectAltName.matchAll(/(?:^|, )(?:DNS|IP Address):([^,"]+)/g)].map(
    ([, name = '']) => name.toLowerCase(),
  );
  if (names.length > 0 || subjectAltName !== '') return names;
  const [, common = ''] = /^CN=(.*)$/m.exec(subject) ?? [];
  return /^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(common) ? [common.toLowerCase()] : [];
}

function warningsOf(
  { file, names, beginsAtMs, expiresAtMs }: ReadPair['facts'],
  place: string,
  nowMs: number,
): string[] {
  const what = `${place}.cert ${file}`;
  const warnings: string[] = [];
  const leftMs = expiresAtMs - nowMs;
  if (leftMs <= 0) {
    warnings.push(`${what}: has expired (${day(expiresAtMs)}): clients refuse it; renew it`);
  } else if (leftMs < Math.min(SOON_MS, (expiresAtMs - beginsAtMs) / 3)) {
    warnings.push(`${what}: expires soon (${day(expiresAtMs)}); renew it`);
  }
  if (beginsAtMs > nowMs)
    warnings.push(`${what}: is not valid before ${day(beginsAtMs)}; is the clock right?`);
  if (names.length === 0) {
    warnings.push(
      `${what}: names no host (subjectAltName), so that clients refuse it; let one be made with names`,
    );
  }
  return warnings;
}

function modeWarning(file: string, place: string): string[] {
  try {
    if ((statSync(file).mode & 0o004) === 0) return [];
  } catch {
    return [];
  }
  return [`${place}.key ${file}: every user of this machine may read it; chmod o= it`];
}

function day(ms: number): string {
  return Number.isNaN(ms)
    ? 'at a time that cannot be read'
    : `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

export function invalid(message: string, cause?: unknown): SluiceError {
  return new SluiceError('config_invalid', message, { cause });
}
