// Releases over two hosts behind real sshds and through two gateways, under mixed load, while something goes
// wrong at a random moment of each. What is printed is compared with what really serves and with what the
// clients saw. Each line under "found" is a defect.
//
//   node bench/release-troubles.ts [--seed 1] [--rounds 10] [--rate 50] [--only kill-runner,cut-ssh,…]

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { monotonicMs, type Result, startLoad } from '../demo/load.ts';
import {
  type Child,
  Cleanup,
  childrenOf,
  PROJECT,
  Stack,
  start,
  temporaryFolder,
} from '../demo/stack.ts';
import type { StatusDocument } from '../src/admin.ts';
import type { ReleaseResult } from '../src/release.ts';
import { freePorts } from '../test/support/base/ports.ts';
import { seededRandom } from '../test/support/base/random.ts';
import { type Sshd, startSshd } from '../test/support/cli/sshd.ts';

const SLUICE = join(PROJECT, 'bin/sluice.js');
const APP = join(PROJECT, 'demo/app.ts');
/** No release may take longer, whatever was done to it. */
const RELEASE_MAX_MS = 150_000;
const HAS_RESUME = process.env['RESUME'] === 'on';
/** After a trouble is over, what it caused may still come in for so long. */
const AFTER_MS = 1000;

/** How a version behaves; a good one has another name. */
const BEHAVIOURS = {
  broken: 'process.exit(1)',
  rotten: "process.env.ROTTEN = 'on'",
  liar: "process.env.ANSWER_VERSION = 'v0'",
  late: "process.env.LATE_MS = '1500'",
} as const;

type Behaviour = keyof typeof BEHAVIOURS | 'good';

type Ground = {
  readonly cleanup: Cleanup;
  readonly random: () => number;
  readonly stacks: readonly Stack[];
  readonly sshds: readonly Sshd[];
  readonly instances: readonly string[];
  /** When clients may meet failures, and why. */
  readonly excuses: { readonly why: string; readonly fromMs: number; toMs: number }[];
  readonly say: (line: string) => void;
};

type Run = { readonly child: Child; readonly lines: string[] };
type Act = (ground: Ground, run: Run) => Promise<void>;

const TROUBLES: Readonly<Record<string, Act>> = {
  none: async () => {},
  'kill-runner': async (_, { child }) => signal(child.pid, 'SIGKILL'),
  interrupt: async (_, { child }) => signal(child.pid, 'SIGINT'),
  // As a job of a CI system is cancelled.
  cancel: async (_, { child }) => {
    signal(child.pid, 'SIGINT');
    await within(child, 7500);
    signal(child.pid, 'SIGTERM');
    await within(child, 2500);
    signal(child.pid, 'SIGKILL');
  },
  'freeze-runner': async ({ random }, { child }) => {
    signal(child.pid, 'SIGSTOP');
    await delay(500 + random() * 4000);
    signal(child.pid, 'SIGCONT');
  },
  'cut-ssh': async (_, { child }) => {
    for (const pid of await descendants(child.pid)) {
      if ((await nameOf(pid)) === 'ssh') signal(pid, 'SIGKILL');
    }
  },
  'freeze-host': async ({ sshds, random }) => {
    const sshd = sshds[Math.floor(random() * sshds.length)];
    const pids = await descendants(sshd?.pid ?? 0);
    const sessions = [];
    for (const pid of pids) if ((await nameOf(pid)) === 'sshd') sessions.push(pid);
    for (const pid of sessions) signal(pid, 'SIGSTOP');
    await delay(500 + random() * 5000);
    for (const pid of sessions) signal(pid, 'SIGCONT');
  },
  'kill-instance': async (ground) => {
    const { instances, random } = ground;
    const found = await answerOf(instances[Math.floor(random() * instances.length)] ?? '');
    if (found.pid === 0) return;
    const excuse = { why: 'kill-instance', fromMs: monotonicMs(), toMs: Number.POSITIVE_INFINITY };
    ground.excuses.push(excuse);
    signal(found.pid, 'SIGKILL');
    excuse.toMs = monotonicMs() + AFTER_MS;
  },
  'freeze-gateway': async ({ stacks, random }) => {
    const pid = stacks[1]?.pid ?? 0;
    signal(pid, 'SIGSTOP');
    await delay(500 + random() * 3000);
    signal(pid, 'SIGCONT');
  },
};

