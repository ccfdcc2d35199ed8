// Releases over two hosts behind real sshds and through two gateways, under mixed load, while something goes
// wrong at a random moment of each. What is printed is compared with what really serves and with what the
// clients saw. Each line under "found" is a defect.
//
// With --crashes the runner is killed before and after every record instead, on a local host, on hosts behind
// ssh and in a revert (of which test/release-crash.test.ts draws some): some 20 minutes.
//
//   node bench/release-troubles.ts --crashes
//   node bench/release-troubles.ts [--seed 1] [--rounds 10] [--rate 50] [--only kill-runner,cut-ssh,…]

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { monotonicMs, type Result, startLoad } from '../demo/load.ts';
import { Cleanup, PROJECT, type Stack, start } from '../demo/stack.ts';
import type { StatusDocument } from '../src/admin.ts';
import type { ReleaseResult } from '../src/release.ts';
import { seededRandom } from '../test/support/base/random.ts';
import { signal } from '../test/support/base/signal.ts';
import { answerOf, type Behaviour, buildGround, type Ground } from './release-troubles/ground.ts';
import { within } from './release-troubles/processes.ts';
import { type Run, TROUBLES } from './release-troubles/troubles.ts';

const SLUICE = join(PROJECT, 'bin/sluice.js');
/** No release may take longer, whatever was done to it. */
const RELEASE_MAX_MS = 150_000;

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
    const ground = await buildGround(cleanup, seededRandom(options.seed), say);
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
    const verb = end.result === undefined && random() < 0.5 ? 'resume' : 'deploy';
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

function pick<T>(random: () => number, values: readonly T[]): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error('nothing to pick from');
  return value;
}

function crashes(): boolean {
  const argv = ['--test', join(PROJECT, 'test/release-crash.test.ts')];
  const env = { ...process.env, SLUICE_CRASH: 'all' };
  return spawnSync(process.execPath, argv, { stdio: 'inherit', env }).status === 0;
}

const { values } = parseArgs({
  options: {
    crashes: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '10' },
    rate: { type: 'string', default: '50' },
    only: { type: 'string', default: Object.keys(TROUBLES).join() },
  },
});
const isGood = values.crashes
  ? crashes()
  : await main({
      seed: Number(values.seed),
      rounds: Number(values.rounds),
      rate: Number(values.rate),
      only: values.only.split(','),
    });
process.exitCode = isGood ? 0 : 1;
