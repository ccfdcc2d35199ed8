// The daemon's figures as Prometheus text. The values are kept elsewhere (in the workers, summed by
// the daemon); each scrape fills a new registry from them, so that nothing is counted
// twice and a server that is gone leaves no series behind. Label values come from closed sets:
// upstream, server id, eligibility, result and status class.

import { Counter, Gauge, type OpenMetricsContentType, Registry } from 'prom-client';
import {
  DURATION_BOUNDS_MS,
  ELIGIBILITIES,
  HEAD_BOUNDS_MS,
  openStreams,
  openTunnels,
  type ServerCounters,
  type SocketCounters,
  type UpstreamCounters,
} from '../../model.ts';
import type { ServerDocument, StatusDocument } from '../contract.ts';
import { METRICS_CONTENT_TYPES, type MetricsFormat } from './metrics-format.ts';
import { type AnyRegistry, type Exemplar, TimeHistogram } from './time-histogram.ts';

/** Descriptors and connections: now, and since the start where they are events. */
export type SocketMetrics = Readonly<SocketCounters> & {
  readonly processes: readonly {
    readonly process: string;
    /** 0 = this system does not tell. */
    readonly open: number;
    readonly max: number;
  }[];
  readonly clientsMax: number;
  readonly upstreams: readonly {
    readonly name: string;
    readonly idle: number;
    readonly inUse: number;
    readonly connects: number;
  }[];
};

/** A request that has ended, and of which sluice why can tell. */
export type ToldRequest = Exemplar & {
  readonly upstream: string;
  /** What answered it, and how long that took to the head. */
  readonly server: string;
  readonly headMs: number;
};

export type MetricsSource = {
  readonly status: StatusDocument;
  /** Workers that ended unasked. */
  readonly workerCrashes: number;
  /** For exemplars. */
  readonly told?: readonly ToldRequest[];
  readonly sockets: SocketMetrics;
  /** Sums over all workers, dead ones included. */
  readonly upstreams: readonly {
    readonly name: string;
    readonly counters: Readonly<UpstreamCounters>;
    readonly servers: readonly {
      readonly id: string;
      readonly counters: Readonly<ServerCounters>;
    }[];
  }[];
};

/** The value of sluice_server_up; null: no series. */
const CHECKS: Readonly<Record<ServerDocument['checks'], number | null>> = {
  off: null,
  unknown: null,
  up: 1,
  down: 0,
};
const CLASSES = ['other', '1xx', '2xx', '3xx', '4xx', '5xx'];

export async function renderMetrics(
  source: MetricsSource,
  format: MetricsFormat = 'text',
): Promise<string> {
  const registry = registryOf(format);
  const gauge = <T extends string>(name: string, help: string, labelNames: readonly T[] = []) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  addProgram(source, gauge);
  addServers(source.status, gauge);
  addSockets(source.sockets, gauge, registry);
  addTraffic(source, registry, gauge);
  return registry.metrics();
}

function registryOf(format: MetricsFormat): AnyRegistry {
  if (format === 'text') return new Registry();
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(METRICS_CONTENT_TYPES.openmetrics);
  return registry;
}

type MakeGauge = <T extends string>(name: string, help: string, labels?: readonly T[]) => Gauge<T>;

