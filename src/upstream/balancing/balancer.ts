// The face between an upstream and a method of balancing: what a method may know of the request, and
// what it must offer. A method is one file here, one line in methods.ts and one in the schema.

import type { BalanceKey } from '../../model.ts';
import type { Outcome, Server } from '../server.ts';

/**
 * A request as the methods see it. The exchange is one; a field is only looked up when a method asks.
 */
export interface Balanced {
  /** Servers that this request has tried; none is picked again. */
  readonly tried: readonly Server[];
  /** What the key names, '' when the request has none of it. */
  keyOf(key: BalanceKey): string;
}

/** Chooses among the servers of one tier. Made anew when the list changes, not when one of it does. */
export interface Balancer {
  /** Undefined when none of them may take a request now, or all that may were tried. Allocates nothing. */
  pick(request: Balanced, nowMs: number): Server | undefined;
  /** An attempt has ended; `tookMs` to the head of the answer, or to its failure. */
  observe?(server: Server, outcome: Outcome, tookMs: number, nowMs: number): void;
  /** One of the tier may take requests from now on, by the table; its weight may be another one. */
  add(server: Server): void;
  /** It may not any more. */
  remove(server: Server): void;
  /** Gives back what it keeps on the servers, for the balancer that follows. */
  close(): void;
}

export type BalancerOptions = {
  /** All of the tier in the table's order, also those that may not take requests at present. */
  readonly servers: readonly Server[];
  readonly key: BalanceKey;
  /** Most load of a server in hundredths of the mean; 0 = any. */
  readonly loadMax: number;
  /** 0 … 1, 1 excluded. */
  readonly random: () => number;
  /** The balancer that this one takes the place of. */
  readonly before: Balancer | undefined;
};
