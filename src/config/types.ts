// The configuration as the program uses it: parsed once, defaulted, units resolved. Nothing inside
// sees the file's shape. Keys in the file are snake_case; the schema in schema.ts is the only
// source of defaults and of docs/config.md.

import type { Address } from '../base/units.ts';
import type { CheckSpec, ProbeSpec } from '../health.ts';
import type { Balancing, NamedToken, Route, ServerAttributes } from '../model.ts';
import type { RegistrySettings } from '../registry.ts';
import type { ApprovalPoint, NotifyEvent, NotifyKind, ServiceFile } from './sections/service.ts';
import type { GatewayLimits, GatewayTimeouts } from './types/limits.ts';

export type { GatewayLimits, GatewayTimeouts };

export type ListenAddress = { readonly host: string; readonly port: number };

/** Where clients come in. */
export type ListenerConfig = ListenAddress & {
  /** Unique: the address as it is configured. */
  readonly id: string;
  /** Left out: plain HTTP. */
  readonly tls?: ListenerTls;
  /** Every request is sent on to https, at this port; left out: it is served. */
  readonly redirectPort?: number;
};

/** Paths; what is in the files is read by the primary. */
export type CertificateFiles = { readonly cert: string; readonly key: string };

export type ListenerTls = {
  /** At least one; the first is for clients that name nothing known. */
  readonly certificates: readonly CertificateFiles[];
  readonly minVersion: '1.2' | '1.3';
  /** A client that names what no certificate is for gets the first one, or is turned away. */
  readonly unknownNames: 'default' | 'refuse';
  /** Of PEM authorities; '' = clients are not asked for a certificate. */
  readonly clientCa: string;
  readonly clientCertificate: 'required' | 'optional';
  /** Servers hear of the client's certificate, in X-Client-Cert-*. */
  readonly passesClientCertificate: boolean;
  /** Value of Strict-Transport-Security; '' = none. */
  readonly hsts: string;
};

export type StaticServer = ServerAttributes & {
  readonly id: string;
  readonly host: string;
  readonly port: number;
};

export type UpstreamConfig = {
  readonly name: string;
  readonly balancing: Balancing;
  readonly slowStartMs: number;
  /** The part of its servers that requests may eject at a time: 0 … 1. */
  readonly maxEjected: number;
  /** When a smaller part than this passes its checks, those that fail take requests; 0 = never. */
  readonly panicThreshold: number;
  readonly servers: readonly StaticServer[];
  /** The registries that its servers are in; the first that has a server counts. */
  readonly follows: readonly Followed[];
  /** A drain writes `down` into the server's record; auto: where the registry can be shared. */
  readonly writeDown: 'auto' | 'on' | 'off';
  /** Take an emptied or vanished list as it is instead of holding the last good one. */
  readonly allowEmpty: boolean;
  readonly check: CheckSpec | null;
};

export type TracingConfig = {
  /** Of the collector: a URL; '' = no spans. */
  readonly endpoint: string;
  /** Of traces that begin here, 0 to 1. */
  readonly sampleShare: number;
  readonly service: string;
};

/** How the servers of an upstream are spoken to over TLS. Paths are absolute; '' = none. */
export type UpstreamTls = {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** The name in the servers' certificates; '' = the host of each. */
  readonly serverName: string;
  readonly verify: boolean;
  readonly minVersion: '1.2' | '1.3';
};

export type GatewayConfig = {
  readonly listen: readonly ListenerConfig[];
  readonly limits: GatewayLimits;
  readonly timeouts: GatewayTimeouts;
  /** Most attempts of one request; 0 = one per server. */
  readonly tries: number;
  /** Total time for attempts after the first, ms; 0 = no limit. */
  readonly triesTimeoutMs: number;
  /** Addresses and CIDR blocks whose X-Forwarded-For, -Proto and -Host are believed. */
  readonly trustedProxies: readonly string[];
  readonly underscoresInHeaders: boolean;
  readonly allowTrace: boolean;
  /** Upstreams whose requests' bodies are held until they are whole, and up to how many bytes. */
  readonly requestBuffering: Readonly<Record<string, number>>;
  /** By upstream: what becomes of tunnels and streams when a server is taken out. */
  readonly longLived: Readonly<Record<string, LongLivedConfig>>;
  /** Upstreams whose servers speak TLS. */
  readonly upstreamTls: Readonly<Record<string, UpstreamTls>>;
  /** What becomes of a client's request when it ends its side before the response begins. */
  readonly ignoreClientAbort: 'ask' | 'off' | 'on';
  readonly via: boolean;
  /** Answers of the gateway itself say why, in X-Sluice-Reason. */
  readonly isReasonShown: boolean;
  /** own: the gateway's own alone. send: the server gets it. trust: and a client's is taken for it. */
  readonly requestId: 'own' | 'send' | 'trust';
  /** Protocols that may be upgraded to; never h2c. */
  readonly upgrade: readonly string[];
  /** Access log: '' = off, '-' = standard output, else a file. */
  readonly accessLog: string;
  /** `json`, `combined` or a template: model/log-format.ts. */
  readonly accessLogFormat: string;
  readonly tracing: TracingConfig;
};