function addProgram({ status }: MetricsSource, gauge: MakeGauge): void {
  gauge('sluice_build_info', 'The running version.', ['version']).set(
    { version: status.version },
    1,
  );
  gauge('sluice_start_time_seconds', 'Start of the primary process, Unix time.').set(
    status.startedAtMs / 1000,
  );
  if (status.configuration !== undefined) {
    const { trouble, appliedAtMs } = status.configuration;
    gauge(
      'sluice_config_last_reload_successful',
      '1 when the configuration file was taken when it was read last.',
    ).set(trouble === '' ? 1 : 0);
    gauge(
      'sluice_config_last_reload_success_timestamp_seconds',
      'When what is in force was put in force, Unix time.',
    ).set(appliedAtMs / 1000);
  }
  const ends = gauge(
    'sluice_certificate_expiry_seconds',
    'When the certificate of a listener ends, Unix time.',
    ['listener', 'file'],
  );
  for (const { listener, file, expiresAtMs } of status.certificates ?? []) {
    ends.set({ listener, file }, expiresAtMs / 1000);
  }
  gauge('sluice_generation', 'Generation of the current table.').set(status.generation);
  gauge('sluice_workers', 'Worker processes that are alive.').set(status.workers.length);
  gauge('sluice_workers_behind', 'Workers without the current table.').set(
    status.workers.filter(({ generation }) => generation < status.generation).length,
  );
  gauge('sluice_client_connections', 'Open client connections.').set(
    status.workers.reduce((sum, worker) => sum + worker.connections, 0),
  );
  const labels = ['registry'] as const;
  const reachable = gauge('sluice_registry_reachable', '1 when the registry answers.', labels);
  const index = gauge('sluice_registry_index', 'Index of the last membership.', labels);
  const contact = gauge(
    'sluice_registry_last_contact_seconds',
    'Last good answer, Unix time; 0 = never.',
    labels,
  );
  for (const registry of [status.registry, ...status.registries]) {
    const { name } = registry;
    reachable.set({ registry: name }, registry.reachable ? 1 : 0);
    index.set({ registry: name }, registry.index);
    contact.set({ registry: name }, registry.lastContactMs / 1000);
  }
  const gateways = gauge('sluice_gateways', 'Gateways that share the registry.', ['state']);
  for (const state of ['live', 'silent'] as const) {
    gateways.set({ state }, status.gateways.filter((gateway) => gateway.state === state).length);
  }
}

function addServers(status: StatusDocument, gauge: MakeGauge): void {
  const counts = gauge('sluice_upstream_servers', 'Servers by eligibility.', [
    'upstream',
    'eligibility',
  ]);
  const checked = gauge('sluice_upstream_checks', 'Servers by the word of the checks.', [
    'upstream',
    'checks',
  ]);
  const ofUpstream = ['upstream'] as const;
  const held = gauge('sluice_upstream_held_servers', 'Servers whose list is gone.', ofUpstream);
  const problems = gauge('sluice_upstream_problems', 'Unreadable records, held lists.', ofUpstream);
  const labels = ['upstream', 'server'] as const;
  const eligible = gauge('sluice_server_eligible', '1 when it may take requests.', labels);
  const up = gauge('sluice_server_up', 'Verdict of the checks: 1 up, 0 down.', labels);
  const failing = gauge(
    'sluice_server_failed_in_a_row',
    'Attempts that failed since the last answer.',
    labels,
  );
  const weight = gauge('sluice_server_weight', 'Configured weight.', labels);
  const inFlight = gauge('sluice_server_in_flight_requests', 'Requests not yet settled.', labels);
  for (const { name: upstream, servers, ...described } of status.upstreams) {
    problems.set({ upstream }, described.problems.length);
    held.set({ upstream }, servers.filter(({ source }) => source === 'held').length);
    for (const reason of ELIGIBILITIES) counts.set({ upstream, eligibility: reason }, 0);
    for (const checks of Object.keys(CHECKS)) checked.set({ upstream, checks }, 0);
    for (const server of servers) {
      const label = { upstream, server: server.id };
      counts.inc({ upstream, eligibility: server.eligibility });
      checked.inc({ upstream, checks: server.checks });
      failing.set(label, server.failedInARow);
      eligible.set(label, server.eligibility === 'ok' ? 1 : 0);
      const verdict = CHECKS[server.checks];
      if (verdict !== null) up.set(label, verdict);
      weight.set(label, server.weight);
      inFlight.set(label, server.inFlight);
    }
  }
}

function addSockets(sockets: SocketMetrics, gauge: MakeGauge, registry: AnyRegistry): void {
  const open = gauge('sluice_descriptors_open', 'Open file descriptors.', ['process']);
  const max = gauge('sluice_descriptors_max', 'Most that the process may have open.', ['process']);
  for (const { process, ...descriptors } of sockets.processes) {
    open.set({ process }, descriptors.open);
    max.set({ process }, descriptors.max);
  }
  gauge('sluice_client_connections_max', 'Client connections that are served at most.').set(
    sockets.clientsMax,
  );
  const registers = [registry];
  counters(SOCKET_COUNTERS, [], registers)(sockets, {});
  const connections = gauge('sluice_upstream_connections', 'Open connections to servers.', [
    'upstream',
    'state',
  ]);
  const opened = { name: 'sluice_upstream_connects_total', help: 'Connections opened to servers.' };
  const connects = new Counter({ ...opened, labelNames: ['upstream'], registers });
  for (const { name: upstream, ...counted } of sockets.upstreams) {
    connections.set({ upstream, state: 'idle' }, counted.idle);
    connections.set({ upstream, state: 'in_use' }, counted.inUse);
    connects.inc({ upstream }, counted.connects);
  }
}

