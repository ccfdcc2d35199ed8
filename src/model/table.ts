// The table: all that the data plane knows of the control plane, as plain data. The control plane
// computes it and sends whole lists, or the servers that changed in their places; a worker swaps it in
// and acknowledges its generation. Serialisable as JSON: it crosses the process boundary as it is.

import type { Balancing } from './balancing.ts';
import type { ServerState } from './server.ts';

export type UpstreamState = {
  readonly name: string;
  readonly balancing: Balancing;
  /** How long the weight of a server rises after it came back; 0 = off. */
  readonly slowStartMs: number;
  /** The part of the servers that requests may eject at a time: 0 … 1. Left out: 1. */
  readonly maxEjected?: number;
  /** In the order of the balancer: config file first, then the registry's keys in byte order. */
  readonly servers: readonly ServerState[];
};

/** `host` is a lower-case name, `*.name`, or '' for any; `path` is a prefix that starts with `/`. */
export type Route = { readonly host: string; readonly path: string } & (
  | { readonly upstream: string }
  /** `allow`: addresses and CIDR blocks of those who may see the page. */
  | { readonly page: PageName; readonly allow: readonly string[] }
);

/** The pages that the gateway itself answers with. */
export type PageName = 'upstream_status' | 'upstream_list';

/** What such a page is, or any other answer that is text. */
export type TextAnswer = { readonly contentType: string; readonly body: string };

/** Servers with new states, which stay in their places or have joined; and those that left. The others have not changed. */
export type UpstreamChange = {
  readonly name: string;
  readonly servers: readonly ServerState[];
  /** Of each of them, its place in the whole list as it is now. */
  readonly places?: readonly number[];
  readonly left?: readonly string[];
};

/**
 * What a worker gets. `upstreams`: those whose list changed, with all servers. `changed`: those of which
 * only some servers changed. `removed`: the names of those that are gone.
 */
export type TableUpdate = {
  readonly generation: number;
  readonly upstreams: readonly UpstreamState[];
  readonly changed?: readonly UpstreamChange[];
  readonly removed: readonly string[];
};
