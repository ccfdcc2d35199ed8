// The face of the control module: the table of every server's facts, and what people and releases may
// read and ask of it. Runs in the primary.

export { DaemonControl } from './control/daemon-control.ts';
export { computeEffect } from './control/effect.ts';
export type { KnownRegistry } from './control/known-registry.ts';
export {
  computeTopics,
  HistoryFeed,
  Hub,
  OverGateways,
  SeenReleases,
  StoryStore,
  TrafficOfOthers,
  trafficText,
} from './control/live.ts';
export { type Lookup, Names, systemLookup } from './control/names.ts';
export { OutageWatch } from './control/outages.ts';
export type { ReceiptsJson } from './control/receipts.ts';
export { RegistryDesk } from './control/record-desk.ts';
export { type Program, ProgramDesk } from './control/release-desk.ts';
export { SharedControl, SharedReleases } from './control/shared.ts';
export { type Memberships, Table } from './control/table.ts';
