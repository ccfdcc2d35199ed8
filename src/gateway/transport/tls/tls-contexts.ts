// The certificates of one listener, ready for OpenSSL: one context for each set of names, found by the name that a client
// asks for. Two certificates of the same names (EC and RSA) are in one context, and OpenSSL takes what the client can.
//
//   certificates of            a.example    *.example    b.example, c.example
//   A a.example                A
//   B *.example                             B (not a.example, not x.y.example)
//   C b.example c.example                                C

import { constants, createHash, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { ListenerTls } from '../../../config.ts';
import type { CertificatePair, ListenerCredentials } from '../../../model.ts';
import type { TicketRing } from './ticket-ring.ts';
import type { TlsGate } from './tls-gate.ts';

/**
 * Of TLS 1.2 only what has forward secrecy and is authenticated; those of 1.3 all are. What a client prefers of ours is
 * ours to say, but ChaCha20 goes first where a client has no AES of its own in hardware.
 */
const CIPHERS = [
  ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ...['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ...['ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
].join(':');

/** A client of TLS 1.2 that asks for a new handshake on a connection could do so without end. */
const OPTIONS =
  constants.SSL_OP_NO_RENEGOTIATION |
  constants.SSL_OP_NO_COMPRESSION |
  constants.SSL_OP_CIPHER_SERVER_PREFERENCE |
  constants.SSL_OP_PRIORITIZE_CHACHA;

export type TlsContextsOptions = {
  readonly settings: ListenerTls;
  readonly credentials: ListenerCredentials;
  readonly tickets: TicketRing;
  readonly onFailure: (code: string) => void;
};

export class TlsContexts implements TlsGate {
  readonly context: SecureContext;
  readonly asksNames: boolean;
  readonly asksClients: boolean;
  readonly requiresClients: boolean;
  readonly failed: (code: string) => void;
  readonly #exact = new Map<string, SecureContext>();
  /** By what stands behind the star: `.example`. */
  readonly #wildcards = new Map<string, SecureContext>();
  readonly #refusesUnknown: boolean;

  /** @throws of OpenSSL, when there is no usable pair */
  constructor({ settings, credentials, tickets, onFailure }: TlsContextsOptions) {
    this.asksClients = credentials.clientCa !== '';
    this.requiresClients = this.asksClients && settings.clientCertificate === 'required';
    this.#refusesUnknown = settings.unknownNames === 'refuse';
    this.failed = onFailure;
    const contexts = [...groupsOf(credentials.pairs)].map(([names, pairs]) => {
      const context = contextOf(pairs, settings, credentials.clientCa);
      tickets.serve(context);
      for (const name of names.split(' ')) this.#add(name, context);
      return context;
    });
    const [first] = contexts;
    if (first === undefined) throw new Error('no certificate');
    this.context = first;
    this.asksNames = contexts.length > 1 || this.#refusesUnknown;
  }

  contextFor(name: string): SecureContext | undefined {
    const found = this.#exact.get(name) ?? this.#wildcards.get(name.slice(name.indexOf('.')));
    return found ?? (this.#refusesUnknown ? undefined : this.context);
  }

  /** The first of two with one name counts. */
  #add(name: string, context: SecureContext): void {
    const isWildcard = name.startsWith('*.');
    const [names, key] = isWildcard ? [this.#wildcards, name.slice(1)] : [this.#exact, name];
    if (key !== '' && !names.has(key)) names.set(key, context);
  }
}

/** By the names, joined. */
function groupsOf(pairs: readonly CertificatePair[]): Map<string, CertificatePair[]> {
  const groups = new Map<string, CertificatePair[]>();
  for (const pair of pairs) {
    const names = dnsNamesOf(pair.cert).join(' ');
    const group = groups.get(names);
    const isTwin = group?.some((other) => typeOf(other) === typeOf(pair)) === false;
    if (group !== undefined && isTwin) group.push(pair);
    else if (group === undefined) groups.set(names, [pair]);
    // Of two with the same names and kind of key the first counts.
  }
  return groups;
}

function typeOf({ cert }: CertificatePair): string {
  return new X509Certificate(cert).publicKey.asymmetricKeyType ?? '';
}

function dnsNamesOf(cert: string): string[] {
  const { subjectAltName = '' } = new X509Certificate(cert);
  const names = [...subjectAltName.matchAll(/(?:^|, )DNS:([^,"\s]+)/g)].map(([, name = '']) =>
    name.toLowerCase(),
  );
  return [...new Set(names)].sort();
}

function contextOf(
  pairs: readonly CertificatePair[],
  { minVersion }: ListenerTls,
  clientCa: string,
): SecureContext {
  return createSecureContext({
    cert: pairs.map(({ cert }) => cert),
    key: pairs.map(({ key }) => key),
    // None: else Node would load all those that it trusts.
    ca: clientCa === '' ? [] : [clientCa],
    minVersion: `TLSv${minVersion}`,
    ciphers: CIPHERS,
    honorCipherOrder: true,
    secureOptions: OPTIONS,
    sessionTimeout: SESSION_S,
    // A session that began without these authorities is not resumed with them: the client would not be asked again.
    sessionIdContext: createHash('sha256').update(`sluice ${clientCa}`).digest('hex').slice(0, 32),
  });
}

/** How long a session may be resumed, seconds: as long as its key is sure to be known (certificates/ticket-keys.ts). */
const SESSION_S = 4 * 3600;
