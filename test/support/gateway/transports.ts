// Every transport on real sockets, for what has to hold on each of them.

import {
  nodeTransport,
  openRawTransport,
  TicketRing,
  TlsContexts,
  type TlsGate,
  type Transport,
} from '../../../src/gateway/transport.ts';
import { credentialsOf, tlsSettings } from './certificates.ts';

const raw = openRawTransport();
// The Node that the packages bring has them: else this and half of the tests would say nothing.
if (raw === undefined) throw new Error(`no raw handles in Node ${process.versions.node}`);

export const TRANSPORTS: readonly (readonly [name: string, transport: Transport])[] = [
  ['raw', raw],
  ['node', nodeTransport],
];

/** A gate with one certificate; `failures` gets what handshakes failed with. */
export function anyGate(failures: string[] = []): TlsGate {
  const [credentials] = Object.values(credentialsOf().listeners);
  if (credentials === undefined) throw new Error('no credentials');
  return new TlsContexts({
    ...{ settings: tlsSettings(), credentials, tickets: new TicketRing() },
    onFailure: (code) => void failures.push(code),
  });
}
