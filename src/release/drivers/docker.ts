// The driver of instances that are containers. It speaks by the `docker` command and not by the
// Engine's API, because a command works on every host that we can reach, over ssh too, with the logins
// to registries that its user has, and podman has the same words. A container is known as ours by its
// labels; one without them is never touched.

import { SluiceError } from '../../base/errors.ts';
import { isInstanceReference } from '../../base/secrets.ts';
import { formatAddress } from '../../base/units.ts';
import { field, stringField, textsField, wordsField } from '../journal/fields.ts';
import { type Container, endOf, inspectAll } from './docker/container.ts';
import type {
  Driver,
  DriverScope,
  DriverState,
  Handle,
  Launch,
  MarkedScope,
  Started,
} from './driver.ts';
import { secretsOf, valuesOf } from './environment.ts';
import { closedPort, strangerBeside } from './stranger.ts';
import { filledEnv, filler } from './template.ts';
import { complaint, Shared, Tool } from './tool.ts';

/** Of `docker run`, which may have to pull layers that it lacks. */
const RUN_TIMEOUT_MS = 120_000;
const PULL_TIMEOUT_MS = 900_000;
/** What docker may take beyond the time of a stop. */
const STOP_EXTRA_MS = 20_000;
const LOG_LINES = 30;
/** Variables that the docker command reads itself: those are given by words. */
const ITS_OWN = /^(PATH|HOME|USER|LOGNAME|TMPDIR|DOCKER_.*|CONTAINER_.*|XDG_.*|.*_PROXY|.*_proxy)$/;

type DockerLaunch = Launch & {
  /** '' of one that was found without a record. */
  readonly image: string;
  /** Which image that name stood for at the first start. */
  readonly imageId?: string;
  readonly argv: readonly string[];
  readonly publish: readonly string[];
  readonly options: readonly string[];
  readonly restart: string;
  /** With references, never their values. */
  readonly env: Readonly<Record<string, string>>;
};
type DockerHandle = { readonly container: string; readonly startedAt: string };

export function dockerDriver(scope: DriverScope): Driver {
  return new DockerDriver(scope);
}

class DockerDriver implements Driver {
  readonly logPlace: string;
  readonly #scope: MarkedScope;
  readonly #docker: Tool;
  readonly #name: string;
  readonly #ours: readonly string[];
  readonly #containers: Shared<readonly Container[]>;

  constructor(given: DriverScope) {
    const { service, address, host } = given;
    const id = formatAddress(address);
    this.#scope = { ...given, mark: id };
    this.#docker = new Tool(host, service.docker.command);
    this.#name = `sluice-${service.name}-${id.replace(/[^\w.-]+/g, '-')}`;
    this.#ours = [`sluice.service=${service.name}`, `sluice.instance=${id}`];
    this.#containers = new Shared(() => this.#list());
    this.logPlace = `${this.#docker.name} logs ${this.#name}`;
  }

  launchOf(version: string): DockerLaunch {
    const { service, address } = this.#scope;
    const fill = filler(service, address, version);
    const { image, publish, options, restart } = service.docker;
    return {
      version,
      image: fill(image),
      argv: service.start.map(fill),
      publish: publish.map(fill),
      options: options.map(fill),
      restart,
      env: filledEnv(service, address, version),
    };
  }

  describe(launch: Launch): ReturnType<Driver['describe']> {
    const { image, argv, env } = readLaunch(launch);
    return { argv: ['docker', 'run', image, ...argv], cwd: '', environment: Object.keys(env) };
  }

  isSame(one: Launch, other: Launch): boolean {
    const text = (launch: Launch): string => {
      const { imageId: _, ...rest } = readLaunch(launch);
      return JSON.stringify(rest);
    };
    return text(one) === text(other);
  }

  isKnown(launch: Launch): boolean {
    return readLaunch(launch).image !== '';
  }

  secretsOf(launch: Launch): Promise<readonly string[]> {
    return secretsOf(readLaunch(launch).env);
  }

  readLaunch(value: unknown): DockerLaunch {
    return readLaunch(value);
  }

  readHandle(value: unknown): DockerHandle {
    return readHandle(value);
  }

