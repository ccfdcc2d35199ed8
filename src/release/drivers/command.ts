// The driver of instances that are processes of a start command. A process gets a session of its own,
// so that neither the runner's end nor a Ctrl-C reaches it, and writes to a log file. It is known by
// a record (pid + start time) and by a mark in its environment: the mark finds it when the runner was
// killed between the start and the record, and finds the children that it left behind.

import { isSluiceError, messageOf, SluiceError, systemCode } from '../../base/errors.ts';
import { formatAddress } from '../../base/units.ts';
import type { Host, Keep, KeeperOrder, Spawned } from '../hosts.ts';
import { hostFolder, logFile, recordFile } from '../journal/files.ts';
import {
  type CommandHandle,
  type CommandLaunch,
  type CommandScope,
  readHandle,
  readLaunch,
} from './command/command-launch.ts';
import { keptWords } from './command/kept.ts';
import { escapeProblem, launchOf, launchProblem } from './command/launch.ts';
import { tailOf } from './command/log-tail.ts';
import { backProblem, pinned, pinOf } from './command/pin.ts';
import { leftBehind, stopFacts, stopInstance } from './command/stop.ts';
import { userSwitch } from './command/user.ts';
import type { Driver, DriverScope, Handle, Kept, Launch, Started } from './driver.ts';
import { environmentOf, secretsOf } from './environment.ts';
import { instanceProcesses, ownVariables } from './processes.ts';
import { strangerOn } from './stranger.ts';

export { userSwitch } from './command/user.ts';