function addTraffic(
  { upstreams, workerCrashes, told = [] }: MetricsSource,
  registry: AnyRegistry,
  gauge: MakeGauge,
): void {
  const registers = [registry];
  const crashes = { name: 'sluice_worker_crashes_total', help: 'Workers that ended unasked.' };
  new Counter({ ...crashes, registers }).inc(workerCrashes);
  const counter = <T extends string>(name: string, help: string, labelNames: readonly T[]) =>
    new Counter({ name, help, labelNames, registers });
  const responses = counter('sluice_upstream_responses_total', 'Responses by status class.', [
    'upstream',
    'class',
  ]);
  const open = gauge('sluice_upstream_open_tunnels', 'Tunnels open now.', ['upstream']);
  const streams = gauge('sluice_upstream_open_streams', 'Streams under way.', ['upstream']);
  addTimes(upstreams, told, registers);
  const ofUpstreams = counters(UPSTREAM_COUNTERS, ['upstream', 'result'], registers);
  const ofServers = counters(SERVER_COUNTERS, ['upstream', 'server'], registers);
  for (const { name: upstream, counters: counted, servers } of upstreams) {
    ofUpstreams(counted, { upstream });
    open.set({ upstream }, openTunnels(counted));
    streams.set({ upstream }, openStreams(counted));
    for (const [index, name] of CLASSES.entries()) {
      responses.inc({ upstream, class: name }, counted.statuses[index] ?? 0);
    }
    for (const server of servers) ofServers(server.counters, { upstream, server: server.id });
  }
}

function addTimes(
  upstreams: MetricsSource['upstreams'],
  told: readonly ToldRequest[],
  registers: AnyRegistry[],
): void {
  const ofUpstream = Map.groupBy(told, ({ upstream }) => upstream);
  const ofServer = Map.groupBy(told, ({ upstream, server }) => `${upstream} ${server}`);
  new TimeHistogram({
    name: 'sluice_upstream_duration_seconds',
    help: 'Time from request to whole response, answered requests.',
    ...{ registers, boundsMs: DURATION_BOUNDS_MS },
    timed: upstreams.map(({ name: upstream, counters: { durations, durationSumMs } }) => ({
      ...{ labels: { upstream }, buckets: durations, sumMs: durationSumMs },
      exemplars: ofUpstream.get(upstream) ?? [],
    })),
  });
  new TimeHistogram({
    name: 'sluice_server_response_head_seconds',
    help: 'Time from the begin of an attempt to the head of the response.',
    ...{ registers, boundsMs: HEAD_BOUNDS_MS },
    // Of a list with thousands of servers most may never have answered.
    timed: upstreams.flatMap(({ name: upstream, servers }) =>
      servers
        .filter(({ counters: { heads } }) => heads > 0)
        .map(({ id: server, counters: { headTimes, headSumMs } }) => ({
          ...{ labels: { upstream, server }, buckets: headTimes, sumMs: headSumMs },
          exemplars: (ofServer.get(`${upstream} ${server}`) ?? []).map((one) => ({
            ...{ ...one, ms: one.headMs },
          })),
        })),
    ),
  });
}

type CounterMetric = { readonly name: string; readonly help: string; readonly result?: string };

function results(result: string): CounterMetric {
  const name = 'sluice_upstream_results_total';
  return { name, help: 'Requests by how they ended.', result };
}

function tunnelResults(result: string): CounterMetric {
  const name = 'sluice_upstream_tunnel_results_total';
  return { name, help: 'Tunnels by how they ended.', result };
}

function streamResults(result: string): CounterMetric {
  const name = 'sluice_upstream_stream_results_total';
  return { name, help: 'Streams by how they ended.', result };
}

