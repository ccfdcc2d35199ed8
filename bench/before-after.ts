// What a stretch of work changed: this state of the project beside an earlier one, alternately in one run.
// Requests at 256 and 1,000 clients, uploads, access logs; what a change among many records and a PUT into
// the registry cost the primary. The earlier state is unpacked from a revision.
//
//   node bench/before-after.ts [--beside FOLDER or REVISION] [--rounds 5] [--seconds 3]

import { parseArgs } from 'node:util';
import { Cleanup, cpuSeconds, Stack, temporaryFolder } from '../demo/stack.ts';
import { findPeer } from '../test/support/peers/programs.ts';
import * as changeCost from './change-cost.ts';
import { basicConfig, checkout, median, puts, runWrk, table } from './lab.ts';
import * as throughput from './throughput.ts';

export type BeforeAfterOptions = {
  readonly beside: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly changes: number;
};

const DEFAULTS: BeforeAfterOptions = { beside: '6e49c45', rounds: 5, seconds: 3, changes: 100 };
const LOADS = ['POST', '64 clients, access log', '256 clients', '1000 clients'];
const PUT_CLIENTS = 16;

export async function run(options: BeforeAfterOptions = DEFAULTS): Promise<string> {
  const cleanup = new Cleanup();
  try {
    const beside = await checkout(options.beside, cleanup);
    const { rounds, seconds, changes } = options;
    const requests = await throughput.run({
      ...{ rounds, seconds, beside },
      only: ['sluice', 'nginx'],
      loads: LOADS,
    });
    const change = await changeCost.run({ changes, sizes: [100, 1000, 10_000], beside });
    const put = await putCost({ rounds, seconds, beside });
    return [
      `"before" is ${options.beside}.`,
      requests,
      `### A change among many records\n\n${change}`,
      `### A PUT into the registry\n\n${put}`,
    ].join('\n\n');
  } finally {
    await cleanup.run();
  }
}

type PutOptions = { readonly rounds: number; readonly seconds: number; readonly beside: string };

/** CPU-µs of the primary for a durable PUT, on a kept connection and on one of its own. */
async function putCost({ rounds, seconds, beside }: PutOptions): Promise<string> {
  const wrk = findPeer('wrk');
  if (wrk === undefined) throw new Error('before-after: wrk is needed; see .ci/run');
  const cleanup = new Cleanup();
  try {
    const folder = await temporaryFolder('put-cost', cleanup);
    const stacks: Stack[] = [];
    for (const project of [beside, undefined]) {
      const stack = await Stack.start({
        cleanup,
        folder: `${folder}/${project === undefined ? 'now' : 'before'}`,
        ...(project === undefined ? {} : { project }),
        config: (ports) => `
${basicConfig(ports)}`,
      });
      stacks.push(stack);
    }
    const rows: string[][] = [];
    for (const isClosed of [false, true]) {
      const costs = stacks.map((): number[] => []);
      for (let round = 0; round <= rounds; round += 1) {
        for (const [at, stack] of stacks.entries()) {
          const before = cpuSeconds(stack.pid);
          const result = await runWrk({
            ...{ wrk, folder, seconds, connections: PUT_CLIENTS, prefix: [] },
            url: `http://127.0.0.1:${stack.ports.registry}/`,
            requests: puts('/v1/kv/bench', isClosed),
          });
          const used = cpuSeconds(stack.pid) - before;
          // The first round warms up.
          if (round > 0) costs[at]?.push((used * 1e6) / result.requests);
        }
      }
      const ratio = median((costs[1] ?? []).map((now, at) => now / (costs[0]?.[at] ?? 0)));
      const name = isClosed ? 'a connection for each' : 'kept connections';
      rows.push([name, ...costs.map((values) => median(values).toFixed(1)), ratio.toFixed(2)]);
    }
    return [
      `CPU-µs of the primary per durable PUT, ${PUT_CLIENTS} clients, ${rounds} rounds of ${seconds} s in turn; medians.`,
      table([['PUTs on', 'before', 'now', 'now / before'], ...rows]),
    ].join('\n\n');
  } finally {
    await cleanup.run();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      beside: { type: 'string', default: DEFAULTS.beside },
      rounds: { type: 'string', default: String(DEFAULTS.rounds) },
      seconds: { type: 'string', default: String(DEFAULTS.seconds) },
      changes: { type: 'string', default: String(DEFAULTS.changes) },
    },
  });
  const { beside, rounds, seconds, changes } = values;
  const figures = { rounds: Number(rounds), seconds: Number(seconds), changes: Number(changes) };
  console.log(await run({ beside, ...figures }));
}
