// What a survey finds of a service, as data, for tests of plans: instances that run, are stopped or taken
// out, and past releases.

import type { ServiceConfig } from '../../../src/config.ts';
import type { Launch } from '../../../src/release/drivers.ts';
import type { PlanOptions } from '../../../src/release/plan.ts';
import type { PoolServer, survey } from '../../../src/release.ts';
import { ALONE } from '../base/scopes.ts';
import { NO_DRIVER_SETTINGS, NO_HOOKS } from './builders.ts';

type Survey = Awaited<ReturnType<typeof survey>>;
type InstanceSurvey = Survey['instances'][number];
type PastRelease = Survey['history'][number];

export const SERVICE: ServiceConfig = {
  name: 'app',
  upstream: 'app',
  serversIn: { recordPrefix: 'upstreams/app/' },
  instances: [],
  hosts: new Map(),
  start: ['node', 'app.ts', '-p', '{port}'],
  driver: 'command',
  ...NO_DRIVER_SETTINGS,
  inheritEnv: [],
  env: { VERSION: '{version}', SECRET: 'hush' },
  secrets: {},
  isSupervised: true,
  user: '',
  cwd: '/srv',
  pipeline: [],
  approve: null,
  hooks: NO_HOOKS,
  notify: [],
  folder: '/work',
  artifact: null,
  runDir: '/run',
  remoteRunDir: '.sluice/run',
  stopSignal: 'TERM',
  stopTo: 'main',
  stopTimeoutMs: 30_000,
  drainTimeoutMs: 30_000,
  drainOnTimeout: 'proceed',
  checkPath: '/ping',
  checkRequest: { port: 0, send: '', reads: 'answer', expect: ['http_2xx'] },
  checkIntervalMs: 1000,
  checkTimeoutMs: 1000,
  checkRise: 2,
  checkDeadlineMs: 120_000,
  checkStableMs: 0,
  verify: null,
  versionHeader: 'x-app-version',
  isVersionStamped: false,
  minHealthy: 1,
  minHealthyPercent: 50,
  guardWaitMs: 120_000,
  onFailure: 'revert',
};

export const TO_V2: PlanOptions = { version: 'v2', force: false, allowDowntime: false };

export function server(id: string, part: Partial<PoolServer> = {}): PoolServer {
  return {
    id,
    backup: false,
    admin: { state: 'ready', owner: '', reason: '', sinceMs: 0 },
    checks: 'up',
    checkReason: '',
    checkType: 'http',
    eligibility: 'ok',
    outElsewhere: [],
    givenBack: false,
    settled: true,
    inFlight: 0,
    ...part,
  };
}

export function drained(id: string, owner: string, state: 'drain' | 'maint' = 'drain'): PoolServer {
  return server(id, { admin: { state, owner, reason: '', sinceMs: 0 }, eligibility: state });
}

export function launch(version: string): Launch {
  return { version };
}

/** A healthy instance that runs v1 in the pool, unless a part says otherwise. */
export function instance(port: number, part: Partial<InstanceSurvey> = {}): InstanceSurvey {
  const id = `127.0.0.1:${port}`;
  const version = part.version ?? 'v1';
  return {
    id,
    address: { host: '127.0.0.1', port },
    hostName: '',
    process: {
      pid: port,
      isKnown: true,
      isAsConfigured: true,
      handle: {},
      startedAtMs: 0,
      release: 'r1',
      launch: launch(version),
    },
    record: { process: null, proven: null },
    stranger: '',
    answer: { ok: true, text: '200 in 1ms', version, refused: false, isVoid: false },
    version,
    server: server(id),
    left: '',
    trouble: '',
    wayBack: { running: '', proven: '' },
    wanted: {
      argv: ['node', 'app.ts', '-p', `${port}`],
      cwd: '/srv',
      environment: ['VERSION', 'SECRET'],
    },
    launchProblem: '',
    warnings: [],
    ...part,
  };
}

export function stopped(port: number, part: Partial<InstanceSurvey> = {}): InstanceSurvey {
  const answer = {
    ok: false,
    text: 'connect ECONNREFUSED',
    version: '',
    refused: true,
    isVoid: false,
  };
  const down = server(`127.0.0.1:${port}`, { checks: 'down', eligibility: 'down' });
  return instance(port, { process: null, answer, version: '', server: down, ...part });
}

export function found(instances: readonly InstanceSurvey[], part: Partial<Survey> = {}): Survey {
  const servers = instances.flatMap(({ server: one }) => (one === undefined ? [] : [one]));
  return { instances, servers, scope: ALONE, trouble: null, history: [], ...part };
}

export const past = (part: Partial<PastRelease>): PastRelease => ({
  id: 'r7',
  number: 7,
  version: 'v2',
  kind: 'deploy',
  user: 'alice',
  runner: 'pid 70',
  beganAtMs: 0,
  over: true,
  outcome: '',
  exit: 0,
  reason: '',
  complete: false,
  of: '',
  why: '',
  lastStep: 'check of 127.0.0.1:9001',
  waits: null,
  tookMs: 0,
  ...part,
});
