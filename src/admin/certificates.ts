// The certificate of the control API, from files that are read again when they change. A pair that
// cannot be used is said, and the last good one stays.

import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { messageOf, SluiceError } from '../base/errors.ts';
import { FileWatch } from '../base/file-watch.ts';
import type { Log } from '../base/log.ts';

/** Paths; `clientCa` '' = clients need no certificate. */
export type TlsFiles = { readonly cert: string; readonly key: string; readonly clientCa: string };

/** What was read, for node:tls. */
export type Credentials = { readonly cert: string; readonly key: string; readonly ca?: string };

export type CertificateWatch = { close(): void };

/** @throws config_invalid */
export function readCredentials(files: TlsFiles): Credentials {
  const read = (key: string, path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (cause) {
      const message = `admin.tls.${key} ${path}: cannot be read (${messageOf(cause)})`;
      throw new SluiceError('config_invalid', message, { cause });
    }
  };
  const credentials = {
    cert: read('cert', files.cert),
    key: read('key', files.key),
    ...(files.clientCa === '' ? {} : { ca: read('client_ca', files.clientCa) }),
  };
  try {
    createSecureContext(credentials);
    return credentials;
  } catch (cause) {
    const message = `admin.tls ${files.cert}, ${files.key}: not a certificate with its key (${messageOf(cause)})`;
    throw new SluiceError('config_invalid', message, { cause });
  }
}

/** `onChange` gets what is to be used from now on. */
export function watchCredentials(
  files: TlsFiles,
  last: Credentials,
  { log, onChange }: { readonly log: Log; readonly onChange: (next: Credentials) => void },
): CertificateWatch {
  let current = last;
  let trouble = '';
  const look = (): void => {
    let next: Credentials;
    try {
      next = readCredentials(files);
    } catch (error) {
      const said = messageOf(error);
      if (said !== trouble) {
        log.warn({ error: said }, 'new certificate of the control API not used, the old one stays');
      }
      trouble = said;
      return;
    }
    trouble = '';
    if (next.cert === current.cert && next.key === current.key && next.ca === current.ca) return;
    current = next;
    onChange(next);
    log.info({ cert: files.cert }, 'certificate of the control API read again');
  };
  const paths = new Set([
    files.cert,
    files.key,
    ...(files.clientCa === '' ? [] : [files.clientCa]),
  ]);
  const watches = [...paths].map((path) => new FileWatch(path, look));
  return {
    close() {
      for (const watch of watches) watch.close();
    },
  };
}
