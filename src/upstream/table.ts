// The table: all that the data plane knows of the control plane, as plain data. The control plane
// computes it and sends whole lists, or the servers that changed in their places; a worker swaps it in
// and acknowledges its generation. Serialisable as JSON: it crosses the process boundary as it is.

/** Operator intent. ready: normal; drain: no new requests; maint: no requests, no checks. */
export type AdminState = 'ready' | 'drain' | 'maint';

/** Who took a server out, why and since when (wall clock, ms). Ready has owner and reason ''. */
export type Admin = {
  readonly state: AdminState;
  readonly owner: string;
  readonly reason: string;
  readonly sinceMs: number;
};

/** Nobody took the server out. */
export const READY: Admin = { state: 'ready', owner: '', reason: '', sinceMs: 0 };

/** Verdict of the active checks. unknown: no verdict yet, or no checks configured. */
export type Checks = 'unknown' | 'up' | 'down';

export type Balance =
  | 'round_robin'
  | 'least_conn'
  | 'least_time'
  | 'random_two'
  | 'hash'
  | 'ip_hash';

/** What of a request `hash` goes by. `name` is that of the header, cookie or query parameter. */
export type BalanceKey = {
  readonly kind: 'path' | 'uri' | 'host' | 'client' | 'header' | 'cookie' | 'query';
  readonly name: string;
};

/** How an upstream chooses. */
export type Balancing = {
  readonly method: Balance;
  /** Of `hash`. */
  readonly key: BalanceKey;
  /** Of `hash`: most load of a server in hundredths of the mean per weight; 0 = any. */
  readonly loadMax: number;
  /** Null: clients are not kept at a server. */
  readonly sticky: Sticky | null;
};

export const ROUND_ROBIN: Balancing = {
  method: 'round_robin',
  key: { kind: 'path', name: '' },
  loadMax: 0,
  sticky: null,
};

/** The cookie that keeps a client at its server. */
export type Sticky = {
  readonly cookie: string;
  /** What stands behind `name=value` in Set-Cookie, ready to send: `; Path=/; HttpOnly`. */
  readonly attributes: string;
};

/** One server as the data plane needs it. `id` is `host:port`, unique in its upstream. */
export type ServerState = {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** Of the host: the first is used, another where it does not accept. Empty: a name without any yet. */
  readonly addresses: readonly string[];
  /** Share of requests relative to the others; integer ≥ 1. */
  readonly weight: number;
  /** Failed attempts within failTimeoutMs that eject the server; 0 disables. */
  readonly maxFails: number;
  readonly failTimeoutMs: number;
  /** Most requests in flight per worker; 0 = no limit. */
  readonly maxConns: number;
  readonly backup: boolean;
  readonly admin: AdminState;
  readonly checks: Checks;
  /** True when the upstream is checked and its newcomers take no traffic before they passed. */
  readonly mustPass: boolean;
};

export type UpstreamState = {
  readonly name: string;
  readonly balancing: Balancing;
  /** Ramp of the effective weight after a server comes back; 0 = off. */
  readonly slowStartMs: number;
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

/** Servers that stay in their places, with their new states; the others are as they were. */
export type UpstreamChange = {
  readonly name: string;
  readonly servers: readonly ServerState[];
};

/**
 * What a worker gets: `upstreams` holds those whose list changed, whole; `changed` those of which some
 * servers did; `removed` the names of those that are gone.
 */
export type TableUpdate = {
  readonly generation: number;
  readonly upstreams: readonly UpstreamState[];
  readonly changed?: readonly UpstreamChange[];
  readonly removed: readonly string[];
};

/** Why a server may or may not take the next request: the same word in CLI, metric and log. */
export type Eligibility =
  | 'ok'
  | 'maint'
  | 'drain'
  | 'unresolved'
  | 'down'
  | 'unchecked'
  | 'ejected'
  | 'full';
