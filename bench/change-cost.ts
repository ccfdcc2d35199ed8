// What one change costs the primary: processor time from the PUT of a record to its durable answer and the
// tables sent, among 100, 1,000 and 10,000 records, in upstreams of 100 servers and in a single one.
// The time that the primary uses without a change is measured beside it and taken off.
//
//   node bench/change-cost.ts [--changes 100] [--sizes 100,1000,10000] [--beside FOLDER or REVISION]

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Cleanup, cpuSeconds, Stack, temporaryFolder } from '../demo/stack.ts';
import { basicConfig, checkout, table } from './lab.ts';

export type ChangeCostOptions = {
  readonly changes: number;
  readonly sizes: readonly number[];
  /** A checkout to compare with. */
  readonly beside?: string;
};

const DEFAULTS: ChangeCostOptions = { changes: 100, sizes: [100, 1000, 10_000] };
const PER_UPSTREAM = 100;
/** Records written at once. */
const WRITERS = 16;
/** From one change to the next, so that none is put together with another, ms. */
const PAUSE_MS = 20;

type Records = { readonly count: number; readonly perUpstream: number };

export async function run(options: ChangeCostOptions = DEFAULTS): Promise<string> {
  const rows: string[][] = [];
  const beside = options.beside === undefined ? [] : [options.beside];
  for (const count of options.sizes) {
    for (const perUpstream of new Set([Math.min(PER_UPSTREAM, count), count])) {
      const costs = await compare({ count, perUpstream }, options);
      const shape = `${count} in ${count / perUpstream} upstream${count === perUpstream ? '' : 's'}`;
      rows.push([shape, ...costs.map((ms) => ms.toFixed(2))]);
      console.error(`  ${rows.at(-1)?.join(', ')}`);
    }
  }
  return [
    `CPU-ms of the primary per change of one record (its weight), ${options.changes} changes ` +
      `${PAUSE_MS} ms apart, embedded registry, one worker; what it uses without changes is taken off.`,
    table([['records', ...beside.map(() => 'before'), 'now'], ...rows]),
  ].join('\n\n');
}

async function compare(records: Records, options: ChangeCostOptions): Promise<number[]> {
  const cleanup = new Cleanup();
  try {
    const folder = await temporaryFolder('change-cost', cleanup);
    const stacks: Stack[] = [];
    for (const project of options.beside === undefined
      ? [undefined]
      : [options.beside, undefined]) {
      const place = { cleanup, folder: `${folder}/${project === undefined ? 'now' : 'before'}` };
      stacks.push(await startWith(records, place, project));
    }
    // Alternately, half of the changes each time: the machine drifts.
    const seconds = stacks.map(() => 0);
    const half = Math.ceil(options.changes / 2);
    for (let round = 0; round < 2; round += 1) {
      for (const [at, stack] of stacks.entries()) {
        seconds[at] = (seconds[at] ?? 0) + (await costOf(stack, records, half));
      }
    }
    return seconds.map((sum) => (sum * 1000) / (2 * half));
  } finally {
    await cleanup.run();
  }
}

async function startWith(
  { count, perUpstream }: Records,
  place: { readonly cleanup: Cleanup; readonly folder: string },
  project: string | undefined,
): Promise<Stack> {
  const names = Array.from({ length: count / perUpstream }, (_, at) => `app${at}`);
  const stack = await Stack.start({
    ...place,
    ...(project === undefined ? {} : { project }),
    config: (ports) => `
${basicConfig(ports)}upstreams:
${names.map((name) => `  ${name}: {}`).join('\n')}
routes:
${names.map((name) => `  - { host: ${name}.example, upstream: ${name} }`).join('\n')}
`,
  });
  let next = 0;
  const write = async (): Promise<void> => {
    while (next < count) {
      const at = next++;
      await stack.put(keyOf(at, perUpstream), '{"weight":1}');
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  await stack.eligible(names.at(-1) ?? '', perUpstream);
  return stack;
}

function keyOf(at: number, perUpstream: number): string {
  const server = `127.1.${Math.floor(at / 250)}.${(at % 250) + 1}:9001`;
  return `upstreams/app${Math.floor(at / perUpstream)}/${server}`;
}

/** Processor seconds of the primary for so many changes, above what it uses in the same time anyway. */
async function costOf(stack: Stack, records: Records, changes: number): Promise<number> {
  await sleep(500);
  const before = cpuSeconds(stack.pid);
  const startedMs = performance.now();
  for (let at = 0; at < changes; at += 1) {
    const record = Math.floor((at * records.count) / changes);
    await stack.put(keyOf(record, records.perUpstream), `{"weight":${2 + (at % 50)}}`);
    await sleep(PAUSE_MS);
  }
  const tookMs = performance.now() - startedMs;
  const used = cpuSeconds(stack.pid) - before;
  const idleBefore = cpuSeconds(stack.pid);
  await sleep(tookMs);
  return used - (cpuSeconds(stack.pid) - idleBefore);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      changes: { type: 'string', default: String(DEFAULTS.changes) },
      sizes: { type: 'string', default: DEFAULTS.sizes.join(',') },
      beside: { type: 'string' },
    },
  });
  const cleanup = new Cleanup();
  try {
    const { changes, sizes, beside } = values;
    const text = await run({
      changes: Number(changes),
      sizes: sizes.split(',').map(Number),
      ...(beside === undefined ? {} : { beside: await checkout(beside, cleanup) }),
    });
    console.log(text);
  } finally {
    await cleanup.run();
  }
}
