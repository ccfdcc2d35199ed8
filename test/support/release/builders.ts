// Builders for tests of releases: a service whose instances are real processes of the demo app, and
// a control plane in memory that behaves: it evaluates the guard, counts requests in flight,
// acknowledges, and looks at the instances by itself.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ReleaseRecords } from '../../../src/admin/contract.ts';
import { SluiceError } from '../../../src/base/errors.ts';
import type { Scope } from '../../../src/base/scope.ts';
import { formatAddress } from '../../../src/base/units.ts';
import type { ServiceConfig, ServiceInstance } from '../../../src/config.ts';
import {
  Interrupts,
  type PoolServer,
  type PoolStatus,
  type Receipt,
  type ReleaseControl,
  type ReleaseEvent,
  type ReleaseOptions,
  type ReleaseResult,
  runRelease,
} from '../../../src/release.ts';
import { NO_ANSWERS, NO_LASTING } from '../admin/documents.ts';
import { freePorts } from '../base/ports.ts';
import { ALONE } from '../base/scopes.ts';

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
    user: '',
    cwd: runDir,
    pipeline: [],
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

/** The version that answers there; '' when nothing does. */
export async function versionOf(id: string): Promise<string> {
  try {
    const response = await fetch(`http://${id}/version`, { signal: AbortSignal.timeout(2000) });
    return (await response.text()).trim();
  } catch {
    return '';
  }
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

type FakeServer = {
  state: PoolServer['admin'];
  inFlight: number;
  /** A verdict that stands whatever the instance answers. */
  forced: '' | 'up' | 'down';
};

/** A server of a receipt: so many answers, of which so many with 5xx, and attempts that it failed. */
export function counted(id: string, answered: number, bad: number, failures = 0): ReceiptCount {
  const answers = { ...NO_ANSWERS, '2xx': answered - bad, '5xx': bad };
  const rest = {
    retried: failures,
    cut: 0,
    lost: 0,
    clientGone: 0,
    tunnels: NO_LASTING,
    streams: NO_LASTING,
  };
  return { id, attempts: answered + failures, answered, answers, failures, ...rest };
}

type ReceiptCount = Receipt['servers'][number];

/** A server as a person, or with `kv` the registry, holds it. */
export function heldBy(owner: string, state: 'ready' | 'drain' | 'maint'): PoolServer['admin'] {
  return { state, owner: state === 'ready' ? '' : owner, reason: '', sinceMs: 0 };
}

/** The control plane in memory. `calls` is what it was asked to change, in order. */
export class FakeControl implements ReleaseControl {
  readonly servers = new Map<string, FakeServer>();
  readonly calls: string[] = [];
  /** Fewest servers that were eligible at any change. */
  eligibleMin = Number.POSITIVE_INFINITY;
  checkType: PoolServer['checkType'] = 'http';
  isAway = false;
  /** As after a restart: it does not know its receipts any more. */
  hasForgotten = false;
  scope = ALONE;
  /** What receipts say of the servers, at each reading. */
  counts: () => Receipt['servers'] = () => [];
  opened = 0;
  /** Every gateway has confirmed what is in force. */
  isSettled = true;
  /** Other gateways where no server takes requests. */
  outElsewhere: PoolServer['outElsewhere'] = [];
  /** Where it shares the records of releases. */
  declare releases?: ReleaseRecords;
  /** Fails when a runner has lost its lock. */
  claim: (lock: { readonly service: string; readonly fence: number }) => Promise<void> =
    async () => {};
  /** Called at each change before it is made. */
  onChange: (server: string, state: string) => void = () => {};

  constructor(servers: readonly string[]) {
    for (const id of servers) this.servers.set(id, { state: READY, inFlight: 0, forced: '' });
  }

  server(id: string): FakeServer {
    const server = this.servers.get(id);
    if (server === undefined) throw new SluiceError('not_found', `server ${id}: not there`);
    return server;
  }

  async status(): Promise<PoolStatus> {
    if (this.isAway) throw new SluiceError('unreachable', 'control plane 127.0.0.1:8700: away');
    const servers = await Promise.all([...this.servers.keys()].map((id) => this.#look(id)));
    return {
      scope: this.scope,
      upstreams: [{ name: 'app', servers }],
    };
  }

  async setAdmin(
    _upstream: string,
    id: string,
    change: Parameters<ReleaseControl['setAdmin']>[2],
  ): ReturnType<ReleaseControl['setAdmin']> {
    const { upstreams } = await this.status();
    if (change.lock !== undefined) await this.claim(change.lock);
    this.onChange(id, change.state);
    const server = this.server(id);
    const { owner, state } = server.state;
    if (change.ifOwner !== undefined && state !== 'ready' && owner !== change.ifOwner) {
      throw new SluiceError('conflict', `server ${id}: in ${state} by ${owner}`);
    }
    const others = upstreams[0]?.servers.filter((one) => one.eligibility === 'ok' && one.id !== id);
    if ((others?.length ?? 0) < (change.keepEligible ?? 0)) {
      throw new SluiceError('guard_refused', `server ${id}: leaves ${others?.length} eligible`);
    }
    const isOut = change.state !== 'ready';
    server.state = isOut ? { ...READY, ...pick(change) } : READY;
    this.calls.push(`${id} ${change.state}`);
    const { upstreams: after } = await this.status();
    const eligible = after[0]?.servers.filter((one) => one.eligibility === 'ok').length ?? 0;
    if (isOut) this.eligibleMin = Math.min(this.eligibleMin, eligible);
    return this.#drainState(id);
  }

  async awaitIdle(
    _upstream: string,
    id: string,
    timeoutMs: number,
  ): ReturnType<ReleaseControl['awaitIdle']> {
    const deadline = performance.now() + timeoutMs;
    while (this.server(id).inFlight > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.#drainState(id);
  }

  async openReceipt(): Promise<Receipt> {
    this.opened += 1;
    this.hasForgotten = false;
    return receipt(this.scope);
  }

  async readReceipt(): Promise<Receipt> {
    if (this.hasForgotten) throw new SluiceError('not_found', 'receipt x1: unknown');
    return { ...receipt(this.scope), servers: this.counts() };
  }

  async #drainState(id: string): ReturnType<ReleaseControl['awaitIdle']> {
    const { inFlight, state } = this.server(id);
    const { eligibility } = await this.#look(id);
    const idle = inFlight === 0;
    const base = { admin: state, generation: 1, acknowledged: true };
    return { ...base, inFlight, tunnels: 0, streams: 0, idle, eligibility, scope: this.scope };
  }

  async #look(id: string): Promise<PoolServer> {
    const { state, inFlight, forced } = this.server(id);
    const isUp = forced === '' ? (await versionOf(id)) !== '' : forced === 'up';
    // In maint the checks rest.
    const isChecked = this.checkType !== 'none' && state.state !== 'maint';
    const checked = !isChecked ? 'unknown' : isUp ? 'up' : 'down';
    const eligibility = state.state !== 'ready' ? state.state : checked === 'down' ? 'down' : 'ok';
    const { checkType } = this;
    const base = { id, backup: false, admin: state, inFlight, checkReason: '', checkType };
    return {
      ...base,
      checks: checked,
      eligibility,
      outElsewhere: this.outElsewhere,
      settled: this.isSettled,
    };
  }
}

const READY: PoolServer['admin'] = { state: 'ready', owner: '', reason: '', sinceMs: 0 };

function pick(change: Parameters<ReleaseControl['setAdmin']>[2]): Partial<PoolServer['admin']> {
  return { state: change.state, owner: change.owner, reason: change.reason };
}

function receipt(scope: Scope): Receipt {
  const counts = { requests: 0, answered: 0, retried: 0, cut: 0, lost: 0, clientGone: 0 };
  return {
    id: 'x1',
    ...counts,
    stillInFlight: 0,
    ...{ answers: NO_ANSWERS, tunnels: NO_LASTING, streams: NO_LASTING },
    longestGapMs: 0,
    workersLost: 0,
    servers: [],
    gateways: [],
    complete: scope.unheard.length === 0,
    scope,
  };
}

/** The session that a release gave the instance, children included. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
