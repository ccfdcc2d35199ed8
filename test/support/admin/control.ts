// A control that does nothing and is content with everything.

import type {
  Configuration,
  Control,
  Desk,
  DrainDocument,
  EffectDocument,
  KvEntryDocument,
  Live,
  ReceiptDocument,
  RecordDesk,
  ReleaseDesk,
  ReleaseJournal,
  ReleaseRecords,
  RunDocument,
} from '../../../src/admin.ts';
import { ALONE } from '../base/scopes.ts';
import { NO_ANSWERS, NO_LASTING, server, status, upstream } from './documents.ts';

const DRAIN: DrainDocument = {
  ...{ server: 'a:1', admin: { state: 'drain', owner: 'user:alice', reason: '', sinceMs: 1 } },
  ...{ generation: 4, acknowledged: true, inFlight: 0, tunnels: 0, streams: 0, idle: true },
  ...{ givenBack: false, eligibility: 'drain', scope: ALONE },
};

const RECEIPT: ReceiptDocument = {
  ...{ id: 'r1', upstream: 'app', openedAtMs: 1, requests: 0, answered: 0, retried: 0, cut: 0 },
  ...{
    lost: 0,
    clientGone: 0,
    stillInFlight: 0,
    longestGapMs: 0,
    workersLost: 0,
    servers: [],
    gateways: [],
  },
  ...{
    answers: NO_ANSWERS,
    tunnels: NO_LASTING,
    streams: NO_LASTING,
    complete: true,
    scope: ALONE,
  },
};

export function configurationStub(): Configuration {
  return {
    upgrade: async () => ({ pid: 1 }),
    reload: async ({ dryRun }) => ({
      ...{ file: '', dryRun, inForce: !dryRun, generation: 1, changes: [], keys: [], kept: [] },
      ...{ upstreams: { added: [], removed: [], changed: [] }, warnings: [] },
    }),
  };
}

export function controlStub(changes: Partial<Control> = {}): Control {
  return {
    status: async () => status([upstream('app', [server('a:1')])]),
    setAdmin: async () => DRAIN,
    awaitIdle: async () => DRAIN,
    setWeight: async () => {},
    register: async () => {},
    deregister: async () => {},
    openReceipt: async () => RECEIPT,
    readReceipt: async () => RECEIPT,
    metrics: async () => '',
    releases: RELEASES_STUB,
    ...changes,
  };
}

const EFFECT: EffectDocument = {
  ...{ server: 'a:1', action: 'drain', allowed: true, refusal: '', refusalCode: '' },
  ...{ level: 'confirm', eligibleBefore: 2, eligibleAfter: 1, servers: 2, need: 1, inFlight: 0 },
  ...{ tunnels: 0, streams: 0, owner: '', admin: DRAIN.admin, release: '', shareBefore: 0.5 },
  ...{ shareAfter: 0, warnings: [], cli: '', curl: '', by: 'user:me', scope: ALONE },
};

const KV_ENTRY: KvEntryDocument = {
  ...{ registry: '', key: 'a', exists: true, owner: 'other', value: '1', base64: false, bytes: 1 },
  ...{ withheld: false, flags: '0', index: 1, createIndex: 1, lockIndex: 0, session: '' },
  ...{ holder: '', decoded: null, problems: [], warnings: [] },
};

const RECORDS_STUB: RecordDesk = {
  list: async ({ registry, prefix }) => ({
    ...{ registry, registries: [registry], prefix, recordPrefix: 'upstreams/', rows: [] },
    ...{ ownPrefix: 'sluice/', more: false, total: 0 },
  }),
  entry: async () => KV_ENTRY,
  effect: async ({ registry, key }) => ({
    ...{ registry, key, action: 'write', allowed: true, refusal: '', level: 'light', keys: 1 },
    ...{ index: 1, upstreams: [], says: [], problems: [], warnings: [], cli: '', curl: '' },
  }),
  write: async () => KV_ENTRY,
  remove: async () => 1,
};

const RUN: RunDocument = {
  ...{ service: 'app', state: 'running', kind: 'deploy', version: 'v2', by: 'ann', why: '' },
  ...{ release: 'r2', pid: 1, startedAtMs: 1, endedAtMs: 0, exit: -1, lines: [], file: '/a' },
  cli: 'sluice deploy app --version v2',
};

const RELEASE_DESK_STUB: ReleaseDesk = {
  overview: async () => ({
    ...{ shared: false, mayStart: true, whyNot: '', services: [], releases: [], more: false },
  }),
  start: async () => RUN,
  run: () => RUN,
  plan: async (service, { kind }) => ({ service, kind, plan: {}, exit: 0, cli: '' }),
  output: async (_, instance) => ({ instance, place: '', trouble: '', lines: [], cli: '' }),
};

export function deskStub(changes: Partial<Desk> = {}): Desk {
  const stubs = { records: RECORDS_STUB, releases: RELEASE_DESK_STUB };
  return { effect: async () => EFFECT, ...stubs, ...changes };
}

/** Nothing happened. */
export function liveStub(changes: Partial<Live> = {}): Live {
  return {
    history: async ({ upstream, span }) => ({
      ...{ upstream, span, startMs: 0, stepMs: 1000, slots: 0, series: [], marks: [] },
      ...{ complete: true, scope: ALONE },
    }),
    told: () => [],
    requests: async () => ({
      ...{ requests: [], leftOut: 0, sinceMs: 0, sampling: '', scope: ALONE },
    }),
    stream: () => (sink) => {
      sink.end();
      return () => {};
    },
    ...changes,
  };
}

/** A gateway without a registry: nothing is shared. */
export const RELEASES_STUB: ReleaseRecords = {
  take: async () => ({ shared: false, release: '', number: 0, fence: 0, nextSeq: 0 }),
  renew: async () => ({ asked: null }),
  append: async () => {},
  close: async () => {},
  command: async () => 'r1',
  history: async () => ({ shared: false, lock: null, stale: false, releases: [] }),
  journal: async () => ({ release: 'r1', summary: SUMMARY, records: [] }),
  instances: async () => ({ shared: false, instances: [] }),
  putInstance: async () => {},
};

const SUMMARY: ReleaseJournal['summary'] = {
  ...{ release: 'r1', number: 1, kind: 'deploy', version: 'v1', upstream: 'app', user: 'ann' },
  ...{ runner: 'pid 1 on a', beganAtMs: 1, endedAtMs: 2, outcome: 'succeeded', exit: 0 },
  ...{ reason: '', lastStep: '', complete: true, of: '', why: '', from: ['v0'] },
  counted: { requests: 0, failed: 0, retried: 0, complete: true },
};
