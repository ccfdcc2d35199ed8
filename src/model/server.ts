// One server as the data plane needs it: the attributes that config and registry give it, and the facts
// that others say about it.

import type { AdminState } from './admin.ts';
import type { StateAttributes } from './server-attributes.ts';

/** Verdict of the active checks. unknown: no verdict yet, or no checks configured. */
export type Checks = 'unknown' | 'up' | 'down';

/** One server as the data plane needs it. `id` is `host:port`, unique in its upstream. */
export type ServerState = StateAttributes & {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** The host's. The first is used; another one when it does not accept. Empty: not resolved yet. */
  readonly addresses: readonly string[];
  readonly admin: AdminState;
  readonly checks: Checks;
  /** True when the upstream has checks, and its newcomers take no traffic before they have passed. */
  readonly mustPass: boolean;
  /** True when it is down by its checks and takes requests, because too few others pass (panic_threshold). */
  readonly isPanic?: boolean;
};
