// The fields in which servers hear of a client's certificate. What a client itself says in them is taken out before, on
// every listener: a server that believes them cannot see by which one a request came.

import { type RequestHead, withFields } from '../message.ts';
import type { TlsFacts } from '../transport.ts';

/** Underscores too: servers of the CGI kind see no difference. */
const OURS = /^x[-_]client[-_]cert[-_][^:]*:.*\r\n/gim;

/** The lines for a client, each with CRLF. */
export function saidOfClient(
  { passesClientCertificate: passes }: { readonly passesClientCertificate: boolean },
  tls: TlsFacts | undefined,
): string {
  const client = passes ? tls?.client : undefined;
  if (client === undefined) return '';
  return `X-Client-Cert-Subject: ${client.subject}\r\nX-Client-Cert-Fingerprint: ${client.fingerprint}\r\n`;
}

/** The head without what a client says of its certificate. */
export function withoutCertificates<Head extends RequestHead>(head: Head): Head {
  const fields = head.fields.replace(OURS, '');
  return fields === head.fields ? head : withFields(head, fields);
}