/** A log beyond this is set aside as `.log.1` at the next start. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;

export function commandDriver(given: DriverScope): Driver {
  return new CommandDriver(given);
}

class CommandDriver implements Driver {
  readonly logPlace: string;
  readonly #log: string;
  readonly #scope: CommandScope;
  readonly #host: Host;
  readonly #instance: string;
  /** What this runner has started itself: how it ended, and where its part of the log begins. */
  readonly #own = new Map<string, { readonly spawned: Spawned; readonly logOffset: number }>();

  constructor(given: DriverScope) {
    const { service, address, host } = given;
    this.#instance = formatAddress(address);
    this.#host = host;
    this.#log = logFile(service, this.#instance, host);
    // Elsewhere no record is kept: the mark is the same for whoever deploys, from wherever.
    const mark = host.isLocal ? recordFile(service, this.#instance) : this.#log;
    this.#scope = { ...given, mark };
    this.logPlace = host.isLocal ? this.#log : `${this.#log} on ${host.name}`;
  }

  launchOf(version: string): CommandLaunch {
    return launchOf(this.#scope, version);
  }

  describe(launch: Launch): ReturnType<Driver['describe']> {
    const own = readLaunch(launch);
    const { argv, cwd } = own.pin ?? own;
    return { argv, cwd, environment: Object.keys(own.env) };
  }

  isSame(one: Launch, other: Launch): boolean {
    const text = (launch: Launch): string => {
      const { version, argv, cwd, env, inherit, user = '' } = readLaunch(launch);
      return JSON.stringify([version, argv, cwd, Object.entries(env), inherit, user]);
    };
    return text(one) === text(other);
  }

  isKnown(launch: Launch): boolean {
    return readLaunch(launch).argv.length > 0;
  }

  secretsOf(launch: Launch): Promise<readonly string[]> {
    return secretsOf(readLaunch(launch).env);
  }

  readLaunch(value: unknown): CommandLaunch {
    return readLaunch(value);
  }

  readHandle(value: unknown): CommandHandle {
    return readHandle(value);
  }

  async startProblem(launch: Launch): Promise<string> {
    const { service, address } = this.#scope;
    return (
      (await launchProblem(this.#host, readLaunch(launch))) ||
      escapeProblem(this.#host, service, address, launch.version)
    );
  }

  async warnings(): Promise<readonly string[]> {
    const { isLocal, name } = this.#host;
    if (isLocal) return [];
    if (!this.#isKept) {
      const why = this.#host.keepers === undefined ? '' : ' (supervise: off)';
      return [`nobody on ${name} starts an instance again when it ends${why}`];
    }
    const keeper = (await this.#host.keepers?.ask(this.#log)) ?? null;
    const kept = keeper && keptWords(keeper);
    return kept?.isNews === true ? [`${this.#instance}: ${kept.text}`] : [];
  }

  get #isKept(): boolean {
    return this.#scope.service.isSupervised && this.#host.keepers !== undefined;
  }

  async keep(
    order: KeeperOrder,
    { fence, holdMs }: { fence: number; holdMs: number },
  ): Promise<void> {
    await this.#host.keepers?.tell(this.#log, order, { fence, holdS: holdMs / 1000 });
  }

  async kept(): Promise<Kept | null> {
    const { keepers } = this.#host;
    return keepers === undefined ? null : keptWords(await keepers.ask(this.#log));
  }

  /** Nobody starts it again from here on. What runs then, also what was started in the last moment. */
  async #unkeep(): Promise<CommandHandle | null> {
    const { keepers } = this.#host;
    await keepers?.tell(this.#log, 'off', { fence: this.#scope.claim?.fence ?? 0 });
    const now = (await keepers?.ask(this.#log)) ?? null;
    return now?.isAlive === true ? now.process : null;
  }

  returnProblem(launch: Launch): Promise<string> {
    return backProblem(this.#host, readLaunch(launch));
  }

  async start(wanted: Launch, release: string): Promise<Started> {
    const launch = readLaunch(wanted);
    // A revert runs what ran, by its real paths; a first start is written down with them.
    const { launch: real, file } = await pinned(this.#host, launch);
    const who = await userSwitch(this.#host, launch.user ?? '');
    const given = { ...real, env: { ...who.variables, ...real.env } };
    const { values, problem: missing } = await environmentOf(given, {
      isFresh: true,
      base: this.#host.environment,
    });
    const problem = who.problem || missing;
    if (problem !== '') throw new SluiceError('release_failed', `${this.#instance}: ${problem}`);
    const pin = launch.pin ?? (await pinOf(this.#host, launch, values['PATH'] ?? ''));
    const [name = '', ...args] = real.argv;
    const own = ownVariables(this.#scope.mark, launch.version, release);
    const env = { ...values, ...own };
    const ran: CommandLaunch = { ...launch, pin };
    let keep: Keep | undefined;
    if (this.#isKept) {
      const later = await pinned(this.#host, ran);
      const [called = '', ...words] = later.launch.argv;
      const found = await environmentOf(
        { ...later.launch, env: { ...who.variables, ...later.launch.env } },
        { base: this.#host.environment },
      );
      keep = {
        again: who.wrap({
          ...{ file: later.file, args: words, name: called, cwd: later.launch.cwd },
          env: { ...found.values, ...own },
        }),
      };
    }
    const running = await this.#unkeep();
    // It ended, nobody ran when we looked, and its keeper has started it since.
    if (running !== null) {
      const { stopTimeoutMs: timeoutMs } = this.#scope.service;
      const { trouble } = await stopInstance(this.#scope, running, { timeoutMs });
      if (trouble !== '') throw new SluiceError('release_failed', `${this.#instance}: ${trouble}`);
    }
    const logOffset = await this.#beginLog();
    let spawned: Spawned;
    try {
      const command = who.wrap({ file, args, name, cwd: real.cwd, env });
      spawned = await this.#host.spawn({ ...command, claim: this.#scope.claim }, this.#log, keep);
    } catch (error) {
      throw await this.#refusal(error, { ...real, argv: [file] });
    }
    const handle = spawned.process;
    this.#own.set(keyOf(handle), { spawned, logOffset });
    return { handle, startedAtMs: Date.now(), release, launch: ran };
  }

  async find(recorded: Started | null): Promise<Started | null> {
    if (recorded !== null && (await this.#host.isAlive(readHandle(recorded.handle)))) {
      return recorded;
    }
    const [found] = await instanceProcesses(this.#host, this.#scope.mark);
    if (found === undefined) return null;
    const version = await this.#host.variableOf(found.pid, 'SLUICE_VERSION');
    const release = await this.#host.variableOf(found.pid, 'SLUICE_RELEASE');
    const handle: CommandHandle = { pid: found.pid, identity: found.identity };
    // What the recorded process has left behind when it ended runs by the same command.
    if (recorded?.launch.version === version && recorded.release === release) {
      return { ...recorded, handle };
    }
    const launch: CommandLaunch = {
      ...{ version, argv: [], cwd: '', env: {}, inherit: [], path: '' },
    };
    return { handle, startedAtMs: 0, release, launch };
  }

  async state(given: Handle): ReturnType<Driver['state']> {
    const handle = readHandle(given);
    const own = this.#own.get(keyOf(handle));
    if (own !== undefined) return { pid: handle.pid, ended: await own.spawned.ended() };
    return { pid: handle.pid, ended: (await this.#host.isAlive(handle)) ? '' : 'ended' };
  }

  async stop(
    handle: Handle | null,
    options: Parameters<Driver['stop']>[1],
  ): ReturnType<Driver['stop']> {
    const known = handle === null ? null : readHandle(handle);
    const now = await this.#unkeep();
    const isGone = known === null || !(await this.#host.isAlive(known));
    const leader = isGone ? (now ?? known) : known;
    const outcome = await stopInstance(this.#scope, leader, options);
    return { facts: stopFacts(outcome), trouble: outcome.trouble };
  }

  async leftBehind(handle: Handle): Promise<string> {
    const [first] = await leftBehind(this.#scope, readHandle(handle));
    return first === undefined ? '' : `pid ${first.pid} (${await this.#host.commandOf(first.pid)})`;
  }

  logs(handle: Handle | null, count?: number): Promise<readonly string[]> {
    const own = handle === null ? undefined : this.#own.get(keyOf(readHandle(handle)));
    const offset = own?.logOffset ?? 0;
    return tailOf(this.#host, this.#log, offset, count);
  }

  stranger(handle: Handle | null, port: number): Promise<string> {
    return strangerOn(this.#scope, port, handle === null ? null : readHandle(handle));
  }

  /** Where the new process's part of the log will begin. */
  async #beginLog(): Promise<number> {
    const { service } = this.#scope;
    await this.#host.makeFolder(hostFolder(service, this.#host));
    const size = (await this.#host.look(this.#log))?.size ?? 0;
    if (size <= LOG_BYTES_MAX) return size;
    await this.#host.rename(this.#log, `${this.#log}.1`);
    return 0;
  }

  async #refusal(error: unknown, launch: CommandLaunch): Promise<unknown> {
    const code = systemCode(error) || messageOf(error);
    if (isSluiceError(error)) return error;
    // The system says ENOENT of a missing folder, program or interpreter alike.
    const missing =
      code === 'ENOENT'
        ? (await launchProblem(this.#host, launch)) || 'its interpreter does not exist'
        : code;
    const [file = ''] = launch.argv;
    const message = `${this.#instance}: cannot start "${file}": ${missing}`;
    return new SluiceError('release_failed', message, { cause: error });
  }
}

function keyOf({ pid, identity }: CommandHandle): string {
  return `${pid}/${identity}`;
}
