// For the tests of this folder: a service and what a survey finds of it, as data. No test itself; by
// its name it is not published.

import { ALONE } from '../../../test/support/base/scopes.ts';
import type { ServiceConfig } from '../../config.ts';
import type { PoolServer } from '../control.ts';
import type { Launch } from '../drivers.ts';
import { NO_RECORD } from '../journal/instance-record.ts';
import type { PastRelease } from '../journal/journal.ts';
import type { PlanOptions } from '../plan.ts';
import type { InstanceSurvey, Survey } from '../survey.ts';

export const SERVICE: ServiceConfig = {
  name: 'app',
  upstream: 'app',
  serversIn: { recordPrefix: 'upstreams/app/' },
  instances: [],
  start: ['node', 'app.ts', '-p', '{port}'],
  driver: 'command',
  host: 'local',
  inheritEnv: [],
  env: { VERSION: '{version}', SECRET: 'hush' },
  cwd: '/srv',
  runDir: '/run',
  stopTimeoutMs: 30_000,
  drainTimeoutMs: 30_000,
  drainOnTimeout: 'proceed',
  checkPath: '/ping',
  checkRequest: { port: 0, send: '', reads: 'answer', expect: ['http_2xx'] },
  checkIntervalMs: 1000,
  checkTimeoutMs: 1000,
  checkRise: 2,
  checkDeadlineMs: 120_000,
  versionHeader: 'x-app-version',
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
    process: {
      pid: port,
      isKnown: true,
      isAsConfigured: true,
      handle: {},
      startedAtMs: 0,
      release: 'r1',
      launch: launch(version),
    },
    record: NO_RECORD,
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
  user: 'alice',
  pid: 70,
  beganAtMs: 0,
  over: true,
  outcome: '',
  lastStep: 'check of 127.0.0.1:9001',
  tookMs: 0,
  ...part,
});
