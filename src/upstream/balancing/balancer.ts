// The face between an upstream and a method of balancing: what a method may know of the request, and
// what it must offer. A method is one file in methods/, one line in methods.ts and one in the model's
// `BALANCES`, from which the schema is made.

import type { BalanceKey } from '../../model.ts';
import type { Outcome, Server } from '../server.ts';

/**
 * A request as the methods see it. The exchange is one; a field is only looked up when a method asks.
 */
export interface Balanced {
  /** Servers that this request has tried; none is picked again. */
  readonly tried: readonly Server[];
  /** The request's value for this key; '' when it has none. */
  keyOf(key: BalanceKey): string;
}

/** Chooses among the servers of one tier. It is made anew when the list changes, as far as it goes by that. */
export interface Balancer {
  /** Also servers that may not take requests have a part in its choice, or their number: it must be made anew. */
  readonly goesByList: boolean;
  /** Undefined when no server may take the request, or all that may were tried. Allocates nothing. */
  pick(request: Balanced, nowMs: number): Server | undefined;
  /** An attempt has ended. `tookMs`: until the head of the answer, or until it failed. */
  observe?(server: Server, outcome: Outcome, tookMs: number, nowMs: number): void;
  /** The table lets this server of the tier take requests from now on. Its weight may have changed. */
  add(server: Server): void;
  /** The table no longer lets it take requests. */
  remove(server: Server): void;
  /** Takes back what it wrote on the servers, so that the next balancer finds them clean. */
  close(): void;
}

export type BalancerOptions = {
  /** All servers of the tier in the table's order, also those that may not take requests now. */
  readonly servers: readonly Server[];
  readonly key: BalanceKey;
  /** Most load of a server in hundredths of the mean; 0 = any. */
  readonly loadMax: number;
  /** 0 … 1, 1 excluded. */
  readonly random: () => number;
  /** The balancer before this one. */
  readonly before: Balancer | undefined;
};
