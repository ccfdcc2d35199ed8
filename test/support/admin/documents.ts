// Builders of documents for tests: a healthy server, and what differs from that.

import type {
  ServerDocument,
  SocketMetrics,
  StatusDocument,
  UpstreamDocument,
} from '../../../src/admin.ts';
import { ALONE } from '../base/scopes.ts';

/** Of receipts: nothing was answered, no tunnel was opened. */
export const NO_ANSWERS = { '1xx': 0, '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 };
export const NO_LASTING = { opened: 0, ended: 0, closed: 0, cut: 0, open: 0 };

export function server(id: string, changes: Partial<ServerDocument> = {}): ServerDocument {
  return {
    id,
    addresses: ['127.0.0.1'],
    weight: 1,
    maxFails: 2,
    failTimeoutMs: 10_000,
    maxConns: 0,
    backup: false,
    source: 'registry',
    registry: 'default',
    alsoIn: [],
    admin: { state: 'ready', owner: '', reason: '', sinceMs: 0 },
    checks: 'up',
    mustPass: true,
    checkReason: '200 in 1ms',
    checkType: 'http',
    checkPort: 0,
    riseCount: 32,
    fallCount: 0,
    eligibility: 'ok',
    outElsewhere: [],
    givenBack: false,
    restarts: 0,
    lastExit: '',
    lastExitMs: 0,
    resting: '',
    settled: true,
    ...{ inFlight: 0, tunnels: 0, streams: 0 },
    requests: 0,
    failures: 0,
    failedInARow: 0,
    lastFailure: '',
    lastFailureMs: 0,
    ejectedUntilMs: 0,
    ...{ ramp: 1, oldestRequest: '', oldestSinceMs: 0 },
    ...changes,
  };
}

export function upstream(name: string, servers: readonly ServerDocument[]): UpstreamDocument {
  const eligible = servers.filter((entry) => entry.eligibility === 'ok').length;
  return { name, balance: 'round_robin', eligible, servers, problems: [] };
}

export function status(upstreams: readonly UpstreamDocument[]): StatusDocument {
  return {
    version: '0.1.0',
    generation: 1,
    startedAtMs: 1000,
    process: { pid: 1, trouble: '' },
    configuration: { file: '/etc/sluice.yaml', appliedAtMs: 1, trouble: '' },
    certificates: [],
    scope: ALONE,
    gateways: [
      {
        ...{ id: 'web-1-100-a', name: 'pid 100 on web-1', state: 'live', sinceMs: 1 },
        ...{ version: '1.2.3', control: '127.0.0.1:8700', generation: 1, index: 1, current: true },
        lagMs: 0,
      },
    ],
    workers: [{ id: 1, pid: 100, generation: 1, connections: 3, silentMs: 100 }],
    registry: {
      name: 'default',
      kind: 'embedded',
      recordPrefix: 'upstreams/',
      address: '127.0.0.1:8500',
      reachable: true,
      index: 12,
      lastContactMs: 5000,
      trouble: '',
    },
    registries: [],
    upstreams,
  };
}

export function socketMetrics(changes: Partial<SocketMetrics> = {}): SocketMetrics {
  return {
    processes: [{ process: 'worker 1', open: 40, max: 1024 }],
    ...{
      clientsMax: 700,
      turnedAway: 0,
      acceptFailures: 0,
      tlsFailures: 0,
      evicted: 0,
      noSocket: 0,
    },
    ...{ spansExported: 0, spansDropped: 0 },
    upstreams: [],
    ...changes,
  };
}
