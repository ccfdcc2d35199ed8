// The driver of instances that are units of systemd. The unit is the operator's own and is there
// already: how the instance is run, by whom, and when it is started again are its matters. A release
// writes the file that the unit reads its environment from, starts it and stops it. One run of a unit
// is known by its InvocationID, as a process is by its pid and start time.

import { dirname } from 'node:path';
import { SluiceError } from '../../base/errors.ts';
import { formatAddress } from '../../base/units.ts';
import type { Facts } from '../events.ts';
import { stringField, textsField } from '../journal/fields.ts';
import { pause } from '../wait.ts';
import {
  type Driver,
  type DriverScope,
  type DriverState,
  type Handle,
  keptMark,
  type Launch,
  type MarkedScope,
  type Started,
} from './driver.ts';
import { secretsOf, valuesOf } from './environment.ts';
import { ownVariables } from './processes.ts';
import { closedPort, ownProcesses, strangerBeside } from './stranger.ts';
import {
  endOf,
  envFileText,
  isUp,
  type UnitFacts,
  unitFacts,
  variablesIn,
} from './systemd/unit.ts';
import { filledEnv, filler } from './template.ts';
import { complaint, Shared, Tool } from './tool.ts';

/** A unit of Type=notify may take its time. */
const START_TIMEOUT_MS = 120_000;
const POLL_MS = 100;
const KILL_WAIT_MS = 5000;
const ENV_FILE_BYTES_MAX = 1024 * 1024;
const LOG_LINES = 30;

type SystemdLaunch = Launch & {
  /** '' of one that was found without a record. */
  readonly unit: string;
  readonly envFile: string;
  /** With references, never their values. */
  readonly env: Readonly<Record<string, string>>;
};
type SystemdHandle = { readonly unit: string; readonly invocation: string };

export function systemdDriver(scope: DriverScope): Driver {
  return new SystemdDriver(scope);
}

class SystemdDriver implements Driver {
  readonly logPlace: string;
  readonly #scope: MarkedScope;
  readonly #unit: string;
  readonly #envFile: string;
  readonly #systemctl: Tool;
  readonly #journalctl: Tool;
  readonly #facts: Shared<UnitFacts>;

  constructor(given: DriverScope) {
    const { service, address, host } = given;
    const { systemd } = service;
    const fill = filler(service, address, '');
    this.#scope = { ...given, mark: keptMark(given) };
    this.#unit = fill(systemd.unit);
    this.#envFile = fill(systemd.envFile);
    const [program = 'systemctl'] = systemd.command.slice(-1);
    const before = systemd.command.slice(0, -1);
    const user = systemd.isUserManager ? ['--user'] : [];
    this.#systemctl = new Tool(host, [...before, program, ...user]);
    const reader = program.replace(/systemctl$/, 'journalctl');
    this.#journalctl = new Tool(host, [...before, reader, ...user]);
    this.#facts = new Shared(() => unitFacts(this.#systemctl, this.#unit));
    this.logPlace = `journalctl ${[...user, '-u', this.#unit].join(' ')}`;
  }