async function main(options: {
  readonly seed: number;
  readonly rounds: number;
  readonly rate: number;
  readonly only: readonly string[];
}): Promise<boolean> {
  const cleanup = new Cleanup();
  const startMs = monotonicMs();
  const say = (line: string): void =>
    console.log(`${((monotonicMs() - startMs) / 1000).toFixed(1)}s ${line}`);
  const found: string[] = [];
  try {
    const ground = await build(cleanup, seededRandom(options.seed), say);
    const first = await finish(ground, startRun(ground, 0, ['deploy', 'app', '--version', 'v0']));
    if (first.code !== 0)
      throw new Error(`the first deploy ended with ${first.code}: ${first.text}`);
    const results: Result[] = [];
    const loads = ground.stacks.map((stack, at) =>
      startLoad({
        ...{ host: '127.0.0.1', port: stack.ports.gateway, rate: options.rate },
        ...{ seed: options.seed * 10 + at, onResult: (result: Result) => results.push(result) },
      }),
    );
    for (let round = 1; round <= options.rounds; round += 1) {
      found.push(...(await roundOf(ground, round, options.only, results)));
    }
    say('quiet');
    const last = await finish(ground, startRun(ground, 0, ['deploy', 'app', '--version', 'vlast']));
    if (last.code !== 0) found.push(`the last deploy ended with ${last.code}: ${last.text}`);
    for (const load of loads) await load.stop();
    for (const id of ground.instances) {
      const { version } = await answerOf(id);
      if (version !== 'vlast') found.push(`at the end ${id} answers ${version}`);
    }
    found.push(...(await agreement(ground)));
    say(
      `${results.length} requests, ${results.filter((one) => one.outcome !== 'ok').length} failed`,
    );
  } finally {
    await cleanup.run();
  }
  console.log(found.length === 0 ? 'found: nothing' : `found:\n${found.join('\n')}`);
  return found.length === 0;
}

async function roundOf(
  ground: Ground,
  round: number,
  only: readonly string[],
  results: Result[],
): Promise<string[]> {
  const { random, say } = ground;
  const behaviour = pick<Behaviour>(random, [
    'good',
    'good',
    'good',
    'late',
    'broken',
    'rotten',
    'liar',
  ]);
  const trouble = pick(random, only);
  const version = behaviour === 'good' ? `v${round}` : `${behaviour}-${round}`;
  const at = random() < 0.5 ? 0 : 1;
  const begun = results.length;
  const run = startRun(ground, at, ['deploy', 'app', '--version', version, '--json']);
  const atMs = random() * 9000;
  const act = (async () => {
    await within(run.child, atMs);
    const step = lastStep(run.lines);
    await TROUBLES[trouble]?.(ground, run);
    return step;
  })();
  const end = await finish(ground, run);
  const step = await act;
  say(
    `${round}: ${version} by gateway ${at}, ${trouble} at ${Math.round(atMs)} ms in ${step || 'nothing'}: exit ${end.code} after ${(end.ms / 1000).toFixed(1)} s, ${end.result?.outcome ?? 'no result'}: ${end.result?.reason.slice(0, 160) ?? end.text.slice(-300)}`,
  );
  const found: string[] = [];
  const name = `round ${round} (${version}, ${trouble} in ${step || 'nothing'})`;
  if (end.isLate) found.push(`${name}: did not end in ${RELEASE_MAX_MS} ms`);
  if (end.result !== undefined && !['kill-instance'].includes(trouble)) {
    for (const line of await compare(ground, end.result, end.code)) found.push(`${name}: ${line}`);
  }
  if (end.result === undefined && !['kill-runner', 'cancel'].includes(trouble)) {
    found.push(`${name}: no result, exit ${end.code}: ${end.text.slice(-500)}`);
  }
  if (end.result === undefined || ['interrupted', 'failed'].includes(end.result.outcome)) {
    const verb = HAS_RESUME && end.result === undefined && random() < 0.5 ? 'resume' : 'deploy';
    const argv =
      verb === 'resume' ? ['resume', 'app'] : ['deploy', 'app', '--version', `w${round}`];
    const next = await finish(ground, startRun(ground, 1 - at, [...argv, '--json']));
    say(
      `   ${argv.join(' ')} by gateway ${1 - at}: exit ${next.code} after ${(next.ms / 1000).toFixed(1)} s, ${next.result?.outcome ?? 'no result'} ${next.result?.reason ?? next.text.slice(-300)}`,
    );
    const mayFail = verb === 'resume' && behaviour !== 'good' && behaviour !== 'late';
    if (next.code !== 0 && !mayFail)
      found.push(
        `${name}: then ${argv.join(' ')} ended with ${next.code}: ${next.result?.reason ?? next.text.slice(-500)}`,
      );
    if (next.result !== undefined) {
      for (const line of await compare(ground, next.result, next.code))
        found.push(`${name}, ${verb}: ${line}`);
    }
  }
  // Answers of a rotten version are its own; nobody else's may fail.
  const failed = results.slice(begun).filter(({ outcome, startedMs, endedMs, version: by }) => {
    if (outcome === 'ok' || by.startsWith('rotten')) return false;
    return !ground.excuses.some(({ fromMs, toMs }) => startedMs < toMs && endedMs > fromMs - 50);
  });
  for (const { method, path, outcome, detail, server } of failed.slice(0, 5)) {
    found.push(`${name}: lost ${method} ${path}: ${outcome}, ${detail} (${server})`);
  }
  return found;
}

