// What the topics of the stream say, by name: objects by id, no null anywhere, what is not known is left out.
// Types alone: a page draws what it knows and lets the rest be.

import type { Balance, Eligibility } from '../../model.ts';
import type {
  EventDocument,
  GatewayDocument,
  ServerDocument,
  UpstreamDocument,
} from './documents.ts';
import type {
  CommandDocument,
  LockDocument,
  ReleaseSummary,
  WaitsDocument,
} from './release-documents.ts';
import type { StoryDocument } from './stories.ts';

type ById<Value> = Readonly<Record<string, Value>>;

/** Of one second. */
export type SecondFigures = {
  readonly requests: number;
  /** Lost, cut, or attempts that failed. */
  readonly failures: number;
  /** 5xx. */
  readonly errors: number;
  /** Left out where there was no answer. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
};

/** Of one gateway, or of several. */
export type Traffic = { readonly inFlight: number; readonly lastSecond: SecondFigures };

/** Where several gateways share the registry; else left out. */
type OverGateways = {
  /** Of all that were heard, this one as well. */
  readonly sum?: Traffic;
  /** Of the others, by their ids. */
  readonly elsewhere?: ById<Traffic>;
};

export type UpstreamRow = OverGateways & {
  readonly balance: Balance;
  readonly eligible: number;
  readonly servers: number;
  readonly problems: number;
  /** How many servers are in which state. */
  readonly eligibility: Readonly<Partial<Record<Eligibility, number>>>;
  readonly versions: ById<number>;
  readonly inFlight: number;
  readonly lastSecond: SecondFigures;
};

export type RegistryRow = {
  readonly kind: string;
  readonly address: string;
  readonly reachable: boolean;
  readonly trouble: string;
  /** 0 while it is reachable. */
  readonly lastContactMs: number;
};

/** A service of which there was a release. */
export type ServiceRow = {
  readonly upstream: string;
  readonly running?: {
    readonly release: string;
    readonly version: string;
    readonly user: string;
    readonly runner: string;
    readonly sinceMs: number;
    /** `drain of 10.0.0.7:9001` */
    readonly step: string;
    /** Its runner gives no sign of life. */
    readonly stale: boolean;
    readonly waits?: WaitsDocument;
    /** Instances that are through, and all; left out before there is a plan. */
    readonly done?: number;
    readonly total?: number;
  };
  /** The newest one that is over. */
  readonly last?: ReleaseSummary;
};

/** Something that a person should look at. */
export type Attention = {
  readonly level: 'bad' | 'warn' | 'info';
  readonly code:
    | 'registry_away'
    | 'none_eligible'
    | 'list_held'
    | 'records_unreadable'
    | 'servers_out'
    | 'out_for_long'
    | 'give_back_waits'
    | 'not_restarted'
    | 'gateway_silent'
    | 'gateway_behind'
    | 'worker_silent'
    | 'release_without_runner'
    | 'release_waits'
    | 'release_runs'
    | 'release_failed';
  /** The upstream, service, registry, gateway or worker. */
  readonly subject: string;
  /** In a sentence. */
  readonly text: string;
  /** What the sentence is about: servers, a step, a reason. */
  readonly detail?: string;
  readonly count?: number;
  readonly release?: string;
  readonly sinceMs?: number;
};

export type OverviewTopic = {
  readonly version: string;
  readonly generation: number;
  /** Names of live gateways that said nothing of their traffic lately: it is in no sum. */
  readonly unheard: readonly string[];
  readonly gateways: ById<Omit<GatewayDocument, 'id' | 'index'>>;
  readonly registries: ById<RegistryRow>;
  readonly upstreams: ById<UpstreamRow>;
  readonly services: ById<ServiceRow>;
  /** By code and subject, worst first. */
  readonly attention: ById<Attention>;
};

export type PoolServer = OverGateways &
  Omit<ServerDocument, 'id'> & {
    /** '' = not known. */
    readonly version: string;
    readonly lastSecond: SecondFigures;
  };

export type PoolTopic =
  | { readonly gone: true }
  | (Omit<UpstreamRow, 'servers' | 'problems'> & {
      readonly problems: UpstreamDocument['problems'];
      readonly servers: ById<PoolServer>;
      /** Names of the other gateways by their ids, and which of them said nothing of their traffic lately. */
      readonly gateways?: ById<{ readonly name: string; readonly isHeard: boolean }>;
    });

/** By their number: the newest has the highest. Ordinary ones are left out. */
export type RequestsTopic = {
  readonly requests: ById<Omit<StoryDocument, 'waitMs'> & { readonly waitMs?: number }>;
  readonly leftOut: number;
};

export type EventsTopic = { readonly events: ById<EventDocument> };

export type TopicTrouble = {
  readonly trouble: { readonly code: string; readonly message: string };
};

/** `release:SERVICE` */
export type ReleasesTopic =
  | TopicTrouble
  | {
      readonly shared: boolean;
      readonly stale: boolean;
      readonly lock: Partial<Omit<LockDocument, 'beat' | 'holder' | 'asked'>> & {
        readonly holder?: NonNullable<LockDocument['holder']>;
        readonly asked?: CommandDocument;
      };
      readonly releases: ById<ReleaseSummary>;
    };

/** `release:SERVICE/RELEASE` */
export type ReleaseTopic =
  | TopicTrouble
  | {
      readonly summary: ReleaseSummary;
      /** By their number; `data` is JSON, because there may be a null in it. */
      readonly records: ById<{
        readonly ts: string;
        readonly kind: string;
        readonly instance: string;
        readonly step: string;
        readonly fence: number;
        readonly data: string;
      }>;
    };
