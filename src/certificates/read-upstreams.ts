// What upstreams with TLS need: authorities, and our certificate with its key where servers ask for one. Read at once,
// as in read-listeners.ts.

import { createSecureContext } from 'node:tls';
import { messageOf, SluiceError } from '../base/errors.ts';
import type { UpstreamTls } from '../config.ts';
import type { ServerCredentials } from '../model.ts';
import { certificateOf, chainOf, invalid, readPair, readPem } from './read-pair.ts';

export type ReadUpstreams = {
  /** By the names of upstreams; those with a problem are missing. */
  readonly credentials: Readonly<Record<string, ServerCredentials>>;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
};

export function readUpstreams(
  upstreams: Readonly<Record<string, UpstreamTls>>,
  nowMs: number = Date.now(),
): ReadUpstreams {
  const credentials: Record<string, ServerCredentials> = {};
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const [name, tls] of Object.entries(upstreams)) {
    const place = `upstreams.${name}`;
    try {
      const read = readOne(tls, nowMs);
      credentials[name] = read.credentials;
      warnings.push(...read.warnings.map((warning) => `${place}: ${warning}`));
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      problems.push(`${place}: ${messageOf(error)}`);
    }
  }
  return { credentials, problems, warnings };
}

/** @throws config_invalid */
function readOne(tls: UpstreamTls, nowMs: number) {
  const ca = tls.ca === '' ? '' : readCa(tls.ca);
  if (tls.cert === '') return { credentials: { ca, cert: '', key: '' }, warnings: [] };
  const { pair, warnings } = readPair({ cert: tls.cert, key: tls.key }, 'tls', nowMs);
  try {
    createSecureContext({ ...pair, ca: [] });
  } catch (cause) {
    throw invalid(`tls.cert ${tls.cert}: cannot be used (${messageOf(cause)})`, cause);
  }
  // Servers do not look for a host in it.
  const said = warnings.filter((warning) => !warning.includes('subjectAltName'));
  return { credentials: { ca, ...pair }, warnings: said };
}

function readCa(file: string): string {
  const pem = readPem(file, 'tls.ca');
  const chain = chainOf(pem);
  for (const one of chain.length === 0 ? [pem] : chain) certificateOf(one, `tls.ca ${file}`);
  return pem;
}