  async startProblem(launch: Launch): Promise<string> {
    const { image, env } = readLaunch(launch);
    const { problem } = await valuesOf(env);
    if (problem !== '') return problem;
    const named = Object.entries(env).find(
      ([name, text]) => ITS_OWN.test(name) && isInstanceReference(text),
    );
    if (named !== undefined) {
      return `env.${named[0]}: docker reads this variable itself, so it cannot be a reference; write a plain value`;
    }
    const answer = await this.#docker.run(['version']);
    if (answer.code !== 0) return `docker does not answer: ${complaint(answer)}`;
    if (this.#scope.service.docker.pull === 'never' && (await this.#imageId(image)) === '') {
      return `the image ${image} is not on the host, and docker.pull is never; pull it there`;
    }
    const [other] = await inspectAll(this.#docker, [this.#name]);
    const isOurs = other === undefined || this.#isOurs(other);
    return isOurs ? '' : `there is a container ${this.#name} that is not ours; rename it`;
  }

  async returnProblem(launch: Launch): Promise<string> {
    const { image, imageId = '' } = readLaunch(launch);
    if (image === '') return 'its image is not known';
    const problem = await this.startProblem(launch);
    if (problem !== '') return problem;
    if ((await this.#imageId(imageId || image)) !== '') return '';
    return `the image ${image} of then is not on the host any more`;
  }

  async warnings(launch: Launch): Promise<readonly string[]> {
    const { image, restart } = readLaunch(launch);
    const { pull } = this.#scope.service.docker;
    const isPulled =
      pull === 'always' || (pull === 'missing' && (await this.#imageId(image)) === '');
    return [
      ...(restart === 'no' ? ['docker.restart is no: a container that ends stays ended'] : []),
      ...(isPulled ? [`the image ${image} is pulled before anything is stopped`] : []),
    ];
  }

  async prepare(launch: Launch): Promise<void> {
    const { image } = readLaunch(launch);
    const { pull } = this.#scope.service.docker;
    if (pull === 'never' || (pull === 'missing' && (await this.#imageId(image)) !== '')) return;
    const end = await this.#docker.run(['pull', '--quiet', image], { timeoutMs: PULL_TIMEOUT_MS });
    if (end.code === 0) return;
    throw new SluiceError('preflight_failed', `docker pull ${image}: ${complaint(end)}`);
  }

  async start(wanted: Launch, release: string): Promise<Started> {
    const launch = readLaunch(wanted);
    const { values, problem } = await valuesOf(launch.env, { isFresh: true });
    if (problem !== '') throw this.#refusal(problem);
    await this.#remove((await this.#containers.again()).filter(({ isUp }) => !isUp));
    const variables = { ...values, SLUICE_VERSION: launch.version, SLUICE_RELEASE: release };
    const names = Object.keys(variables);
    const [words, hidden] = [names.filter((name) => ITS_OWN.test(name)), new Map<string, string>()];
    for (const [name, value] of Object.entries(variables)) {
      if (!ITS_OWN.test(name)) hidden.set(name, value);
    }
    const { stopSignal, stopTimeoutMs } = this.#scope.service;
    const args = [
      ...['run', '--detach', '--name', this.#name, '--restart', launch.restart],
      ...['--stop-signal', `SIG${stopSignal}`, '--stop-timeout', seconds(stopTimeoutMs)],
      ...[...this.#ours, `sluice.version=${launch.version}`, `sluice.release=${release}`].flatMap(
        (label) => ['--label', label],
      ),
      ...launch.publish.flatMap((port) => ['--publish', port]),
      ...[...hidden.keys()].flatMap((name) => ['--env', name]),
      ...words.flatMap((name) => ['--env', `${name}=${values[name]}`]),
      ...launch.options,
      launch.imageId ?? launch.image,
      ...launch.argv,
    ];
    const env = Object.fromEntries(hidden);
    const { claim } = this.#scope;
    const end = await this.#docker.run(args, { env, claim, timeoutMs: RUN_TIMEOUT_MS });
    const [made] = await this.#containers.again();
    if (end.code !== 0 || made === undefined) {
      // One that could be made and not started is in the way of the next.
      await this.#remove((await this.#containers.again()).filter(({ isUp }) => !isUp));
      throw this.#refusal(`docker run ${launch.image}: ${complaint(end)}`);
    }
    const handle: DockerHandle = { container: made.id, startedAt: made.startedAt };
    const ran = { ...launch, imageId: made.image };
    return { handle, startedAtMs: Date.now(), release, launch: ran };
  }

  async find(recorded: Started | null): Promise<Started | null> {
    const found = (await this.#containers.again()).find(({ isUp }) => isUp);
    if (found === undefined) return null;
    const handle: DockerHandle = { container: found.id, startedAt: found.startedAt };
    if (recorded !== null && readHandle(recorded.handle).container === found.id) {
      const isSame = readHandle(recorded.handle).startedAt === found.startedAt;
      return isSame ? recorded : { ...recorded, handle };
    }
    const version = found.labels['sluice.version'] ?? '';
    const release = found.labels['sluice.release'] ?? '';
    const launch: DockerLaunch = { ...this.launchOf(version), image: '', env: {} };
    return { handle, startedAtMs: 0, release, launch };
  }

  async state(given: Handle): Promise<DriverState> {
    const handle = readHandle(given);
    const found = (await this.#containers.ask()).find(({ id }) => id === handle.container);
    if (found === undefined) return { pid: 0, ended: 'ended (its container is gone)' };
    return { pid: found.pid, ended: endOf(found, handle.startedAt) };
  }

  async stop(
    _handle: Handle | null,
    options: Parameters<Driver['stop']>[1],
  ): ReturnType<Driver['stop']> {
    const ours = await this.#containers.again();
    const up = ours.filter(({ isUp }) => isUp);
    let signal = up.length === 0 ? 'none' : this.#scope.service.stopSignal;
    for (const { id } of up) {
      options.wait?.({ container: id.slice(0, 12) });
      const end = await this.#docker.run(['stop', '--time', seconds(options.timeoutMs), id], {
        claim: this.#scope.claim,
        timeoutMs: options.timeoutMs + STOP_EXTRA_MS,
      });
      if (end.code !== 0) {
        const trouble = `docker stop ${id.slice(0, 12)}: ${complaint(end)}`;
        return { facts: { signal }, trouble };
      }
    }
    const after = await this.#containers.again();
    if (after.some(({ exitCode, id }) => exitCode === 137 && up.some((one) => one.id === id))) {
      signal = 'KILL';
    }
    const trouble = (await this.#remove(after)) || (await closedPort(this.#scope));
    await this.#containers.again();
    return { facts: { signal, containers: up.length }, trouble };
  }

  /** A container ends as a whole. */
  async leftBehind(): Promise<string> {
    return '';
  }

  async logs(given: Handle | null, count = LOG_LINES): Promise<readonly string[]> {
    const container = given === null ? this.#name : readHandle(given).container;
    const end = await this.#docker.run(['logs', '--tail', String(count), container]);
    const lines = `${end.stdout}\n${end.stderr}`.split('\n').filter((line) => line.trim() !== '');
    return lines.slice(Math.max(0, lines.length - count));
  }

  async stranger(handle: Handle | null, port: number): Promise<string> {
    const filter = ['--filter', `publish=${port}`];
    const format = ['--no-trunc', '--format', '{{.ID}} {{.Names}} {{.Image}}'];
    const { stdout } = await this.#docker.run(['ps', ...filter, ...format]);
    const ours = await this.#containers.ask();
    const [line] = stdout.split('\n').filter(Boolean);
    if (line !== undefined) {
      const [id = '', name = '', image = ''] = line.split(' ');
      if (ours.some((one) => one.id === id && one.isUp)) return '';
      return `the container ${name} (${image})`;
    }
    const tops = ours.filter(({ isUp }) => isUp).map(({ id }) => this.#pidsOf(id));
    return strangerBeside(this.#scope, port, (await Promise.all(tops)).flat(), handle !== null);
  }

  /** Of the host; a container with the host's network has its ports itself. */
  async #pidsOf(container: string): Promise<readonly number[]> {
    const { stdout } = await this.#docker.run(['top', container, '-eo', 'pid']);
    return stdout.split('\n').slice(1).map(Number).filter(Boolean);
  }

  async #list(): Promise<readonly Container[]> {
    const filters = this.#ours.flatMap((label) => ['--filter', `label=${label}`]);
    const end = await this.#docker.run(['ps', '--all', '--quiet', '--no-trunc', ...filters]);
    return inspectAll(this.#docker, end.stdout.split('\n').filter(Boolean));
  }

  /** Why not, or ''. */
  async #remove(containers: readonly Container[]): Promise<string> {
    for (const container of containers.filter((one) => this.#isOurs(one))) {
      const end = await this.#docker.run(['rm', '--force', container.id], {
        claim: this.#scope.claim,
      });
      if (end.code !== 0) return `docker rm ${container.id.slice(0, 12)}: ${complaint(end)}`;
    }
    return '';
  }

  #isOurs({ labels }: Container): boolean {
    return this.#ours.every((label) => {
      const [name = '', value = ''] = label.split(/=(.*)/s);
      return labels[name] === value;
    });
  }

  async #imageId(image: string): Promise<string> {
    const args = ['image', 'inspect', '--format', '{{.Id}}', image];
    const end = await this.#docker.run(args);
    return end.code === 0 ? end.stdout.trim() : '';
  }

  #refusal(reason: string): SluiceError {
    return new SluiceError('release_failed', `${formatAddress(this.#scope.address)}: ${reason}`);
  }
}

function seconds(ms: number): string {
  return String(Math.ceil(ms / 1000));
}

function readLaunch(value: unknown): DockerLaunch {
  const imageId = field(value, 'imageId');
  return {
    version: stringField(value, 'version'),
    image: stringField(value, 'image'),
    ...(typeof imageId === 'string' ? { imageId } : {}),
    argv: wordsField(value, 'argv'),
    publish: wordsField(value, 'publish'),
    options: wordsField(value, 'options'),
    restart: stringField(value, 'restart'),
    env: textsField(value, 'env'),
  };
}

function readHandle(value: unknown): DockerHandle {
  return {
    container: stringField(value, 'container'),
    startedAt: stringField(value, 'startedAt'),
  };
}
