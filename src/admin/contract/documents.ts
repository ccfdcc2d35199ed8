// The documents of the control API: what it answers as JSON. Each is declared once, as a shape; its type
// and the check of its readers come from that. The daemon writes them; the CLI, the release engine and
// dashboards read them.

import type { Scope } from '../../base/scope.ts';
import {
  type Admin,
  type Balance,
  type Checks,
  type Eligibility,
  SERVER_ATTRIBUTES,
  STATE_FIELDS,
  type StateAttributes,
} from '../../model.ts';
import {
  fields,
  flag,
  list,
  number,
  object,
  optional,
  type Shape,
  text,
  type ValueOf,
  word,
} from './shape.ts';

export const ADMIN: Shape<Admin> = object({
  state: word<Admin['state']>(),
  owner: word<Admin['owner']>(),
  reason: text,
  sinceMs: number,
});

export const SCOPE: Shape<Scope> = object({
  gateway: text,
  heard: list(text),
  unheard: list(text),
});

type AttributeShapes = {
  readonly [Field in keyof StateAttributes]: StateAttributes[Field] extends boolean
    ? typeof flag
    : typeof number;
};

// Object.fromEntries does not know the names, which are those of the declaration.
const ATTRIBUTES = Object.fromEntries(
  STATE_FIELDS.map((field) => [field, SERVER_ATTRIBUTES[field].unit === 'flag' ? flag : number]),
) as AttributeShapes;

export const SERVER = object({
  id: text,
  /** The first is used, others where it does not accept; other than in the id where that is a name. */
  addresses: list(text),
  ...ATTRIBUTES,
  /** Where the record is from: the config file, the registry, or held after the list vanished. */
  source: word<'config' | 'registry' | 'held'>(),
  /** Which registry that is; '' where it is the config file alone. */
  registry: text,
  /** Others that have it, too, and do not count. */
  alsoIn: list(text),
  admin: ADMIN,
  /** Verdict of the active checks; off: this upstream has none, so nobody has looked. */
  checks: word<Checks | 'off'>(),
  /** Checked, and out of traffic until it has passed: then unknown counts as down. */
  mustPass: flag,
  checkReason: text,
  checkType: word<'http' | 'https' | 'tcp' | 'tls' | 'none'>(),
  checkPort: number,
  riseCount: number,
  fallCount: number,
  /** 'ok' or the reason; with several workers the worst of their views. */
  eligibility: word<Eligibility>(),
  /** Other gateways where it takes no requests, with the reason there. */
  outElsewhere: list(object({ gateway: text, eligibility: word<Eligibility>() })),
  /** Every worker of every live gateway has its admin state in force. */
  settled: flag,
  /** Ready was said while the registry is away, and is not in force yet: others go by its being out. */
  givenBack: flag,
  /** Sums over the workers, as the four below. */
  inFlight: number,
  /** Of those in flight: open tunnels, and streams. */
  tunnels: number,
  streams: number,
  requests: number,
  failures: number,
  /** What requests found: attempts that failed since the last answer, over the workers. */
  failedInARow: number,
  /** Why the last one failed, in words; '' = none did. */
  lastFailure: text,
  lastFailureMs: number,
  /** 0 = not ejected; the last of the workers. */
  ejectedUntilMs: number,
  /** The part of its weight that it has now, in a slow start; 1 = all; the least of the workers. */
  ramp: number,
  /** Of a server that takes no new requests: which of those in flight came first, and when; '' and 0 = none. */
  oldestRequest: text,
  oldestSinceMs: number,
  /** Of an instance that this gateway's machine looks after: how often it was started again. */
  restarts: number,
  /** How it ended last, in words; '' = it did not, or nobody here looks after it. */
  lastExit: text,
  lastExitMs: number,
  /** Why it is not started again, in words; '' normally. */
  resting: text,
});

export type ServerDocument = ValueOf<typeof SERVER>;

