// A model of releases: runners of the real engine on simulated instances, behind a simulated control plane whose
// lock and journals are the real ones. runSeed plays one schedule and gives back what was violated.

import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isSluiceError } from '../../../../src/base/errors.ts';
import { silentLog } from '../../../../src/base/log.ts';
import type { HostConfig, ServiceConfig } from '../../../../src/config.ts';
import { SharedReleases } from '../../../../src/control.ts';
import { asking, joinHost } from '../../../../src/release/hosts.ts';
import {
  Interrupts,
  type ReleaseOptions,
  type ReleaseResult,
  runRelease,
} from '../../../../src/release.ts';
import { seededRandom } from '../../base/random.ts';
import { MemoryRegistry } from '../../gateways/memory-registry.ts';
import { instanceAt } from '../builders.ts';
import { SERVICE } from '../surveys.ts';
import type { ModelClock } from './clock.ts';
import { ModelControl } from './control.ts';
import { modelHost } from './host.ts';
import { Gate } from './runner.ts';
import { World } from './world.ts';

const SSH: HostConfig['ssh'] = {
  ...{ destination: 'app@h', port: 0, identity: '', config: '', strict: '' },
};

export type ModelRunner = {
  readonly name: string;
  readonly version: string;
  readonly gate: Gate;
  readonly interrupts: Interrupts;
  readonly control: ModelControl;
  /** Its release; '' before it has one. */
  release: string;
  /** Null while it runs. */
  result: ReleaseResult | null;
  isOver: boolean;
  /** It was killed, or stood still: others may be at work in its place. */
  wasStopped: boolean;
};

export class Model {
  readonly world: World;
  readonly clock: ModelClock;
  readonly registry = new MemoryRegistry();
  readonly store = this.registry.client();
  readonly shared: SharedReleases;
  readonly runners: ModelRunner[] = [];
  readonly random: () => number;
  readonly #service: ServiceConfig;
  readonly #folder: string;

  constructor(seed: number, folder: string, clock: ModelClock) {
    this.random = seededRandom(seed);
    this.clock = clock;
    this.#folder = folder;
    const count = 2 + Math.floor(this.random() * 3);
    const instances = Array.from({ length: count }, (_, at) => instanceAt(9001 + at, 'h'));
    const minHealthyPercent = 50;
    this.world = new World({
      instances: instances.map(({ id }) => id),
      need: Math.max(1, Math.ceil((count * minHealthyPercent) / 100)),
      now: () => this.clock.nowMs,
      random: seededRandom(seed + 1_000_000),
    });
    this.#service = {
      ...SERVICE,
      ...{ instances, start: ['/srv/app', '{id}'], cwd: '/srv', minHealthyPercent },
      ...{ stopTimeoutMs: 3000, drainTimeoutMs: 2000, checkIntervalMs: 500, guardWaitMs: 4000 },
      ...{ checkDeadlineMs: 5000, checkStableMs: this.random() < 0.5 ? 0 : 1000 },
    };
    const { world } = this;
    this.shared = new SharedReleases({
      ...{ store: this.store, prefix: 'sluice/', log: silentLog, firstFence: 1 },
      drainedBy: (owner) =>
        [...world.servers]
          .filter(([, { admin }]) => admin.state === 'drain' && admin.owner === owner)
          .map(([server]) => ({ upstream: 'app', server })),
      giveBack: async ({ server, owner, claim }) => {
        if (!this.registry.commit(await claim())) throw new Error('changed');
        if (world.server(server).admin.owner !== owner) return;
        world.say(`${server} given back: its runner is gone`);
        world.setAdmin(server, { state: 'ready', owner: '', reason: '', sinceMs: 0 });
      },
      onGivenBack: () => {},
    });
    asking.start = ({ host, port, onEnd }) => {
      setTimeout(() => onEnd(this.#answer(`${host}:${port}`)), 2);
      return { close: () => {} };
    };
  }

  start(version: string, part: Partial<ReleaseOptions & ServiceConfig> = {}): ModelRunner {
    const gate = new Gate();
    const { world, registry, shared } = this;
    const config: HostConfig = { name: 'h', address: '127.0.0.1', ssh: SSH };
    joinHost(config, modelHost(world, gate));
    const runDir = join(this.#folder, this.random() < 0.5 ? 'one' : 'two');
    const { onFailure = 'revert' } = part;
    const service: ServiceConfig = {
      ...this.#service,
      ...{ hosts: new Map([['h', config]]), runDir, folder: runDir, onFailure },
    };
    const runner: ModelRunner = {
      ...{ name: `runner ${this.runners.length + 1}`, version, gate },
      ...{ interrupts: new Interrupts(), release: '', result: null, isOver: false },
      ...{ control: new ModelControl({ world, gate, shared, registry }), wasStopped: false },
    };
    const { interrupts, control, name } = runner;
    const resume = part.resume ?? '';
    world.say(
      `${name}: deploy of ${version}${resume === '' ? '' : `, resumes ${resume}`}, ${onFailure}`,
    );
    this.runners.push(runner);
    const options: ReleaseOptions = {
      ...{ service, version, control, interrupts, resume, controlRetryMs: 5000 },
      ...{ force: part.force ?? false, allowDowntime: false, user: 'ci' },
      onEvent: (event) => {
        runner.release = event.release;
        if (event.type === 'step' && event.phase !== 'wait') {
          const { instance, step, phase, data, revert } = event;
          world.say(
            `${name} ${instance} ${step}${revert ? '*' : ''} ${phase} ${JSON.stringify(data)}`,
          );
        } else if (event.type === 'instance') {
          world.say(`${name} ${event.instance}: ${event.outcome} ${event.text}`);
        } else if (event.type === 'note' && !event.text.startsWith('nobody on ')) {
          world.say(`${name}: ${event.text}`);
        }
      },
    };
    void this.#follow(runner, options);
    return runner;
  }

  async #follow(runner: ModelRunner, options: ReleaseOptions): Promise<void> {
    const { world } = this;
    try {
      const result = await runRelease(options);
      runner.result = result;
      const { outcome, code, exit, reason } = result;
      world.say(`${runner.name}: ${outcome} ${code} ${exit} ${reason}`);
      this.#judge(runner, result);
    } catch (error) {
      world.say(`${runner.name}: refused: ${String(error)}`);
      const isExpected = isSluiceError(error) && EXPECTED.has(error.code);
      if (!isExpected) {
        const stack = error instanceof Error ? error.stack : String(error);
        world.violated(`${runner.name} threw: ${stack}`);
      }
    }
    runner.isOver = true;
  }

  /** What it says must be what is. */
  #judge({ name, control, wasStopped, gate }: ModelRunner, result: ReleaseResult): void {
    const { world } = this;
    const { outcome, code, exit, instances } = result;
    const wanted = exitOf(result);
    if (!wanted.includes(exit)) {
      world.violated(`${name}: exit ${exit} of ${outcome} ${code}, not ${wanted.join(' or ')}`);
    }
    if (exit === 3 && control.changed > 0)
      world.violated(`${name}: exit 3, and it changed servers`);
    if (exit === 6 && instances.some(({ version }) => version === result.version)) {
      world.violated(`${name}: exit 6, and ${result.version} runs`);
    }
    if (exit === 0 && outcome === 'succeeded' && !wasStopped) {
      const other = instances.find(
        (one) => one.outcome === 'released' && one.version !== result.version,
      );
      if (other !== undefined)
        world.violated(`${name}: exit 0, and ${other.instance} is not released`);
    }
    // What has changed since its last look it cannot know.
    if (gate.isDead || code === 'locked' || world.now() - world.changedMs < LOOK_MS) return;
    for (const { instance, version, inPool, pool } of instances) {
      if (pool === 'pool not known') continue;
      const process = world.alive(instance);
      const runs = process === undefined ? '' : world.answers(instance) || process.version;
      const isStill = process === undefined || world.now() - process.listensMs > 50;
      if (isStill && version !== runs && !this.#isFresh(instance)) {
        world.violated(`${name}: says ${instance} runs "${version}", and it is "${runs}"`);
      }
      if (!this.#isFresh(instance) && inPool !== world.isEligible(instance)) {
        world.violated(`${name}: says ${instance} is ${pool}, and it is ${!inPool ? 'in' : 'out'}`);
      }
    }
  }

