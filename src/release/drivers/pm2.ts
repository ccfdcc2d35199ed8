// The driver of instances that are processes under pm2, which starts them again when they end. The
// instance is one process of a name that is the same for every version; a process of that name that no
// release started is never touched. pm2's own restarts and reloads are not used: a release has drained
// the instance before, so it is deleted and started.

import { SluiceError } from '../../base/errors.ts';
import { formatAddress } from '../../base/units.ts';
import { numberField, stringField, textsField, wordsField } from '../journal/fields.ts';
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
import { appsOf, endOf, type Pm2Answer, type Pm2App } from './pm2/apps.ts';
import { ownVariables } from './processes.ts';
import { closedPort, ownProcesses, strangerBeside } from './stranger.ts';
import { filledEnv, filler } from './template.ts';
import { complaint, Shared, Tool } from './tool.ts';

/** The first call of pm2 starts its daemon. */
const TIMEOUT_MS = 60_000;
/** What pm2 may take beyond the time of a stop. */
const STOP_EXTRA_MS = 20_000;
/** From this on pm2 waits longer and longer between two restarts. */
const RESTART_DELAY_MS = 100;
const LOG_BYTES = 32 * 1024;
const LOG_LINES = 30;

type Pm2Launch = Launch & {
  /** Empty of one that was found without a record. */
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly options: readonly string[];
  /** With references, never their values. */
  readonly env: Readonly<Record<string, string>>;
};
/** One run: pm2 keeps the name and the number when it starts a process again. */
type Pm2Handle = { readonly pid: number; readonly startedAtMs: number };

export function pm2Driver(scope: DriverScope): Driver {
  return new Pm2Driver(scope);
}

class Pm2Driver implements Driver {
  readonly logPlace: string;
  readonly #scope: MarkedScope;
  readonly #pm2: Tool;
  readonly #name: string;
  readonly #apps: Shared<Pm2Answer>;

  constructor(given: DriverScope) {
    const { service, address, host } = given;
    const { name, home, command } = service.pm2;
    this.#scope = { ...given, mark: keptMark(given) };
    this.#name = filler(service, address, '')(name);
    this.#pm2 = new Tool(host, command, home === '' ? {} : { PM2_HOME: home });
    this.#apps = new Shared(() => appsOf(this.#pm2, this.#name));
    this.logPlace = `pm2 logs ${this.#name}`;
  }

  launchOf(version: string): Pm2Launch {
    const { service, address } = this.#scope;
    const fill = filler(service, address, version);
    return {
      version,
      argv: service.start.map(fill),
      cwd: fill(service.cwd),
      options: service.pm2.options.map(fill),
      env: filledEnv(service, address, version),
    };
  }

  describe(launch: Launch): ReturnType<Driver['describe']> {
    const { argv, cwd, env } = readLaunch(launch);
    return { argv: ['pm2', 'start', ...argv], cwd, environment: Object.keys(env) };
  }

  isSame(one: Launch, other: Launch): boolean {
    return JSON.stringify(readLaunch(one)) === JSON.stringify(readLaunch(other));
  }

  isKnown(launch: Launch): boolean {
    return readLaunch(launch).argv.length > 0;
  }

  secretsOf(launch: Launch): Promise<readonly string[]> {
    return secretsOf(readLaunch(launch).env);
  }

  readLaunch(value: unknown): Pm2Launch {
    return readLaunch(value);
  }

  readHandle(value: unknown): Pm2Handle {
    return readHandle(value);
  }

