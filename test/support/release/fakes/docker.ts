// A `docker` for machines without its engine: containers that are processes, kept in one folder. An
// image is a file of words there (`image.json`: name → command), and its processes see the environment
// and the arguments that a container would get. No isolation: a published port is the process's own.
//
//   node docker.ts FOLDER words…

import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endKept, isKept, keep, readKept } from './keeper.ts';

type Made = {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly restart: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly published: readonly string[];
};

const [folder = '', verb = '', ...words] = process.argv.slice(2);
const images: Record<string, string[]> = JSON.parse(
  readFileSync(join(folder, 'image.json'), 'utf8'),
);
const BOOLEAN = ['--detach', '--all', '--quiet', '--no-trunc', '--force'];

/** Options (each with its values) before the first other word, and the rest. */
function parse(given: readonly string[]): {
  options: Map<string, string[]>;
  rest: readonly string[];
} {
  const options = new Map<string, string[]>();
  let at = 0;
  for (; given[at]?.startsWith('-'); at += 1) {
    const name = given[at] ?? '';
    const isAlone = BOOLEAN.includes(name);
    const value = isAlone ? '' : (given[at + 1] ?? '');
    options.set(name, [...(options.get(name) ?? []), value]);
    if (!isAlone) at += 1;
  }
  return { options, rest: given.slice(at) };
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function all(): readonly Made[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.container'));
  return names.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
}

function made(name: string): Made {
  const found = all().find((one) => one.id === name || one.name === name);
  return found ?? fail(`Error: No such container: ${name}`);
}

const kept = ({ id }: Made): string => join(folder, `${id}.kept`);
const imageId = (image: string): string => `sha256:${Buffer.from(image).toString('hex')}`;
const imageOf = (name: string): string | undefined =>
  Object.keys(images).find((image) => image === name || imageId(image) === name);

async function run(given: readonly string[]): Promise<void> {
  const { options, rest } = parse(given);
  const [wanted = '', ...args] = rest;
  const image = imageOf(wanted) ?? fail(`Unable to find image '${wanted}' locally`);
  const of = (name: string): readonly string[] => options.get(name) ?? [];
  const [name = ''] = of('--name');
  if (all().some((one) => one.name === name))
    fail(`Conflict. The container name "${name}" is in use`);
  const id = randomBytes(32).toString('hex');
  const [restart = 'no'] = of('--restart');
  const published = of('--publish').map((port) => port.split(':').at(-2) ?? '');
  const labels = Object.fromEntries(
    of('--label').map((label) => label.split(/=(.*)/s).slice(0, 2)),
  );
  const container: Made = { id, name, image, restart, labels, published };
  writeFileSync(join(folder, `${id}.container`), JSON.stringify(container));
  const env = of('--env').map((one) => [
    one.split('=')[0],
    one.includes('=') ? one.replace(/^[^=]*=/, '') : process.env[one],
  ]);
  const { error } = await keep(kept(container), {
    argv: [...(images[image] ?? []), ...args],
    cwd: '/',
    env: Object.fromEntries(env),
    restart: restart === 'no' ? 'no' : restart.startsWith('on-failure') ? 'on-failure' : 'always',
    // docker's own name of a signal, as the driver gives it.
    stopSignal: (of('--stop-signal')[0] ?? 'SIGTERM') as NodeJS.Signals,
    stopTimeoutMs: Number(of('--stop-timeout')[0] ?? 10) * 1000,
    log: join(folder, `${id}.log`),
  });
  console.log(id);
  if (error !== '') fail(`OCI runtime create failed: ${error}`);
}

function inspect(container: Made): unknown {
  const state = readKept(kept(container));
  const isThere = isKept(state);
  const isRunning = isThere && state.isRunning;
  return {
    Id: container.id,
    Name: `/${container.name}`,
    Image: imageId(container.image),
    RestartCount: state?.restarts ?? 0,
    State: {
      Running: isThere,
      Restarting: isThere && !isRunning,
      Pid: isRunning ? state.pid : 0,
      ExitCode: state?.signal === 'SIGKILL' ? 137 : state?.signal ? 143 : (state?.code ?? 0),
      OOMKilled: false,
      StartedAt: state?.startedAt ?? '',
    },
    Config: { Image: container.image, Labels: container.labels },
    HostConfig: { RestartPolicy: { Name: container.restart } },
  };
}

function ps(given: readonly string[]): void {
  const { options } = parse(given);
  const filters = (options.get('--filter') ?? []).map((text) => text.split(/=(.*)/s));
  for (const one of all()) {
    if (!options.has('--all') && !isKept(readKept(kept(one)))) continue;
    const fits = filters.every(([kind, value = '']) => {
      if (kind === 'publish') return one.published.includes(value);
      const [name = '', wanted] = value.split(/=(.*)/s);
      return one.labels[name] === wanted;
    });
    if (fits) console.log(options.has('--quiet') ? one.id : `${one.id} ${one.name} ${one.image}`);
  }
}

const { options, rest } = parse(words);
const [first = ''] = rest;
if (verb === 'version') console.log('Server: fake');
else if (verb === 'run') await run(words);
else if (verb === 'ps') ps(words);
else if (verb === 'inspect') console.log(JSON.stringify([inspect(made(first))]));
else if (verb === 'image') {
  const image = imageOf(words.at(-1) ?? '') ?? fail('Error: No such image');
  console.log(imageId(image));
} else if (verb === 'pull') {
  const pulled = join(folder, 'registry.json');
  const more = existsSync(pulled) ? JSON.parse(readFileSync(pulled, 'utf8')) : {};
  if (more[first] === undefined) fail(`manifest for ${first} not found: manifest unknown`);
  writeFileSync(join(folder, 'image.json'), JSON.stringify({ ...images, [first]: more[first] }));
} else if (verb === 'stop') {
  const seconds = Number(options.get('--time')?.[0] ?? 10);
  const file = kept(made(first));
  const kill = setTimeout(() => void endKept(file, 'SIGUSR2'), seconds * 1000);
  await endKept(file, 'SIGTERM');
  clearTimeout(kill);
} else if (verb === 'rm') {
  const container = made(first);
  await endKept(kept(container), 'SIGUSR2');
  rmSync(join(folder, `${container.id}.container`));
} else if (verb === 'logs') {
  const file = join(folder, `${made(rest[0] ?? '').id}.log`);
  if (existsSync(file)) process.stdout.write(readFileSync(file));
} else if (verb === 'top') {
  console.log('PID');
  console.log(readKept(kept(made(first)))?.pid ?? '');
} else fail(`docker: '${verb}' is not a docker command`);