/** wait: they end by themselves. close_after: all within `graceMs`, in its last `spreadMs`. */
export type LongLivedConfig = {
  readonly policy: 'wait' | 'close_after' | 'close_now';
  readonly graceMs: number;
  readonly spreadMs: number;
};

/** A registry that an upstream follows. */
export type Followed = {
  /** `default`, or a name of the section `registries`. */
  readonly registry: string;
  /** The upstream's name there. */
  readonly service: string;
};

export type RegistryConfig = {
  /** `default`, or its name in the section `registries`. */
  readonly name: string;
  /** Its kind, and what that kind needs. */
  readonly settings: RegistrySettings;
  /** Where people write the servers when there are no records to write; undefined: records. */
  readonly serversIn: string | undefined;
  /** `upstreams/`: ends with a slash. */
  readonly prefix: string;
  /** True: do not start without the registry's first answer. */
  readonly strongDependency: boolean;
  readonly gateways: {
    /** `sluice/`: of the records that gateways write for each other. */
    readonly prefix: string;
    readonly leaseMs: number;
    readonly forgetMs: number;
  };
};

/** As records under a prefix, `upstreams/app/`, or in a place that people know, in words. */
export type ServersIn = { readonly recordPrefix: string } | { readonly place: string };

/** When the traffic of an admitted instance speaks against its version. */
export type VerifyConfig = {
  readonly windowMs: number;
  readonly minRequests: number;
  readonly minErrors: number;
  /** 0 to 1. */
  readonly errorShareMax: number;
  /** Times the share of the instances on the old version; 0 = not compared. */
  readonly vsPeers: number;
  readonly onTooFew: 'pass' | 'fail';
};

export type PipelineCommand = {
  readonly part: 'build' | 'test' | 'scan';
  /** For `sh -c`. */
  readonly command: string;
};

/** A command at a point of a release. */
export type HookConfig = {
  /** Where it runs: on the machine that deploys, or where the instance is. */
  readonly on: 'local' | 'host';
  /** For `sh -c`. */
  readonly command: string;
  readonly timeoutMs: number;
};

/** Null: none. */
export type HooksConfig = Readonly<
  Record<
    'beforeRelease' | 'beforeStop' | 'afterStart' | 'afterRelease' | 'onFailure',
    HookConfig | null
  >
>;

/** Where a release waits for a person. */
export type ApproveConfig = {
  readonly before: readonly ApprovalPoint[];
  /** Not approved by then: it ends. */
  readonly timeoutMs: number;
};

/** Who hears of a release. */
export type ReceiverConfig = {
  readonly kind: NotifyKind;
  /** A reference to it, of `webhook` perhaps the URL itself. */
  readonly url: string;
  /** A reference to what messages are signed with; '' = not signed. */
  readonly secret: string;
  readonly on: readonly NotifyEvent[];
  /** Of one try. */
  readonly timeoutMs: number;
};

/** What is brought to the hosts, and where it goes. */
export type ArtifactConfig = {
  /** An archive or a folder on this machine; whole paths. */
  readonly source: { readonly kind: 'file' | 'folder'; readonly path: string };
  /** On the hosts; no slash at the end. */
  readonly path: string;
  readonly keep: number;
  /** Paths in the artifact, without a slash at the end. */
  readonly shared: readonly string[];
  /** A name in `path`; `{port}`, `{host}` and `{id}` are filled in. */
  readonly link: string;
  readonly exclude: readonly string[];
  /** The file in the artifact whose first line is the version. */
  readonly stamp: string;
  /** Where an instance starts, relative to the version's folder; a whole path is one on the host. */
  readonly cwd: string;
  /** The version's folder in `<path>/releases`; '' until the artifact is known. */
  readonly release: string;
};

/** A machine on which instances run. */
export type HostConfig = {
  readonly name: string;
  /** Where its instances are reached; IPv6 without brackets. */
  readonly address: string;
  /** Null: the machine that deploys. */
  readonly ssh: SshConfig | null;
};

/** How the system's ssh reaches a host; '' and 0 = as its own configuration says. */
export type SshConfig = {
  /** `deploy@10.0.0.11` */
  readonly destination: string;
  readonly port: number;
  /** Absolute paths. */
  readonly identity: string;
  readonly config: string;
  readonly strict: '' | 'yes' | 'accept-new';
};

export type ServiceInstance = {
  /** `address:port`: the id of its server. */
  readonly id: string;
  readonly address: Address;
  /** Of the section `hosts`; '' = none of them: the machine that deploys. */
  readonly hostName: string;
};

