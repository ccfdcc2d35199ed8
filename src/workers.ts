// The face of the workers module: the processes that serve clients, seen from the primary. It binds their
// sockets, sends them the table and its changes, and keeps the sums of what they report.

export { ListenSockets, type SocketsById } from './workers/bind.ts';
export {
  type FleetJson,
  type TotalsJson,
  totalsOfJson,
  totalsToJson,
  type UpstreamTotals,
  WorkerFigures,
} from './workers/figures.ts';
export { Fleet } from './workers/fleet.ts';
export { findGuests, type Guest } from './workers/handover/guests.ts';
export type { GapWatch, WorkerConfig } from './workers/protocol.ts';
export { Reporter } from './workers/reporter.ts';
export { ChangedServers, type ServersChanged, type TableChanges } from './workers/table-changes.ts';
