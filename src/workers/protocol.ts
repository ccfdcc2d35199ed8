// What the primary and its workers say to each other over IPC, as JSON. Both ends are this program
// in one version; a message is still parsed, so that a mistake shows as an error and not as NaN.

import type { LogLevel } from '../base/log.ts';
import type { GatewayConfig } from '../config.ts';
import type { SocketFigures } from '../gateway.ts';
import type {
  OldestRequest,
  PageName,
  Route,
  ServerFigures,
  StoryBatch,
  TableUpdate,
  TextAnswer,
  TlsCredentials,
  UpstreamCounters,
} from '../model.ts';

/** Of what is said here. A worker of another one can only be told to finish. */
export const PROTOCOL = 1;

export type GapWatch = { readonly id: string; readonly upstream: string };

/** What a worker takes from the configuration, at its start and again with each change. */
export type WorkerConfig = {
  readonly logLevel: LogLevel;
  readonly gateway: GatewayConfig;
  readonly routes: readonly Route[];
  readonly shutdownTimeoutMs: number;
  /** How long it serves on when the primary is gone. */
  readonly orphanTimeoutMs: number;
};

export type ToWorker =
  | {
      /** The first message. The worker answers with an ack of the table's generation. */
      readonly kind: 'start';
      readonly worker: number;
      /** Where the next primary would find it. */
      readonly handover: string;
      readonly config: WorkerConfig;
      readonly table: TableUpdate;
      readonly tls: TlsCredentials;
      /** The receipts that are open. Their gaps are watched from now on. */
      readonly gaps: readonly GapWatch[];
    }
  /** The first message of another primary: what is in force from now on. The worker answers with an ack. */
  | {
      readonly kind: 'adopt';
      readonly config: WorkerConfig;
      readonly table: TableUpdate;
      readonly tls: TlsCredentials;
      readonly gaps: readonly GapWatch[];
    }
  /** It carries a bound socket: that of the listener with this id, before the config that has it. */
  | { readonly kind: 'listener'; readonly id: string }
  /** All sockets are there, accept clients. The worker answers `listening` or `failed`. */
  | { readonly kind: 'listen' }
  | { readonly kind: 'table'; readonly update: TableUpdate }
  /** A new configuration and the table of that moment, put in force together. The answer is an ack. */
  | { readonly kind: 'config'; readonly config: WorkerConfig; readonly update: TableUpdate }
  /** Certificates of the listeners, for clients that come from now on; before a configuration that needs them. */
  | { readonly kind: 'tls'; readonly tls: TlsCredentials }
  | { readonly kind: 'report'; readonly request: number }
  | { readonly kind: 'open-gap'; readonly gap: GapWatch }
  | { readonly kind: 'close-gap'; readonly gap: GapWatch }
  /** Answers a worker's `page`; null: it could not be rendered. */
  | { readonly kind: 'page'; readonly request: number; readonly page: TextAnswer | null }
  | { readonly kind: 'reopen-logs' }
  /** This primary leaves on purpose, another takes over. */
  | { readonly kind: 'followed' }
  /** Finish what is in flight, then exit. */
  | { readonly kind: 'close'; readonly deadlineMs: number };

/** A server that takes no new requests and still has some in flight. */
export type BusyServer = {
  readonly upstream: string;
  readonly server: string;
  readonly inFlight: number;
};

/** Counted since the worker's start. `servers`: only those that changed since the report before. */
export type UpstreamReport = {
  readonly name: string;
  readonly counters: UpstreamCounters;
  readonly servers: readonly ServerFigures[];
};

export type Report = {
  readonly connections: number;
  readonly sockets: SocketFigures;
  readonly upstreams: readonly UpstreamReport[];
  readonly oldest: readonly OldestRequest[];
  /** Longest gap of each open receipt, ms. */
  readonly gaps: readonly { readonly id: string; readonly longestMs: number }[];
};

export type FromWorker =
  /** The table is in force. A server that is not in `busy` is idle in this worker. */
  | { readonly kind: 'ack'; readonly generation: number; readonly busy: readonly BusyServer[] }
  /** The last request in flight on a server that takes no new ones has ended. */
  | { readonly kind: 'idle'; readonly upstream: string; readonly server: string }
  | { readonly kind: 'listening' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  /** The primary answers with a `page` of the same number. `query` is as it came. */
  | {
      readonly kind: 'page';
      readonly request: number;
      readonly name: PageName;
      readonly query: string;
    }
  /** Requests that ended since the last one; before each report, where there is something to tell. */
  | { readonly kind: 'stories'; readonly batch: StoryBatch }
  /** Somebody sent this process a signal that asks for an end. */
  | { readonly kind: 'asked-to-end'; readonly signal: string }
  /** `request` 0: nobody asked, the worker's timer sent it. */
  | { readonly kind: 'report'; readonly request: number; readonly report: Report };

const TO_WORKER: Readonly<Record<ToWorker['kind'], readonly string[]>> = {
  start: ['worker', 'handover', 'config', 'table', 'tls', 'gaps'],
  adopt: ['config', 'table', 'tls', 'gaps'],
  listener: ['id'],
  listen: [],
  table: ['update'],
  config: ['config', 'update'],
  tls: ['tls'],
  report: ['request'],
  'open-gap': ['gap'],
  'close-gap': ['gap'],
  page: ['request', 'page'],
  'reopen-logs': [],
  followed: [],
  close: ['deadlineMs'],
};

const FROM_WORKER: Readonly<Record<FromWorker['kind'], readonly string[]>> = {
  ack: ['generation', 'busy'],
  idle: ['upstream', 'server'],
  listening: [],
  failed: ['code', 'message'],
  page: ['request', 'name', 'query'],
  stories: ['batch'],
  'asked-to-end': ['signal'],
  report: ['request', 'report'],
};

export function parseToWorker(value: unknown): ToWorker | undefined {
  // The sender is our own code in the same version, so it is enough to check kind and keys.
  return hasShape(value, TO_WORKER) ? (value as ToWorker) : undefined;
}

export function parseFromWorker(value: unknown): FromWorker | undefined {
  // As above.
  return hasShape(value, FROM_WORKER) ? (value as FromWorker) : undefined;
}

function hasShape(value: unknown, shapes: Readonly<Record<string, readonly string[]>>): boolean {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  if (typeof value.kind !== 'string' || !Object.hasOwn(shapes, value.kind)) return false;
  return shapes[value.kind]?.every((key) => key in value) === true;
}
