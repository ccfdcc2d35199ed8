// TLS of probes: what a check says of it, made ready for OpenSSL. The files are read here, because a release asks from
// where it runs; they are looked at again once a second at most, and what was good last stays where they are not.

import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  createSecureContext,
  type SecureContext,
} from 'node:tls';
import type { ProbeTls } from './spec.ts';

type Known = { readonly context: SecureContext; readonly stamp: string; lookedMs: number };

const LOOK_MS = 1000;
/** A reload brings few; what this bounds is forgotten and read again. */
const KNOWN_MAX = 1000;

const known = new Map<string, Known>();

/** What `tls.connect` needs to know beside the address. @throws when the files cannot be used and never could */
export function securedBy(tls: ProbeTls, host: string, nowMs: number): ConnectionOptions {
  const name = tls.serverName || host;
  return {
    secureContext: contextOf(tls, nowMs),
    servername: isIP(name) === 0 ? name : '',
    rejectUnauthorized: tls.verify,
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    ALPNProtocols: ['http/1.1'],
  };
}

function contextOf(tls: ProbeTls, nowMs: number): SecureContext {
  const { ca, cert, key, minVersion } = tls;
  const id = JSON.stringify([ca, cert, key, minVersion]);
  const last = known.get(id);
  if (last !== undefined && nowMs - last.lookedMs < LOOK_MS) return last.context;
  const stamp = [ca, cert, key].map(stampOf).join('\n');
  if (last?.stamp === stamp) {
    last.lookedMs = nowMs;
    return last.context;
  }
  try {
    // OpenSSL passes over what is no certificate.
    if (ca !== '') new X509Certificate(readFileSync(ca));
    const context = createSecureContext({
      ...(ca === '' ? {} : { ca: readFileSync(ca) }),
      ...(cert === '' ? {} : { cert: readFileSync(cert), key: readFileSync(key) }),
      minVersion: `TLSv${minVersion}`,
    });
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(id, { context, stamp, lookedMs: nowMs });
    return context;
  } catch (error) {
    // The keeper of certificates says what is wrong with a file that was replaced.
    if (last === undefined) throw error;
    last.lookedMs = nowMs;
    return last.context;
  }
}

function stampOf(file: string): string {
  if (file === '') return '';
  try {
    const { ino, mtimeNs, size } = statSync(file, { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch {
    return '';
  }
}
