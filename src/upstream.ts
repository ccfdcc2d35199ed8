// The face of the upstream module: named groups of servers, who of them takes the next request and
// why not the others. Runs in every worker on the hot path; knows no sockets and no registry.

export type { Balanced } from './upstream/balancing/balancer.ts';
export { type Outcome, Server } from './upstream/server.ts';
export { Upstream } from './upstream/upstream.ts';
export { UpstreamSet } from './upstream/upstream-set.ts';
