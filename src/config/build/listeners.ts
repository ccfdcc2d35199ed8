// The listeners of the file → those of the program.

import { resolve } from 'node:path';
import { formatAddress } from '../../base/units.ts';
import type { ListenerFile } from '../sections/listen.ts';
import type { ListenerConfig, ListenerTls } from '../types.ts';

const HTTPS_PORT = 443;

export function listenersOf(listen: readonly ListenerFile[], folder: string): ListenerConfig[] {
  const httpsPort = listen.find(({ tls }) => tls !== undefined)?.address.port ?? HTTPS_PORT;
  return listen.map(({ address, tls, redirect_to_https: redirects, https_port: port }) => ({
    id: formatAddress(address),
    ...address,
    ...(tls === undefined ? {} : { tls: tlsOf(tls, folder) }),
    ...(redirects ? { redirectPort: port ?? httpsPort } : {}),
  }));
}

function tlsOf(read: NonNullable<ListenerFile['tls']>, folder: string): ListenerTls {
  const path = (file: string): string => resolve(folder, file);
  return {
    certificates: read.certificates.map(({ cert, key }) => ({ cert: path(cert), key: path(key) })),
    minVersion: read.min_version,
    unknownNames: read.unknown_names,
    clientCa: read.client_ca === undefined ? '' : path(read.client_ca),
    clientCertificate: read.client_certificate ?? 'required',
    passesClientCertificate: read.pass_client_certificate,
    hsts: read.hsts ?? '',
  };
}
