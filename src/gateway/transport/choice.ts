// Which transport a program uses: raw handles where this Node has them, unless SLUICE_TRANSPORT=node says otherwise.

import type { Transport } from './connection.ts';
import { nodeTransport } from './node-transport.ts';
import { openRawTransport } from './raw-transport.ts';

export type TransportChoice = {
  readonly transport: Transport;
  /** In words, for the log. */
  readonly why: string;
};

export function chooseTransport(
  wanted = process.env['SLUICE_TRANSPORT'] ?? '',
  openRaw = openRawTransport,
): TransportChoice {
  if (wanted === 'node')
    return { transport: nodeTransport, why: 'net.Socket: SLUICE_TRANSPORT=node' };
  const raw = openRaw();
  if (raw !== undefined) return { transport: raw, why: 'raw handles' };
  const why = `net.Socket: Node ${process.versions.node} has no such handles as we know; slower, else the same`;
  return { transport: nodeTransport, why };
}