  /** A process came or went by itself just now. */
  #isFresh(instance: string): boolean {
    const nowMs = this.world.now();
    return this.world.processes.some(({ instance: at, kind, endMs, listensMs }) => {
      if (at !== instance) return false;
      const times = kind === 'late' ? [endMs, listensMs] : [endMs];
      return times.some((ms) => ms <= nowMs && nowMs - ms < LOOK_MS);
    });
  }

  #answer(id: string) {
    const { world } = this;
    const process = world.listening(id);
    const words = { outcome: 'fail' as const, fields: new Map<string, string>() };
    if (process === undefined) return { ...words, reason: 'refused', code: 'ECONNREFUSED' };
    if (process.kind === 'sick') return { ...words, reason: '503 in 2ms' };
    const fields = new Map([['x-app-version', world.answers(id)]]);
    return { outcome: 'pass' as const, reason: '200 in 2ms', fields };
  }

  async end(): Promise<void> {
    for (const { gate } of this.runners) gate.isDead = true;
    this.shared.stop();
    this.clock.forget();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A result may come so long after its last look at the pool: the end is written in between, ms. */
const LOOK_MS = 6000;

const EXPECTED: ReadonlySet<string> = new Set([
  ...['locked', 'conflict', 'unreachable', 'timeout', 'registry_unreachable'],
]);

/** code → exit, as docs/errors.md has it. */
const EXITS = new Map(
  readFileSync(join(import.meta.dirname, '../../../..', 'docs/errors.md'), 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, code = '', exit = ''] = /^\| `(\w+)` \| (\d+) \|/.exec(line) ?? [];
      return code === '' ? [] : [[code, Number(exit)] as const];
    }),
);

function exitOf({ outcome, code }: ReleaseResult): readonly number[] {
  if (outcome === 'succeeded' || outcome === 'unchanged') return [0];
  if (code === 'interrupted') return outcome === 'aborted' ? [1, 130] : [130];
  return [EXITS.get(code) ?? Number.NaN];
}
