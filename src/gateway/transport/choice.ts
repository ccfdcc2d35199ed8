// Which transport a program uses: raw handles where this Node has them, unless SLUICE_TRANSPORT=node says otherwise.

import type { Transport } from './connection.ts';
import { nodeTransport } from './node-transport.ts';
import { openRawTransport } from './raw-transport.ts';

export type TransportChoice = {
  readonly transport: Transport;
  /** It is the documented way, not the quick one. */
  readonly isSlower: boolean;
  /** In words, for the log. */
  readonly why: string;
};

export function chooseTransport(
  wanted = process.env['SLUICE_TRANSPORT'] ?? '',
  openRaw = openRawTransport,
): TransportChoice {
  const ordinary = { transport: nodeTransport, isSlower: true };
  if (wanted === 'node') return { ...ordinary, why: 'SLUICE_TRANSPORT=node' };
  const raw = openRaw();
  if (raw !== undefined) return { transport: raw, isSlower: false, why: 'raw handles' };
  return {
    ...ordinary,
    why: `Node ${process.versions.node} has no such handles as are known here`,
  };
}