/** What the result says of each instance, beside what answers there and what the gateways say. */
async function compare(ground: Ground, result: ReleaseResult, code: number): Promise<string[]> {
  const found: string[] = [];
  if (result.exit !== code) found.push(`says exit ${result.exit}, ended with ${code}`);
  for (const { instance, version, inPool, outcome } of result.instances) {
    const real = await answerOf(instance);
    // One that lies about its version is known by it.
    if (real.version !== version) {
      found.push(`says ${instance} is at "${version}" (${outcome}), it answers "${real.version}"`);
    }
    const pools = await Promise.all(ground.stacks.map((stack) => serverOf(stack, instance)));
    for (const [at, server] of pools.entries()) {
      const isIn = server?.admin.state === 'ready';
      if (isIn !== inPool) {
        found.push(
          `says ${instance} is ${inPool ? 'in' : 'out of'} the pool, gateway ${at}: ${server?.admin.state} by ${server?.admin.owner}, ${server?.eligibility}`,
        );
      }
    }
  }
  return found;
}

/** In the end all gateways send to all instances. */
async function agreement(ground: Ground): Promise<string[]> {
  const deadlineMs = monotonicMs() + 15_000;
  for (;;) {
    const found: string[] = [];
    for (const [at, stack] of ground.stacks.entries()) {
      for (const id of ground.instances) {
        const server = await serverOf(stack, id);
        if (server?.eligibility !== 'ok') {
          found.push(
            `at the end gateway ${at}: ${id} is ${server?.eligibility} (${server?.admin.owner} ${server?.admin.reason})`,
          );
        }
      }
    }
    if (found.length === 0 || monotonicMs() > deadlineMs) return found;
    await delay(200);
  }
}

async function serverOf(
  stack: Stack,
  id: string,
): Promise<StatusDocument['upstreams'][number]['servers'][number] | undefined> {
  const { upstreams } = await stack.status();
  return upstreams[0]?.servers.find((server) => server.id === id);
}

async function answerOf(id: string): Promise<{ readonly version: string; readonly pid: number }> {
  const [host = '', port = ''] = id.split(':');
  try {
    const response = await fetch(`http://${host}:${port}/ping`, {
      signal: AbortSignal.timeout(3000),
      headers: { connection: 'close' },
    });
    await response.text();
    return {
      version: response.headers.get('x-app-version') ?? '',
      pid: Number(response.headers.get('x-app-pid') ?? 0),
    };
  } catch {
    return { version: '', pid: 0 };
  }
}

function startRun({ stacks }: Ground, at: number, argv: readonly string[]): Run {
  const lines: string[] = [];
  const child = start(process.execPath, [SLUICE, '-c', stacks[at]?.configFile ?? '', ...argv], {
    env: { NO_COLOR: '1' },
    onLine: (line) => lines.push(line),
  });
  return { child, lines };
}

type End = {
  readonly code: number;
  readonly ms: number;
  readonly text: string;
  readonly result: ReleaseResult | undefined;
  readonly isLate: boolean;
};

async function finish({ cleanup }: Ground, { child, lines }: Run): Promise<End> {
  const startMs = monotonicMs();
  cleanup.add(() => child.stop('SIGKILL'));
  const isLate = !(await within(child, RELEASE_MAX_MS));
  if (isLate) signal(child.pid, 'SIGKILL');
  const code = await child.exited;
  return { code, ms: monotonicMs() - startMs, text: child.tail(), result: resultOf(lines), isLate };
}

function resultOf(lines: readonly string[]): ReleaseResult | undefined {
  const last = parsed(lines.at(-1));
  // The document of our own CLI, of the same version: taken as it is.
  return last?.['type'] === 'result' ? (last['result'] as ReleaseResult) : undefined;
}

function lastStep(lines: readonly string[]): string {
  const event = parsed(lines.findLast((line) => line.includes('"type":"step"')));
  return event === undefined ? '' : `${event['step']} ${event['phase']} of ${event['instance']}`;
}

