// Claim: no request is lost when another program takes over, or when the primary is killed and started again, because
// its workers serve on and the next primary takes them over. Beside it an ordinary restart. Requests come meanwhile, a part of them on connections of
// their own; the control API and the registry are asked all the time.
//
//   node bench/upgrades.ts [--rounds 20] [--rate 150]

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { percentile, startLoad } from '../demo/load.ts';
import { Cleanup, http, Stack, startApp, temporaryFolder } from '../demo/stack.ts';
import { freePorts } from '../test/support/base/ports.ts';
import { isRunning } from '../test/support/base/process-facts.ts';
import { table } from './lab.ts';

export type UpgradesOptions = { readonly rounds: number; readonly rate: number };

const DEFAULTS: UpgradesOptions = { rounds: 20, rate: 150 };
/** Workers, of which all are new after each round. */
const WORKERS = 2;
const ASK_EVERY_MS = 5;
const DEADLINE_MS = 30_000;

type Way = {
  readonly name: string;
  /** Resolves when the next primary serves. */
  readonly next: (stack: Stack, cleanup: Cleanup) => Promise<void>;
};

const WAYS: readonly Way[] = [
  {
    name: 'sluice upgrade',
    async next(stack) {
      const { code, text } = await stack.cli(['upgrade']);
      if (code !== 0) throw new Error(`upgrades: ${text}`);
    },
  },
  {
    name: 'killed by SIGKILL, started again',
    next: (stack, cleanup) => stack.restart(cleanup, 'SIGKILL'),
  },
  {
    name: 'ended by SIGTERM, started again',
    next: (stack, cleanup) => stack.restart(cleanup, 'SIGTERM'),
  },
];

export async function run(options: UpgradesOptions = DEFAULTS): Promise<string> {
  const rows: string[][] = [];
  for (const way of WAYS) rows.push(await measure(way, options));
  return [
    `${options.rate} requests per second over two workers while another primary takes the place of the one before ${options.rounds} times. "Lost" is whatever a ` +
      'client did not get: refused, reset, another answer; "longest gap" is the longest time without an answer. The control API and the registry are asked every ' +
      `${ASK_EVERY_MS} ms on a new connection: how many of those were refused or reset per round, and the longest time without an answer (median, most).`,
    table([
      [
        ...['way', 'requests', 'lost', 'p99 ms', 'longest gap ms', 'control API refused'],
        ...['control API away ms', 'registry refused', 'registry away ms'],
      ],
      ...rows,
    ]),
  ].join('\n\n');
}

async function measure({ name, next }: Way, { rounds, rate }: UpgradesOptions): Promise<string[]> {
  const cleanup = new Cleanup();
  try {
    const [app = 0] = await freePorts(1);
    await startApp(app, cleanup);
    const stack = await Stack.start({
      cleanup,
      folder: await temporaryFolder('upgrades', cleanup),
      config: ({ gateway, admin, registry }) => `state_dir: state
workers: ${WORKERS}
log_level: error
listen: 127.0.0.1:${gateway}
admin: { listen: "127.0.0.1:${admin}" }
registry: { embedded: { listen: "127.0.0.1:${registry}" } }
upstreams: { app: { servers: ["127.0.0.1:${app}"], registry: off } }
`,
    });
    cleanup.add(() => endPrimary(join(stack.folder, 'state/sluice.pid')));
    const load = startLoad({
      ...{ host: '127.0.0.1', port: stack.ports.gateway, rate, idempotent: true },
      shares: { get: 40, get_fresh: 40, post: 20 },
    });
    const control: Absence[] = [];
    const registry: Absence[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const asked = [
        askAllTheTime(stack.ports.admin, '/api/status'),
        askAllTheTime(stack.ports.registry, '/v1/status/leader'),
      ] as const;
      const before = await workersOf(stack);
      await next(stack, cleanup);
      await areNew(stack, before);
      const [ofControl, ofRegistry] = await Promise.all(asked.map((asking) => asking.stop()));
      if (ofControl !== undefined) control.push(ofControl);
      if (ofRegistry !== undefined) registry.push(ofRegistry);
    }
    const summary = await load.stop();
    return [
      ...[name, String(summary.requests), String(summary.failed)],
      ...[summary.latency.p99.toFixed(0), summary.longestGapMs.toFixed(0)],
      ...[refusedOf(control), awayOf(control), refusedOf(registry), awayOf(registry)],
    ];
  } finally {
    await cleanup.run();
  }
}

async function workersOf(stack: Stack): Promise<number[]> {
  return (await stack.status()).workers.map(({ pid }) => pid);
}

/** Those of the primary before have finished. */
async function areNew(stack: Stack, before: readonly number[]): Promise<void> {
  const untilMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const now = await workersOf(stack).catch(() => []);
    if (now.length === WORKERS && !now.some((pid) => before.includes(pid))) return;
    if (performance.now() > untilMs) throw new Error(`upgrades: workers ${before} are still there`);
    await sleep(20);
  }
}

type Absence = { readonly refused: number; readonly longestMs: number };

/** One request after the other, until it is told to stop. */
function askAllTheTime(port: number, path: string): { stop(): Promise<Absence> } {
  let isOver = false;
  const asking = (async () => {
    let refused = 0;
    let longestMs = 0;
    let answeredMs = performance.now();
    while (!isOver) {
      const isAnswered = await http('GET', port, path).then(
        ({ status }) => status === 200,
        () => false,
      );
      if (!isAnswered) refused += 1;
      const nowMs = performance.now();
      longestMs = Math.max(longestMs, nowMs - answeredMs);
      if (isAnswered) answeredMs = nowMs;
      await sleep(ASK_EVERY_MS);
    }
    return { refused, longestMs };
  })();
  return {
    stop() {
      isOver = true;
      return asking;
    },
  };
}

function refusedOf(absences: readonly Absence[]): string {
  const refused = absences.reduce((sum, absence) => sum + absence.refused, 0);
  return (refused / absences.length).toFixed(refused === 0 ? 0 : 1);
}

function awayOf(absences: readonly Absence[]): string {
  const sorted = absences.map(({ longestMs }) => longestMs).sort((a, b) => a - b);
  return `${percentile(sorted, 0.5).toFixed(0)}, ${sorted.at(-1)?.toFixed(0)}`;
}

/** After an upgrade it is nobody's child. */
async function endPrimary(pidFile: string): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (!Number.isSafeInteger(pid) || pid <= 1 || !isRunning(pid)) return;
  process.kill(pid, 'SIGTERM');
  const untilMs = performance.now() + DEADLINE_MS;
  while (isRunning(pid) && performance.now() < untilMs) await sleep(20);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: String(DEFAULTS.rounds) },
      rate: { type: 'string', default: String(DEFAULTS.rate) },
    },
  });
  console.log(await run({ rounds: Number(values.rounds), rate: Number(values.rate) }));
}
