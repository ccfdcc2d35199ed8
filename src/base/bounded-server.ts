// A server of the primary process (control API, registry) gets a part of its descriptors and no more.
// The others are for probes, workers and files: without them nobody could operate the gateway. Dropped
// clients are logged with their number, soon after the first one, and again while it goes on.

import { Server } from 'node:net';
import { processDescriptors } from './descriptors.ts';
import type { Log } from './log.ts';

/** Of the descriptors: for the control API, for the registry, and for probes each. */
const PART = 1 / 4;
const SAY_AFTER_MS = 1000;

/** Sockets that one of the primary's users of descriptors may have; `most` however many there are. */
export function descriptorPart(
  most: number,
  max: number = processDescriptors.max(),
  part = PART,
): number {
  return Math.max(8, Math.min(most, Math.floor(max * part)));
}

export function boundConnections(
  server: Server,
  options: {
    readonly most: number;
    /** Of the process's descriptors; a quarter. */
    readonly part?: number | undefined;
    readonly log: Log;
    readonly text: string;
  },
): void {
  server.maxConnections = descriptorPart(options.most, processDescriptors.max(), options.part);
  let dropped = 0;
  server.on('drop', () => {
    dropped += 1;
    if (dropped > 1) return;
    setTimeout(() => {
      const fields = { dropped, connectionsMax: server.maxConnections };
      options.log.warn(fields, options.text);
      dropped = 0;
    }, SAY_AFTER_MS).unref();
  });
}

/** Nobody new comes in; those that are connected stay, also where HTTP's own `close` would end the idle. Resolves when the last has left. */
export function closeListener(server: Server): Promise<void> {
  return new Promise((resolve) => {
    Server.prototype.close.call(server, () => resolve());
  });
}