export const UPSTREAM = object({
  name: text,
  balance: word<Balance>(),
  eligible: number,
  servers: list(SERVER),
  /** Unreadable records and held lists. */
  problems: list(
    object({
      /** `host:port`; '' when it concerns the whole list, or the key names no server. */
      server: text,
      key: text,
      /** In words. */
      message: text,
    }),
  ),
});

export type UpstreamDocument = ValueOf<typeof UPSTREAM>;

const REGISTRY = object({
  /** `default` is that of the section `registry`. */
  name: text,
  kind: text,
  /** `host:port`, or the path of a file. */
  address: text,
  /** `upstreams/`; '' where the servers are no records, so that nothing here can write them. */
  recordPrefix: text,
  reachable: flag,
  index: number,
  lastContactMs: number,
  trouble: text,
});

export type RegistryDocument = ValueOf<typeof REGISTRY>;
const GATEWAY = object({
  id: text,
  /** `pid 4711 on web-1`. */
  name: text,
  /** live, or silent: it stopped renewing its lease without a goodbye. */
  state: word<'live' | 'silent'>(),
  /** Since when, as this gateway saw it; of itself its start. */
  sinceMs: number,
  version: text,
  /** `host:port` of its control API. */
  control: text,
  generation: number,
  /** Of the registry, as it has it in force; 0 = not known. */
  index: number,
  /** Every intent is in force there as it is here; a silent one is not asked. */
  current: flag,
  /** For how long it has been behind this one, in intents or in the registry, as far as was seen here; 0 = it is not. */
  lagMs: number,
});

export type GatewayDocument = ValueOf<typeof GATEWAY>;

const CERTIFICATE = object({
  /** The listener that it is for: its address, as it is configured. */
  listener: text,
  file: text,
  names: list(text),
  /** `ec` or `rsa`. */
  keyType: text,
  beginsAtMs: number,
  expiresAtMs: number,
  /** SHA-256, as openssl writes it. */
  fingerprint: text,
});

export const STATUS = object({
  version: text,
  generation: number,
  startedAtMs: number,
  configuration: optional(
    object({
      /** '' = the defaults: there is no file. */
      file: text,
      /** When what is in force was put in force. */
      appliedAtMs: number,
      /** Why the file was not taken when it was read last; '' = it was. */
      trouble: text,
    }),
  ),
  /** Of listeners with TLS. */
  certificates: optional(list(CERTIFICATE)),
  process: optional(
    object({
      /** Of the primary. */
      pid: number,
      /** Why no other took over when one was to; '' = none was, or it did. */
      trouble: text,
    }),
  ),
  /** Whose view all of this is. */
  scope: SCOPE,
  /** The gateways that share the registry, this one first. */
  gateways: list(GATEWAY),
  workers: list(
    object({
      id: number,
      pid: number,
      generation: number,
      connections: number,
      /** Since its last sign of life; workers give one twice a second. */
      silentMs: number,
    }),
  ),
  /** That of the section `registry`. */
  registry: REGISTRY,
  /** Those of the section `registries`. */
  registries: list(REGISTRY),
  upstreams: list(UPSTREAM),
});

export type StatusDocument = ValueOf<typeof STATUS>;

/** How far a change of admin state has come, and the drain. */
export const DRAIN = object({
  server: text,
  admin: ADMIN,
  /** The generation that carries the change. */
  generation: number,
  /** True when every live worker has acknowledged that generation. */
  acknowledged: flag,
  inFlight: number,
  /** Open tunnels, which are among those in flight. */
  tunnels: number,
  /** Streams of events and responses that run for more than 10 s; these, too. */
  streams: number,
  /** acknowledged and inFlight 0, on the gateway that `scope` names. */
  idle: flag,
  /** As in status. */
  givenBack: flag,
  eligibility: word<Eligibility>(),
  scope: SCOPE,
});

export type DrainDocument = ValueOf<typeof DRAIN>;

/** The weight that was written. */
export const WEIGHT = object({ server: text, weight: number });

/** What a server's record says now. */
export const REGISTERED = object({ server: text, down: flag });