  async startProblem(launch: Launch): Promise<string> {
    const { argv, cwd, env } = readLaunch(launch);
    const { problem } = await valuesOf(env);
    if (problem !== '') return problem;
    const { host } = this.#scope;
    if ((await host.look(cwd))?.kind !== 'folder') return `the folder ${cwd} (cwd) does not exist`;
    const [program = ''] = argv;
    if ((await this.#programOf(program, cwd)) === '')
      return `the program "${program}" is not there`;
    const { apps, trouble } = await this.#apps.again();
    if (trouble !== '') return trouble;
    return apps.some((app) => !this.#isOurs(app))
      ? `pm2 has a process ${this.#name} that no release started; pm2 delete ${this.#name} when nothing needs it, or write another pm2.name`
      : '';
  }

  async returnProblem(launch: Launch): Promise<string> {
    return this.isKnown(launch) ? this.startProblem(launch) : 'its command is not known';
  }

  async warnings(): Promise<readonly string[]> {
    return ['pm2 starts an instance again when it ends; with the machine only after pm2 save'];
  }

  async start(wanted: Launch, release: string): Promise<Started> {
    const launch = readLaunch(wanted);
    const { argv, cwd, env, options, version } = launch;
    const { values, problem } = await valuesOf(env, { isFresh: true });
    if (problem !== '') throw this.#refusal(problem);
    const [program = '', ...args] = argv;
    const file = await this.#programOf(program, cwd);
    if (file === '') throw this.#refusal(`cannot start "${program}": it is not there`);
    await this.#delete();
    const own = ownVariables(this.#scope.mark, version, release);
    const words = [
      ...['start', file, '--name', this.#name, '--interpreter', 'none', '--cwd', cwd],
      ...['--kill-timeout', String(this.#scope.service.stopTimeoutMs)],
      ...['--exp-backoff-restart-delay', String(RESTART_DELAY_MS)],
      ...options,
      ...(args.length > 0 ? ['--', ...args] : []),
    ];
    const { claim } = this.#scope;
    const given = { env: { ...values, ...own }, cwd, claim, timeoutMs: TIMEOUT_MS };
    const end = await this.#pm2.run(words, given);
    const app = (await this.#apps.again()).apps.find((one) => this.#isOurs(one));
    if (end.code !== 0 || app === undefined) {
      throw this.#refusal(`pm2 start ${program}: ${complaint(end)}`);
    }
    return { handle: handleOf(app), startedAtMs: Date.now(), release, launch };
  }

  async find(recorded: Started | null): Promise<Started | null> {
    const { apps } = await this.#apps.again();
    const app = apps.find((one) => this.#isOurs(one) && one.isUp);
    if (app === undefined) return null;
    const handle = handleOf(app);
    const { version, release } = app;
    if (recorded?.launch.version === version && recorded.release === release) {
      const { pid, startedAtMs } = readHandle(recorded.handle);
      const isSame = pid === handle.pid && startedAtMs === handle.startedAtMs;
      return isSame ? recorded : { ...recorded, handle };
    }
    const launch: Pm2Launch = { version, argv: [], cwd: '', options: [], env: {} };
    return { handle, startedAtMs: 0, release, launch };
  }

  async state(given: Handle): Promise<DriverState> {
    const { pid, startedAtMs } = readHandle(given);
    const { apps, trouble } = await this.#apps.ask();
    if (trouble !== '') return { pid, ended: '' }; // Not known: whoever asks next may learn it.
    const app = apps.find((one) => this.#isOurs(one));
    if (app === undefined) return { pid, ended: 'ended (pm2 has no such process)' };
    const isSame = app.pid === pid && app.startedAtMs === startedAtMs;
    return { pid: app.pid, ended: endOf(app, isSame) };
  }

  async stop(
    _handle: Handle | null,
    options: Parameters<Driver['stop']>[1],
  ): ReturnType<Driver['stop']> {
    const { apps } = await this.#apps.again();
    const isThere = apps.some((one) => this.#isOurs(one));
    options.wait?.({ pm2: this.#name });
    const trouble = isThere ? await this.#delete(options.timeoutMs) : '';
    const facts = { pm2: this.#name, signal: isThere ? 'pm2' : 'none' };
    return { facts, trouble: trouble || (await closedPort(this.#scope)) };
  }

  /** pm2 ends what its process has started, too. */
  async leftBehind(): Promise<string> {
    return '';
  }

  async logs(_handle: Handle | null, count = LOG_LINES): Promise<readonly string[]> {
    const app = (await this.#apps.ask()).apps.find((one) => this.#isOurs(one));
    const files = new Set([app?.outLog ?? '', app?.errorLog ?? '']);
    const { host } = this.#scope;
    const texts = [...files].filter(Boolean).map(async (file) => {
      const size = (await host.look(file))?.size ?? 0;
      return (await host.read(file, Math.max(0, size - LOG_BYTES), LOG_BYTES))?.toString() ?? '';
    });
    const lines = (await Promise.all(texts)).flatMap((text) => text.split('\n'));
    return lines.filter((line) => line.trim() !== '').slice(-Math.max(1, count));
  }

  async stranger(handle: Handle | null, port: number): Promise<string> {
    const app = (await this.#apps.ask()).apps.find((one) => this.#isOurs(one));
    const ours = await ownProcesses(this.#scope, app?.pid ?? 0);
    return strangerBeside(this.#scope, port, ours, handle !== null);
  }

  /** Why not, or ''. */
  async #delete(timeoutMs = this.#scope.service.stopTimeoutMs): Promise<string> {
    const { apps } = await this.#apps.again();
    if (!apps.some((one) => this.#isOurs(one))) return '';
    const end = await this.#pm2.run(['delete', this.#name], {
      claim: this.#scope.claim,
      timeoutMs: timeoutMs + STOP_EXTRA_MS,
    });
    await this.#apps.again();
    return end.code === 0 ? '' : `pm2 delete ${this.#name}: ${complaint(end)}`;
  }

  #isOurs({ mark }: Pm2App): boolean {
    return mark === this.#scope.mark;
  }

  /** pm2 looks for no program on the PATH. '' when there is none. */
  async #programOf(program: string, cwd: string): Promise<string> {
    const script = 'cd "$1" && command -v -- "$2"';
    const tool = new Tool(this.#scope.host, ['/bin/sh', '-c', script, 'sh', cwd, program]);
    const { stdout } = await tool.run([]);
    const file = stdout.trim();
    return file === '' || file.startsWith('/') ? file : `${cwd}/${file}`;
  }

  #refusal(reason: string): SluiceError {
    return new SluiceError('release_failed', `${formatAddress(this.#scope.address)}: ${reason}`);
  }
}

function handleOf({ pid, startedAtMs }: Pm2App): Pm2Handle {
  return { pid, startedAtMs };
}

function readLaunch(value: unknown): Pm2Launch {
  return {
    version: stringField(value, 'version'),
    argv: wordsField(value, 'argv'),
    cwd: stringField(value, 'cwd'),
    options: wordsField(value, 'options'),
    env: textsField(value, 'env'),
  };
}

function readHandle(value: unknown): Pm2Handle {
  return { pid: numberField(value, 'pid'), startedAtMs: numberField(value, 'startedAtMs') };
}
