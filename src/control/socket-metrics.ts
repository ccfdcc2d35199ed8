// Descriptors and connections of all processes for the metrics: what is open now from the last report of
// each living worker, what happened from the sums over all workers.

import type { SocketMetrics } from '../admin.ts';
import { processDescriptors } from '../base/descriptors.ts';
import type { Fleet } from '../workers.ts';

export function socketMetrics(fleet: Fleet): SocketMetrics {
  const { connects, ...counters } = fleet.socketTotals();
  const primary = { process: 'primary', open: processDescriptors.open() };
  const processes = [{ ...primary, max: processDescriptors.max() }];
  const upstreams = new Map<string, { idle: number; inUse: number }>();
  let clientsMax = 0;
  for (const { id, figures } of fleet.links) {
    const { sockets } = figures;
    if (sockets === undefined) continue;
    const { descriptorsOpen: open, descriptorsMax: max } = sockets;
    processes.push({ process: `worker ${id}`, open, max });
    clientsMax += sockets.clientsMax;
    for (const { name, idle, inUse } of sockets.upstreams) {
      const sum = upstreams.get(name) ?? { idle: 0, inUse: 0 };
      upstreams.set(name, { idle: sum.idle + idle, inUse: sum.inUse + inUse });
    }
  }
  return {
    ...{ processes, clientsMax, ...counters },
    upstreams: [...connects].map(([name, count]) => ({
      name,
      connects: count,
      idle: upstreams.get(name)?.idle ?? 0,
      inUse: upstreams.get(name)?.inUse ?? 0,
    })),
  };
}
