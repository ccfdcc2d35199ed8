// Builders for tests of releases: a service whose instances are real processes of the demo app, and
// a control plane in memory that behaves: it evaluates the guard, counts requests in flight,
// acknowledges, and looks at the instances by itself.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { formatAddress } from '../../../src/base/units.ts';
import type { ServiceConfig, ServiceInstance } from '../../../src/config.ts';
import {
  Interrupts,
  type ReleaseControl,
  type ReleaseEvent,
  type ReleaseOptions,
  type ReleaseResult,
  runRelease,
} from '../../../src/release.ts';
import { freePorts } from '../base/ports.ts';

import { FakeControl } from './fake-control.ts';

export { counted, FakeControl, heldBy, versionOf } from './fake-control.ts';

const APP = join(import.meta.dirname, '../../..', 'demo', 'app.ts');

/** What the other drivers need, as the configuration has it when it does not name them. */
export const NO_DRIVER_SETTINGS: Pick<ServiceConfig, 'systemd' | 'docker' | 'pm2'> = {
  systemd: { unit: '', envFile: '', isUserManager: false, command: ['systemctl'] },
  docker: {
    image: '',
    publish: ['{host}:{port}:{port}'],
    options: [],
    restart: 'unless-stopped',
    pull: 'missing',
    command: ['docker'],
  },
  pm2: { name: '{service}-{port}', home: '', options: [], command: ['pm2'] },
};

/** None at any point. */
export const NO_HOOKS: ServiceConfig['hooks'] = {
  ...{ beforeRelease: null, beforeStop: null, afterStart: null, afterRelease: null },
  onFailure: null,
};

/** A service with this many instances on free ports; its processes end and its files go with the test. */
export async function buildService(
  t: TestContext,
  count: number,
  part: Partial<ServiceConfig> = {},
): Promise<ServiceConfig> {
  const runDir = await mkdtemp(join(tmpdir(), 'sluice-release-'));
  const ports = await freePorts(count);
  const service: ServiceConfig = {
    name: 'app',
    upstream: 'app',
    serversIn: { recordPrefix: 'upstreams/app/' },
    instances: ports.map((port) => instanceAt(port)),
    hosts: new Map(),
    start: [process.execPath, APP, '-h', '{host}', '-p', '{port}'],
    driver: 'command',
    ...NO_DRIVER_SETTINGS,
    inheritEnv: [],
    env: { VERSION: '{version}' },
    secrets: {},
    isSupervised: true,
    user: '',
    cwd: runDir,
    pipeline: [],
    approve: null,
    hooks: NO_HOOKS,
    notify: [],
    folder: runDir,
    artifact: null,
    runDir,
    remoteRunDir: runDir,
    stopSignal: 'TERM',
    stopTo: 'main',
    stopTimeoutMs: 5000,
    drainTimeoutMs: 5000,
    drainOnTimeout: 'proceed',
    checkPath: '/ping',
    checkRequest: {
      port: 0,
      send: 'GET /ping HTTP/1.1\r\nHost: {id}\r\nConnection: close\r\n\r\n',
      reads: 'answer',
      expect: ['http_2xx', 'http_3xx'],
    },
    checkIntervalMs: 20,
    checkTimeoutMs: 2000,
    checkRise: 2,
    checkDeadlineMs: 20_000,
    checkStableMs: 0,
    verify: null,
    versionHeader: 'x-app-version',
    isVersionStamped: false,
    minHealthy: 1,
    minHealthyPercent: 50,
    guardWaitMs: 0,
    onFailure: 'revert',
    ...part,
  };
  t.after(async () => {
    for (const id of ids(service)) {
      const pid = await pidOf(service, id);
      if (pid !== undefined) killGroup(pid);
    }
    await rm(runDir, { recursive: true, force: true, maxRetries: 5 });
  });
  return service;
}

export function ids(service: ServiceConfig): readonly string[] {
  return service.instances.map(({ id }) => id);
}

export function firstOf(service: ServiceConfig): ServiceInstance {
  return service.instances[0] ?? instanceAt(0);
}

/** On this machine, unless the name of a host is given. */
export function instanceAt(port: number, hostName = '', host = '127.0.0.1'): ServiceInstance {
  const address = { host, port };
  return { id: formatAddress(address), address, hostName };
}

/** The pid in the instance's record. */
export async function pidOf(service: ServiceConfig, id: string): Promise<number | undefined> {
  const file = join(service.runDir, service.name, `${id}.json`);
  const text = await readFile(file, 'utf8').catch(() => '{}');
  const record: { process?: { handle?: { pid?: number } } | null } = JSON.parse(text);
  return record.process?.handle?.pid;
}

/** Records of a release's journal, in short: `intent guard`, `done guard`, … per instance. */
export async function journalOf(service: ServiceConfig, release: string): Promise<string[]> {
  const file = join(service.runDir, service.name, 'releases', `${release}.jsonl`);
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  return lines.map((line) => {
    const record: { kind: string; step?: string } = JSON.parse(line);
    return record.step === undefined ? record.kind : `${record.kind} ${record.step}`;
  });
}

export type Deployed = { readonly result: ReleaseResult; readonly events: readonly ReleaseEvent[] };

export async function deploy(
  service: ServiceConfig,
  control: ReleaseControl,
  version: string,
  part: Partial<ReleaseOptions> = {},
): Promise<Deployed> {
  const events: ReleaseEvent[] = [];
  const result = await runRelease({
    service,
    version,
    control,
    force: false,
    allowDowntime: false,
    interrupts: new Interrupts(),
    controlRetryMs: 0,
    ...part,
    onEvent: (event) => {
      events.push(event);
      part.onEvent?.(event);
    },
  });
  return { result, events };
}

export type Scene = {
  readonly service: ServiceConfig;
  readonly control: FakeControl;
  readonly a: string;
  readonly b: string;
};

/** Two instances, released at v1 and in the pool. */
export async function scene(t: TestContext, part: Partial<ServiceConfig> = {}): Promise<Scene> {
  const service = await buildService(t, 2, part);
  const [a = '', b = ''] = ids(service);
  const control = new FakeControl([a, b]);
  // A short deadline is for what the test does next.
  const { result } = await deploy({ ...service, checkDeadlineMs: 20_000 }, control, 'v1');
  assert.equal(result.outcome, 'succeeded', JSON.stringify(result));
  control.calls.length = 0;
  control.eligibleMin = Number.POSITIVE_INFINITY;
  return { service, control, a, b };
}

/** `v2 in released` per instance: the version that answers, in or out of the pool, its outcome. */
export function outcomes({ result }: Deployed): string[] {
  return result.instances.map(({ version, inPool, outcome }) => {
    return `${version || '-'} ${inPool ? 'in' : 'out'} ${outcome}`;
  });
}

/** An onEvent that acts once, when that step of that instance has got to that phase. */
export function when(
  instance: string,
  step: string,
  phase: string,
  act: () => void,
): { onEvent: (event: ReleaseEvent) => void } {
  let isDone = false;
  const onEvent = (event: ReleaseEvent): void => {
    const isIt = event.type === 'step' && event.instance === instance && event.step === step;
    if (isDone || !isIt || event.phase !== phase) return;
    isDone = true;
    act();
  };
  return { onEvent };
}

/** The session that a release gave the instance, children included. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