function parsed(line: string | undefined): Record<string, unknown> | undefined {
  try {
    return line === undefined ? undefined : (JSON.parse(line) as Record<string, unknown>);
  } catch {
    return undefined;
  }
}

/** True when it has ended by then. */
function within(child: Child, ms: number): Promise<boolean> {
  return Promise.race([child.exited.then(() => true), delay(ms, false, { ref: false })]);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    if (pid > 0) process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

async function descendants(pid: number): Promise<readonly number[]> {
  if (pid === 0) return [];
  let children: readonly number[] = [];
  try {
    children = childrenOf(pid);
  } catch {
    return []; // It has ended.
  }
  const below = await Promise.all(children.map(descendants));
  return [...children, ...below.flat()];
}

async function nameOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim().replace(/-.*$/, '');
}

function pick<T>(random: () => number, values: readonly T[]): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error('nothing to pick from');
  return value;
}

async function build(cleanup: Cleanup, random: () => number, say: Ground['say']): Promise<Ground> {
  const scope = {
    after: (end: () => unknown) => cleanup.add(async () => void (await end())),
    skip: () => {
      throw new Error('sshd is not on this machine: run .ci/peers');
    },
  };
  const folder = await temporaryFolder('release-troubles', cleanup);
  const launcher = join(folder, 'app.ts');
  const cases = Object.entries(BEHAVIOURS).map(
    ([name, code]) => `if (v.startsWith('${name}')) ${code};`,
  );
  await writeFile(
    launcher,
    `const v = process.env.VERSION ?? '';\n${cases.join('\n')}\nawait import(${JSON.stringify(APP)});\n`,
  );
  const sshds: Sshd[] = [];
  const hosts: string[] = [];
  for (const at of [1, 2]) {
    const sshd = await startSshd(scope);
    if (sshd === undefined) throw new Error('sshd is not on this machine: run .ci/peers');
    sshds.push(sshd);
    const { destination, port, config } = sshd.ssh;
    const ssh = JSON.stringify({ target: destination, port, config });
    hosts.push(`app-${at}: { address: 127.0.0.${at}, ssh: ${ssh} }`);
  }
  const [port = 0] = await freePorts(1);
  const instances = ['127.0.0.1', '127.0.0.2'].map((host) => `${host}:${port}`);
  const runDir = join(folder, 'run');
  const configOf = (ports: Stack['ports'], isClient: boolean): string => `state_dir: state
workers: 1
log_level: warn
listen: 127.0.0.1:${ports.gateway}
admin: { listen: 127.0.0.1:${ports.admin} }
registry: ${isClient ? `{ consul: { addresses: [127.0.0.1:${ports.registry}] } }` : `{ embedded: { listen: 127.0.0.1:${ports.registry} } }`}
upstreams:
  app:
    check: { type: http, path: /ping, interval: 500ms, timeout: 2s, rise: 2, fall: 3 }
hosts: { ${hosts.join(', ')} }
services:
  app:
    hosts: [app-1, app-2]
    ports: [${port}]
    cwd: ${folder}
    run_dir: ${runDir}
    start: [${JSON.stringify(process.execPath)}, ${JSON.stringify(launcher)}, -h, "{host}", -p, "{port}"]
    env: { VERSION: "{version}" }
    drain: { timeout: 10s }
    check: { path: /ping, interval: 250ms, rise: 2, deadline: 10s }
    guard: { wait: 20s }
    verify: { window: 3s, min_requests: 10, max_5xx: 10%, vs_peers: 3 }
    expect_version: { header: x-app-version }
`;
  const stacks: Stack[] = [];
  for (const at of [0, 1]) {
    const consulPort = stacks[0]?.ports.registry;
    const home = join(folder, `gateway-${at}`);
    await mkdir(home);
    stacks.push(
      await Stack.start({
        ...{ cleanup, folder: home, config: (ports) => configOf(ports, at === 1) },
        ...(consulPort === undefined ? {} : { consulPort }),
      }),
    );
  }
  cleanup.add(async () => {
    for (const id of instances) signal((await answerOf(id)).pid, 'SIGKILL');
  });
  for (const id of instances) await stacks[0]?.put(`upstreams/app/${id}`, '{"weight":1}');
  return { cleanup, random, stacks, sshds, instances, excuses: [], say };
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '10' },
    rate: { type: 'string', default: '50' },
    only: { type: 'string', default: Object.keys(TROUBLES).join() },
  },
});
const isGood = await main({
  seed: Number(values.seed),
  rounds: Number(values.rounds),
  rate: Number(values.rate),
  only: values.only.split(','),
});
process.exitCode = isGood ? 0 : 1;