  launchOf(version: string): SystemdLaunch {
    const { service, address } = this.#scope;
    const env = filledEnv(service, address, version);
    return { version, unit: this.#unit, envFile: this.#envFile, env };
  }

  describe(launch: Launch): ReturnType<Driver['describe']> {
    const { unit, env } = readLaunch(launch);
    return { argv: ['systemctl', 'start', unit], cwd: '', environment: Object.keys(env) };
  }

  isSame(one: Launch, other: Launch): boolean {
    return JSON.stringify(readLaunch(one)) === JSON.stringify(readLaunch(other));
  }

  isKnown(launch: Launch): boolean {
    return readLaunch(launch).unit !== '';
  }

  secretsOf(launch: Launch): Promise<readonly string[]> {
    return secretsOf(readLaunch(launch).env);
  }

  readLaunch(value: unknown): SystemdLaunch {
    return readLaunch(value);
  }

  readHandle(value: unknown): SystemdHandle {
    return readHandle(value);
  }

  async startProblem(launch: Launch): Promise<string> {
    const { unit, envFile, env } = readLaunch(launch);
    const { problem } = await valuesOf(env);
    if (problem !== '') return problem;
    const facts = await unitFacts(this.#systemctl, unit);
    if (facts.trouble !== '') return facts.trouble;
    if (facts.load !== 'loaded') {
      return `unit ${unit} cannot be started (${facts.load}); install it, and call systemctl daemon-reload`;
    }
    if (envFile === '') return '';
    const folder = await this.#scope.host.look(dirname(envFile));
    if (folder?.kind !== 'folder') {
      return `the folder ${dirname(envFile)} (systemd.env_file) does not exist`;
    }
    return facts.envFiles.includes(envFile)
      ? ''
      : `unit ${unit} does not read ${envFile}; write EnvironmentFile=${envFile} into its section [Service]`;
  }

  async returnProblem(launch: Launch): Promise<string> {
    return this.isKnown(launch) ? this.startProblem(launch) : 'how it was started is not known';
  }

  async warnings(launch: Launch): Promise<readonly string[]> {
    const { unit } = readLaunch(launch);
    const { restart, state, load } = await unitFacts(this.#systemctl, unit);
    if (load !== 'loaded') return [];
    const never = `unit ${unit} is not started again when it ends: write Restart=on-failure into it`;
    const off = `unit ${unit} is not started with the machine: systemctl enable ${unit}`;
    return [
      ...(restart === 'no' ? [never] : []),
      ...(/^(enabled|static|generated|alias|indirect)/.test(state) ? [] : [off]),
    ];
  }

  async start(wanted: Launch, release: string): Promise<Started> {
    const launch = readLaunch(wanted);
    const { unit, envFile, env, version } = launch;
    const { claim } = this.#scope;
    const refuse = (reason: string): SluiceError =>
      new SluiceError('release_failed', `${formatAddress(this.#scope.address)}: ${reason}`);
    const { values, problem } = await valuesOf(env, { isFresh: true });
    if (problem !== '') throw refuse(problem);
    if (envFile !== '') {
      const own = ownVariables(this.#scope.mark, version, release);
      await this.#scope.host.put(envFile, envFileText({ ...values, ...own }), claim);
    }
    // One that failed too often is not started before its count is taken back.
    await this.#systemctl.run(['reset-failed', unit], { claim });
    const end = await this.#systemctl.run(['start', unit], { claim, timeoutMs: START_TIMEOUT_MS });
    if (end.code !== 0) {
      throw refuse(`systemctl start ${unit}: ${complaint(end)}; see systemctl status ${unit}`);
    }
    const { invocation } = await this.#facts.again();
    return { handle: { unit, invocation }, startedAtMs: Date.now(), release, launch };
  }

  async find(recorded: Started | null): Promise<Started | null> {
    const facts = await this.#facts.again();
    if (!isUp(facts)) return null;
    const handle: SystemdHandle = { unit: this.#unit, invocation: facts.invocation };
    if (recorded !== null && readHandle(recorded.handle).invocation === facts.invocation) {
      return recorded;
    }
    const own = await this.#variables();
    const version = own.get('SLUICE_VERSION') ?? '';
    const release = own.get('SLUICE_RELEASE') ?? '';
    const isSame = recorded?.launch.version === version && recorded.release === release;
    // Without a file the unit runs what it was last started with, as far as anybody knows.
    if (recorded !== null && (isSame || this.#envFile === '')) return { ...recorded, handle };
    const launch: SystemdLaunch = { version, unit: '', envFile: '', env: {} };
    return { handle, startedAtMs: 0, release, launch };
  }

  async state(given: Handle): Promise<DriverState> {
    const handle = readHandle(given);
    const facts = await this.#facts.ask();
    return { pid: facts.pid, ended: endOf(facts, handle.invocation) };
  }

  async stop(
    handle: Handle | null,
    options: Parameters<Driver['stop']>[1],
  ): ReturnType<Driver['stop']> {
    const unit = handle === null ? this.#unit : readHandle(handle).unit;
    const { claim } = this.#scope;
    const deadlineMs = performance.now() + options.timeoutMs;
    let facts = await unitFacts(this.#systemctl, unit);
    if (facts.trouble !== '' && facts.load !== 'not-found') {
      return { facts: { signal: 'none' }, trouble: facts.trouble };
    }
    const told: Facts = { unit, signal: isUp(facts) ? 'unit' : 'none' };
    let signal = told;
    if (isUp(facts)) {
      const end = await this.#systemctl.run(['stop', '--no-block', unit], { claim });
      if (end.code !== 0)
        return { facts: told, trouble: `systemctl stop ${unit}: ${complaint(end)}` };
    }
    while (isUp(facts) && performance.now() < deadlineMs) {
      options.wait?.({ unit: facts.active });
      await pause(POLL_MS);
      facts = await unitFacts(this.#systemctl, unit);
    }
    if (isUp(facts)) {
      signal = { unit, signal: 'KILL' };
      const killedMs = performance.now();
      await this.#systemctl.run(['kill', '--signal=KILL', unit], { claim });
      while (isUp(facts) && performance.now() - killedMs < KILL_WAIT_MS) {
        await pause(POLL_MS);
        facts = await unitFacts(this.#systemctl, unit);
      }
    }
    await this.#facts.again();
    const trouble = isUp(facts) ? `unit ${unit} did not end: it is ${facts.active}` : '';
    return { facts: signal, trouble: trouble || (await closedPort(this.#scope)) };
  }

  /** Its control group ends with the unit. */
  async leftBehind(): Promise<string> {
    return '';
  }

  async logs(given: Handle | null, count = LOG_LINES): Promise<readonly string[]> {
    const one = given === null ? [] : [`_SYSTEMD_INVOCATION_ID=${readHandle(given).invocation}`];
    const which = ['-u', given === null ? this.#unit : readHandle(given).unit, ...one];
    const end = await this.#journalctl.run([
      ...which,
      ...['-n', String(count), '-o', 'cat', '--no-pager'],
    ]);
    return end.code === 0 ? end.stdout.trimEnd().split('\n') : [`journalctl: ${complaint(end)}`];
  }

  async stranger(handle: Handle | null, port: number): Promise<string> {
    const { host } = this.#scope;
    const facts = handle === null ? null : await this.#facts.ask();
    const group = facts === null ? '' : facts.group;
    const listed =
      group === ''
        ? null
        : await host.read(`/sys/fs/cgroup${group}/cgroup.procs`, 0, ENV_FILE_BYTES_MAX);
    const pids = listed?.toString().split('\n').filter(Boolean).map(Number) ?? [];
    const ours =
      pids.length > 0 ? pids : await ownProcesses(this.#scope, facts === null ? 0 : facts.pid);
    return strangerBeside(this.#scope, port, ours, handle !== null);
  }

  async #variables(): Promise<ReadonlyMap<string, string>> {
    if (this.#envFile === '') return new Map();
    const text = await this.#scope.host.read(this.#envFile, 0, ENV_FILE_BYTES_MAX);
    return variablesIn(text?.toString() ?? '');
  }
}

function readLaunch(value: unknown): SystemdLaunch {
  return {
    version: stringField(value, 'version'),
    unit: stringField(value, 'unit'),
    envFile: stringField(value, 'envFile'),
    env: textsField(value, 'env'),
  };
}

function readHandle(value: unknown): SystemdHandle {
  return { unit: stringField(value, 'unit'), invocation: stringField(value, 'invocation') };
}