/** A unit of systemd that an instance is; `{port}` and the others are filled in. */
export type SystemdConfig = {
  readonly unit: string;
  /** Where the unit reads its environment from; '' = nowhere. */
  readonly envFile: string;
  readonly isUserManager: boolean;
  /** `systemctl`, or words in front of it. */
  readonly command: readonly string[];
};

/** How `sluice deploy` runs the instances of a service. */
export type ServiceConfig = {
  readonly name: string;
  readonly upstream: string;
  /** Where people add a server of the upstream. */
  readonly serversIn: ServersIn;
  /** In release order. */
  readonly instances: readonly ServiceInstance[];
  /** Those of the section `hosts`, by name. */
  readonly hosts: ReadonlyMap<string, HostConfig>;
  /** A word for each driver of the release module. */
  readonly driver: ServiceFile['driver'];
  /** What the driver of that name needs. */
  readonly systemd: SystemdConfig;
  readonly docker: ServiceFile['docker'];
  readonly pm2: ServiceFile['pm2'];
  /** argv; `{version} {host} {port} {id} {service}` are filled in. No shell. */
  readonly start: readonly string[];
  /** `sluice serve` starts those of driver `command` again on its own machine. */
  readonly isSupervised: boolean;
  /** Who the instances run as; '' = who deploys. */
  readonly user: string;
  /** Values, or references to them, which are read at the start. */
  readonly env: Readonly<Record<string, string>>;
  /** References alone: more of `env`. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Variables of the runner's environment that the instances get besides the usual few. */
  readonly inheritEnv: readonly string[] | 'all';
  /** With an artifact that is not known yet: the folder in the link to the version. */
  readonly cwd: string;
  /** Commands that make and try the version, in order: `build`, `test`, `scan`. */
  readonly pipeline: readonly PipelineCommand[];
  /** Null: nowhere. */
  readonly approve: ApproveConfig | null;
  readonly hooks: HooksConfig;
  readonly notify: readonly ReceiverConfig[];
  /** Where they run. */
  readonly folder: string;
  readonly artifact: ArtifactConfig | null;
  /** Where pids, process logs and journals live, on the machine that deploys. */
  readonly runDir: string;
  /** The same on a host behind ssh; a relative one starts in the home of its user. */
  readonly remoteRunDir: string;
  readonly stopSignal: NonNullable<ServiceFile['stop']['signal']>;
  readonly stopTo: NonNullable<ServiceFile['stop']['to']>;
  /** From the signal to KILL. */
  readonly stopTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly drainOnTimeout: 'proceed' | 'halt';
  readonly checkPath: string;
  /** How an instance is asked; the fields of the text may be secrets. */
  readonly checkRequest: Omit<ProbeSpec, 'type' | 'timeoutMs'>;
  readonly checkIntervalMs: number;
  readonly checkTimeoutMs: number;
  readonly checkRise: number;
  readonly checkDeadlineMs: number;
  readonly checkStableMs: number;
  /** Null: what an admitted instance answers is not judged. */
  readonly verify: VerifyConfig | null;
  /** Response header that must carry the version; '' = not checked. */
  readonly versionHeader: string;
  /** True: the release's version is the one in the artifact's stamp. */
  readonly isVersionStamped: boolean;
  readonly minHealthy: number;
  readonly minHealthyPercent: number;
  readonly guardWaitMs: number;
  readonly onFailure: 'revert' | 'park' | 'rollback';
};

export type AdminConfig = {
  readonly listen: ListenAddress;
  /** May do everything; '' = there is none. */
  readonly token: string;
  readonly tokens: readonly NamedToken[];
  /** Paths; `clientCa` '' = clients need no certificate. Null: HTTP. */
  readonly tls: { readonly cert: string; readonly key: string; readonly clientCa: string } | null;
  /** A path; '' = nothing is written. */
  readonly auditLog: string;
  /** The control API starts releases, as the user of this process. */
  readonly startsReleases: boolean;
};

export type Config = {
  /** The file it came from, '' when built in. */
  readonly file: string;
  /** Absolute; what is relative in the file starts here. */
  readonly folder: string;
  /** As it stands in the file: references to secrets, and not their values. */
  readonly document: Readonly<Record<string, unknown>>;
  /** Worth a line, but no reason to refuse: `file:line:col: path: …`. */
  readonly warnings: readonly string[];
  /** Snapshot, operator intent, pid files. */
  readonly stateDir: string;
  readonly workers: number;
  readonly shutdownTimeoutMs: number;
  /** How long workers serve on when their primary was killed. */
  readonly orphanTimeoutMs: number;
  /** The file is read again when it changes. */
  readonly reloadsOnChange: boolean;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly gateway: GatewayConfig;
  readonly admin: AdminConfig;
  /** That of the section `registry`: `default`. */
  readonly registry: RegistryConfig;
  /** Those of the section `registries`. */
  readonly registries: readonly RegistryConfig[];
  readonly upstreams: readonly UpstreamConfig[];
  readonly routes: readonly Route[];
  readonly services: readonly ServiceConfig[];
};
