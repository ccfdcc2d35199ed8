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
  /** Of the host: the first is used, another where it does not accept. Empty: a name without any yet. */
  readonly addresses: readonly string[];
  readonly admin: AdminState;
  readonly checks: Checks;
  /** True when the upstream is checked and its newcomers take no traffic before they passed. */
  readonly mustPass: boolean;
};
