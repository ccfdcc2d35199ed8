// The face of the upstream module: named groups of servers, who of them takes the next request and
// why not the others. Runs in every worker on the hot path; knows no sockets and no registry.

export type { Balanced } from './upstream/balancing/balancer.ts';
export {
  addServerCounters,
  addUpstreamCounters,
  createServerCounters,
  createUpstreamCounters,
  DURATION_BOUNDS_MS,
  type ExchangeResult,
  openTunnels,
  type ServerCounters,
  sumOfServerCounters,
  type UpstreamCounters,
} from './upstream/counters.ts';
export { eligibility } from './upstream/eligibility.ts';
export { type Outcome, Server } from './upstream/server.ts';
export type { Findings, ServerSnapshot, UpstreamSnapshot } from './upstream/snapshot.ts';
export {
  type Admin,
  type AdminState,
  type Balance,
  type BalanceKey,
  type Balancing,
  type Checks,
  type Eligibility,
  type PageName,
  READY,
  ROUND_ROBIN,
  type Route,
  type ServerState,
  type Sticky,
  type TableUpdate,
  type UpstreamChange,
  type UpstreamState,
} from './upstream/table.ts';
export { Upstream } from './upstream/upstream.ts';
export { UpstreamSet } from './upstream/upstream-set.ts';
