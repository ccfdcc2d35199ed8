// What every connection of one gateway shares. Built once in gateway.ts; the routes and what comes from
// the configuration are swapped whole, everything else stays.

import type { Log } from '../base/log.ts';
import type { GatewayConfig } from '../config.ts';
import type { UpstreamSet } from '../upstream.ts';
import type { AccessLog } from './access-log.ts';
import type { AddressSet } from './forwarding.ts';
import type { ConnectionPool } from './http1/server-side/connection-pool.ts';
import type { BodyLimits, HeadLimits } from './http1/syntax.ts';
import type { Sockets } from './listener/sockets.ts';
import type { RareLine } from './rare-line.ts';
import type { OwnAnswers } from './routing/own-answers.ts';
import type { ReadPage } from './routing/pages.ts';
import type { RouteTable } from './routing/route.ts';
import type { Transport } from './transport.ts';
import type { Wheel } from './wheel.ts';

/** How long a shutdown leaves idle client connections open, so that a request that is just being
 *  sent on one is answered (with `Connection: close`) instead of reset. */
export const IDLE_GRACE_MS = 300;

export type GatewayContext = {
  config: GatewayConfig;
  headLimits: HeadLimits;
  responseBodyLimits: BodyLimits;
  readonly log: Log;
  readonly transport: Transport;
  readonly wheel: Wheel;
  readonly sockets: Sockets;
  readonly pool: ConnectionPool;
  /** Requests that got a 503 because there was no descriptor for a server connection. */
  readonly noSocket: RareLine;
  readonly upstreams: UpstreamSet;
  accessLog: AccessLog | undefined;
  readonly ownAnswers: OwnAnswers;
  /** undefined: nobody renders pages. */
  readonly readPage: ReadPage | undefined;
  /** Peers that are proxies of ours. */
  trusted: AddressSet;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  routes: RouteTable;
  /** Shutting down: no response promises another request. */
  isClosing: boolean;
};
