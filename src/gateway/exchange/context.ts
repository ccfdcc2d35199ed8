// What every exchange of one gateway works with. The routes and what comes from the configuration are
// swapped whole, everything else stays.

import type { GatewayConfig } from '../../config.ts';
import type { UpstreamSet } from '../../upstream.ts';
import type { AccessLog } from '../access-log.ts';
import type { Recorder, RequestIds } from '../recorder.ts';
import type { OwnAnswers, ReadPage, RouteTable } from '../routing.ts';
import type { Tracer } from '../tracing.ts';
import type { LongLived } from './long-lived.ts';
import type { ServerStreams } from './server-stream.ts';

export type ExchangeContext = {
  config: GatewayConfig;
  readonly upstreams: UpstreamSet;
  readonly streams: ServerStreams;
  readonly longLived: LongLived;
  accessLog: AccessLog | undefined;
  /** undefined: nothing is traced. */
  tracer: Tracer | undefined;
  readonly ownAnswers: OwnAnswers;
  readonly ids: RequestIds;
  readonly recorder: Recorder;
  /** undefined: nobody renders pages. */
  readonly readPage: ReadPage | undefined;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  routes: RouteTable;
};