// Every counter is here, so that a new one is not forgotten; null: no metric, or one made in another way.

const UPSTREAM_COUNTERS: Record<keyof UpstreamCounters, CounterMetric | null> = {
  requests: { name: 'sluice_upstream_requests_total', help: 'Requests begun.' },
  answered: results('answered'),
  cut: results('cut'),
  lost: results('lost'),
  clientGone: results('client_gone'),
  refused: {
    name: 'sluice_upstream_refused_total',
    help: 'Requests that found no eligible server.',
  },
  lastResorts: {
    name: 'sluice_upstream_last_resorts_total',
    help: 'Attempts on ejected servers, because no other was left.',
  },
  retried: { name: 'sluice_upstream_retried_total', help: 'Requests with over one attempt.' },
  tunnels: { name: 'sluice_upstream_tunnels_total', help: 'Upgraded connections opened.' },
  tunnelsEnded: tunnelResults('ended'),
  tunnelsClosed: tunnelResults('closed'),
  tunnelsCut: tunnelResults('cut'),
  streams: { name: 'sluice_upstream_streams_total', help: 'Responses that became streams.' },
  streamsEnded: streamResults('ended'),
  streamsClosed: streamResults('closed'),
  streamsCut: streamResults('cut'),
  inFlight: null,
  statuses: null,
  durations: null,
  durationSumMs: null,
};

const SERVER_COUNTERS: Record<keyof ServerCounters, CounterMetric | null> = {
  attempts: { name: 'sluice_server_attempts_total', help: 'Attempts sent to the server.' },
  failures: { name: 'sluice_server_failures_total', help: 'Attempts that failed.' },
  cut: { name: 'sluice_server_cut_total', help: 'Responses that broke off.' },
  tunnelsCut: { name: 'sluice_server_tunnels_cut_total', help: 'Tunnels that broke off.' },
  answered5xx: { name: 'sluice_server_5xx_total', help: 'Responses of a class 5xx.' },
  heads: null,
  headTimes: null,
  headSumMs: null,
  answered: null,
  answered1xx: null,
  answered2xx: null,
  answered3xx: null,
  answered4xx: null,
  retried: null,
  lost: null,
  clientGone: null,
  tunnels: null,
  tunnelsEnded: null,
  tunnelsClosed: null,
  streams: null,
  streamsEnded: null,
  streamsClosed: null,
  streamsCut: null,
};

const SOCKET_COUNTERS: Record<keyof SocketCounters, CounterMetric | null> = {
  spansExported: { name: 'sluice_spans_exported_total', help: 'Spans that the collector took.' },
  spansDropped: { name: 'sluice_spans_dropped_total', help: 'Spans that got nowhere.' },
  turnedAway: { name: 'sluice_clients_turned_away_total', help: 'Clients that got 503: too many.' },
  acceptFailures: {
    name: 'sluice_accept_failures_total',
    help: 'Clients lost before they were accepted.',
  },
  tlsFailures: {
    name: 'sluice_tls_handshake_failures_total',
    help: 'Clients lost before their connection was secured.',
  },
  evicted: {
    name: 'sluice_idle_evictions_total',
    help: 'Idle server connections closed to make room.',
  },
  noSocket: {
    name: 'sluice_no_socket_total',
    help: 'Requests that got 503: no room for a server connection.',
  },
};

/** Registers the metrics of a table; the function that it returns adds one set of counters to them. */
function counters<Name extends string>(
  table: Record<Name, CounterMetric | null>,
  labelNames: readonly string[],
  registers: AnyRegistry[],
): (counted: { readonly [Key in Name]: unknown }, labels: Record<string, string>) => void {
  const metrics = new Map<string, Counter>();
  // Object.keys does not know the names that the type has.
  const names = Object.keys(table) as Name[];
  for (const metric of names.map((key) => table[key])) {
    if (metric === null || metrics.has(metric.name)) continue;
    const { name, help } = metric;
    metrics.set(name, new Counter({ name, help, labelNames, registers }));
  }
  return (counted, labels) => {
    for (const key of names) {
      const metric = table[key];
      if (metric === null) continue;
      const all = metric.result === undefined ? labels : { ...labels, result: metric.result };
      metrics.get(metric.name)?.inc(all, Number(counted[key]));
    }
  };
}
