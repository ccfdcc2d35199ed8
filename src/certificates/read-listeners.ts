// All certificates of the configured listeners, read at once: every file that cannot be used is said, not the first alone.

import { createSecureContext } from 'node:tls';
import { messageOf, SluiceError } from '../base/errors.ts';
import type { ListenerConfig, ListenerTls } from '../config.ts';
import type { CertificateFacts, ListenerCredentials } from '../model.ts';
import { certificateOf, chainOf, invalid, readPair, readPem } from './read-pair.ts';

export type ReadListeners = {
  /** By the ids of listeners; those with a problem are missing. */
  readonly credentials: Readonly<Record<string, ListenerCredentials>>;
  readonly facts: readonly CertificateFacts[];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
};

export function readListeners(
  listen: readonly ListenerConfig[],
  nowMs: number = Date.now(),
): ReadListeners {
  const credentials: Record<string, ListenerCredentials> = {};
  const facts: CertificateFacts[] = [];
  const problems = new Set<string>();
  const warnings = new Set<string>();
  for (const { id, tls } of listen) {
    if (tls === undefined) continue;
    const attempt = <T>(read: () => T): T | undefined => {
      try {
        return read();
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error;
        problems.add(`listen ${id}: ${messageOf(error)}`);
        return undefined;
      }
    };
    const pairs = tls.certificates.map((files, at) =>
      attempt(() => readUsable(files, `tls.certificates[${at}]`, nowMs)),
    );
    const clientCa = attempt(() => readClientCa(tls));
    for (const read of pairs) {
      for (const warning of read?.warnings ?? []) warnings.add(`listen ${id}: ${warning}`);
      if (read !== undefined) facts.push({ ...read.facts, listener: id });
    }
    const good = pairs.flatMap((read) => (read === undefined ? [] : [read.pair]));
    if (good.length === pairs.length && clientCa !== undefined) {
      credentials[id] = { pairs: good, clientCa };
    }
  }
  return { credentials, facts, problems: [...problems], warnings: [...warnings] };
}

function readUsable(...asked: Parameters<typeof readPair>): ReturnType<typeof readPair> {
  const read = readPair(...asked);
  const [files, place] = asked;
  try {
    // What it says of weak keys and broken chains it says here, and not in a worker.
    createSecureContext({ ...read.pair, ca: [] });
  } catch (cause) {
    throw invalid(`${place} ${files.cert}: cannot be used (${messageOf(cause)})`, cause);
  }
  return read;
}

function readClientCa({ clientCa: file }: ListenerTls): string {
  if (file === '') return '';
  const place = 'tls.client_ca';
  const pem = readPem(file, place);
  for (const certificate of chainOf(pem)) certificateOf(certificate, `${place} ${file}`);
  if (chainOf(pem).length === 0) certificateOf(pem, `${place} ${file}`);
  return pem;
}