/** Upgraded connections, or streams. opened = ended + closed + cut + open. */
const LASTING = object({
  /** Since the receipt was opened, and those that were open at that moment. */
  opened: number,
  /** By the client, by the server in good order, or because nothing was said for too long. */
  ended: number,
  /** By the gateway in good order, because the server was taken out (`long_lived`). */
  closed: number,
  /** The server's side was gone while the client still wanted it, or the gateway stopped. */
  cut: number,
  open: number,
});

export type LastingCounts = ValueOf<typeof LASTING>;

/** Whole responses by the class of their status. They add up to `answered`. */
const ANSWERS = object({
  '1xx': number,
  '2xx': number,
  '3xx': number,
  '4xx': number,
  '5xx': number,
});

export type AnswerCounts = ValueOf<typeof ANSWERS>;

const RECEIPT_SERVER = object({
  id: text,
  /** Attempts sent to this server. */
  attempts: number,
  answered: number,
  answers: ANSWERS,
  /** Attempts that the server failed: no answer, no connection, a response that broke off. */
  failures: number,
  retried: number,
  cut: number,
  lost: number,
  clientGone: number,
  tunnels: LASTING,
  streams: LASTING,
});

export type ReceiptServer = ValueOf<typeof RECEIPT_SERVER>;

const COUNTS = {
  id: text,
  upstream: text,
  openedAtMs: number,
  /** Requests begun = answered + cut + lost + clientGone + stillInFlight. */
  requests: number,
  /** A server's whole response reached the client. */
  answered: number,
  answers: ANSWERS,
  /** Requests that needed more than one attempt. */
  retried: number,
  /** The response began and could not be completed. */
  cut: number,
  /** The gateway had to answer 502, 503 or 504, or could not answer. */
  lost: number,
  /** The client left first, or stopped reading, or its body was refused. */
  clientGone: number,
  stillInFlight: number,
  /** Their requests are among those that were answered. */
  tunnels: LASTING,
  /** Streams of events and responses that ran for more than 10 s. Each is one of the requests, too. */
  streams: LASTING,
  /** Longest time in which whole requests waited for a response and none began, ms. */
  longestGapMs: number,
  /** Worker processes that ended unasked meanwhile: what each counted since its last report is missing. */
  workersLost: number,
  servers: list(RECEIPT_SERVER),
};

/** What happened to one gateway's requests of one upstream since the receipt was opened. */
export const RECEIPT_COUNTS = object(COUNTS);

export type ReceiptCounts = ValueOf<typeof RECEIPT_COUNTS>;

/** The sum over all gateways that share the registry. */
export const RECEIPT = object({
  ...COUNTS,
  /** Each gateway's part, ours first. */
  gateways: list(
    object({
      name: text,
      requests: number,
      answered: number,
      retried: number,
      cut: number,
      lost: number,
      clientGone: number,
      stillInFlight: number,
      /** Why what it counted may be missing, or more than this; '' = it is all. */
      missing: text,
    }),
  ),
  /** No gateway's counts are missing. */
  complete: flag,
  /** Which gateways counted. */
  scope: SCOPE,
});

export type ReceiptDocument = ValueOf<typeof RECEIPT>;

/** A server at one moment. state '' = it was not there. */
const FACTS = object({ state: text, owner: text, reason: text, weight: number });

export type FactsDocument = ValueOf<typeof FACTS>;

/** A change that somebody asked for: a line of the audit log. */
export const EVENT = object({
  /** ISO 8601, UTC. */
  time: text,
  /** The name of the token, or `certificate` and its name; '' = none is needed. */
  token: text,
  /** As the request says; '' = it does not. */
  owner: text,
  /** The address of the client. */
  from: text,
  /** The name of the route. */
  action: text,
  upstream: text,
  server: text,
  /** The body of the request. */
  asked: fields,
  before: FACTS,
  after: FACTS,
  /** `ok`, or the code of the error. */
  result: text,
  message: text,
});

export type EventDocument = ValueOf<typeof EVENT>;

export const EVENTS = object({ events: list(EVENT) });

export type EventsDocument = ValueOf<typeof EVENTS>;
