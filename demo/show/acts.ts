// The acts of the demo, in order. Each says what is about to be seen, does it with the same commands
// that a user would type, and tells what the clients saw meanwhile.

import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../load.ts';
import { pidOfApp, type Stack } from '../stack.ts';
import { act, bad, block, command, fact, good, line } from './screen.ts';
import { Traffic } from './traffic.ts';

export type Stage = {
  readonly stack: Stack;
  /** Ports of the instances. */
  readonly instances: readonly number[];
  /** How long to watch after an event, ms. */
  readonly watchMs: number;
};

const RATE = 200;
/** Of the second gateway. */
const SECOND_RATE = 60;

export async function register({ stack, instances }: Stage): Promise<void> {
  act(
    'Register two servers by KV PUT',
    "The key and the value are those of nginx's upsync module; the port is Consul's API.",
  );
  for (const port of instances) await put(stack, port, record(0));
  fact('Nothing runs there yet: they are known, and take no traffic before they pass checks.');
}

export async function firstDeploy({ stack, instances }: Stage): Promise<void> {
  act('Start version v1 on both', 'A release of a service that does not run yet starts it.');
  await deploy(stack, 'v1', 0);
  await stack.eligible('app', instances.length);
}

export async function load({ stack, watchMs }: Stage): Promise<Traffic> {
  act(
    `${RATE} requests per second, from now to the end`,
    'GET and POST, kept and fresh connections, slow answers, chunked uploads, mirrored ' +
      'bodies. Each answer is checked against its own request; clients retry nothing.',
  );
  const traffic = new Traffic(stack.ports.gateway, RATE);
  const startMs = monotonicMs();
  await sleep(watchMs);
  traffic.tell(startMs);
  return traffic;
}

export async function downAndUp(stage: Stage, traffic: Traffic): Promise<void> {
  const { stack, watchMs } = stage;
  const port = stage.instances[0] ?? 0;
  const server = `127.0.0.1:${port}`;
  act(
    'Take a server out and back by KV PUT',
    'No reload and no polling. Measured from just before the PUT to the arrival at the server.',
  );
  const downMs = monotonicMs();
  await put(stack, port, record(1));
  await sleep(watchMs);
  const last = traffic.arrivals(server, downMs).at(-1);
  good(
    last === undefined
      ? `no request reached ${server} after the PUT was sent`
      : `the last request reached ${server} ${last.toFixed(1)} ms after the PUT was sent`,
  );
  traffic.tell(downMs);
  const upMs = monotonicMs();
  await put(stack, port, record(0));
  await sleep(watchMs);
  const [first] = traffic.arrivals(server, upMs);
  if (first === undefined) bad(`no request reached ${server} again`);
  else good(`the first request reached ${server} again ${first.toFixed(1)} ms after the PUT`);
  traffic.tell(upMs);
}

export async function killAndRecover(stage: Stage, traffic: Traffic): Promise<void> {
  const { stack, instances, watchMs } = stage;
  const port = instances[1] ?? 0;
  const server = `127.0.0.1:${port}`;
  act(
    'Kill a server with kill -9',
    'What it was working on is sent to the other one, except what must not be sent twice: ' +
      'a POST that was already inside.',
  );
  const pid = await pidOfApp(port);
  if (pid === undefined) throw new Error(`the instance on ${server} does not answer`);
  command(`kill -9 ${pid}`);
  process.kill(pid, 'SIGKILL');
  const atMs = monotonicMs();
  traffic.kills.push({ server, pid, atMs });
  await sleep(watchMs);
  traffic.tell(atMs);
  fact('It is brought back by the same command that released it:');
  await deploy(stack, 'v1', 0);
  await stack.eligible('app', instances.length);
  const [first] = traffic.arrivals(server, atMs + 1);
  good(
    first === undefined
      ? `${server} is back and takes requests`
      : `${server} took requests again ${(first / 1000).toFixed(1)} s after the kill`,
  );
}

export async function brokenRelease({ stack, instances }: Stage, traffic: Traffic): Promise<void> {
  act(
    'Release a version that does not start',
    'It is noticed on the first instance, which goes back to v1; the other is not touched.',
  );
  const startMs = monotonicMs();
  await deploy(stack, 'broken', 1);
  await stack.eligible('app', instances.length);
  traffic.tell(startMs);
  await answering(instances, 'v1');
}

export async function release({ stack, instances }: Stage, traffic: Traffic): Promise<void> {
  act(
    'Rolling release, v1 to v2',
    'One instance after the other: out of the pool, nothing in flight any more, stop, start, ' +
      'checked, back in the pool. Nobody sleeps and hopes.',
  );
  const startMs = monotonicMs();
  await deploy(stack, 'v2', 0);
  traffic.tell(startMs);
  await answering(instances, 'v2');
}

/** The second gateway's own traffic, for the receipt. */
export async function secondGateway(
  { stack, instances, watchMs }: Stage,
  second: Stack,
): Promise<Traffic> {
  act(
    'A second gateway on the same registry',
    'They know each other through it: a release through the first is drained on both, and its receipt ' +
      'is the sum.',
  );
  command(`sluice -c ${second.configFile} serve`);
  await second.eligible('app', instances.length);
  const traffic = new Traffic(second.ports.gateway, SECOND_RATE);
  await sleep(watchMs / 4);
  command('sluice gateways');
  const { text } = await stack.cli(['gateways']);
  block(text);
  const startMs = monotonicMs();
  await deploy(stack, 'v3', 0);
  traffic.tell(startMs);
  await answering(instances, 'v3');
  return traffic;
}

function record(down: 0 | 1): string {
  return `{"weight":1, "max_fails":2, "fail_timeout":10, "down":${down}}`;
}

async function put(stack: Stack, port: number, value: string): Promise<void> {
  const key = `upstreams/app/127.0.0.1:${port}`;
  command(`curl -X PUT -d '${value}' \\`);
  line(`    http://127.0.0.1:${stack.ports.registry}/v1/kv/${key}`);
  await stack.put(key, value);
}

async function deploy(stack: Stack, version: string, expected: number): Promise<void> {
  command(`sluice deploy app --version ${version}`);
  const { code, text } = await stack.cli(['deploy', 'app', '--version', version], show);
  if (code !== expected) {
    throw new Error(`sluice deploy ended with ${code}, not ${expected}:\n${text}`);
  }
  if (code !== 0) line(`(exit code ${code})`);
}

/** Of the release's events those that end something; its last block as it is. */
function show(text: string): void {
  const event = /^\d\d:\d\d:\d\dZ \S+ \S+ \S+ +\S+ +(\S+)/.exec(text);
  if (event === null) block(text);
  else if (event[1] !== 'start') line(text);
}

/** Asks each instance itself which version it is. */
async function answering(instances: readonly number[], version: string): Promise<void> {
  for (const port of instances) {
    const response = await fetch(`http://127.0.0.1:${port}/version`);
    const found = (await response.text()).trim();
    if (found !== version) throw new Error(`127.0.0.1:${port} answers ${found}, not ${version}`);
  }
  good(`${version} serves on ${instances.map((port) => `127.0.0.1:${port}`).join(' and ')}`);
}
