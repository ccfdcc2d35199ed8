// Every transport on real sockets, for what has to hold on each of them.

import { nodeTransport, openRawTransport, type Transport } from '../../../src/gateway/transport.ts';

const raw = openRawTransport();
// The Node that the packages bring has them: else this and half of the tests would say nothing.
if (raw === undefined) throw new Error(`no raw handles in Node ${process.versions.node}`);

export const TRANSPORTS: readonly (readonly [name: string, transport: Transport])[] = [
  ['raw', raw],
  ['node', nodeTransport],
];
