// Claim: with 10,000 servers in one upstream a request costs what it costs with 2, within a tenth, and a change
// of one server costs what that server costs: weight, down, drain, a server that joins or leaves.
//
//   node bench/big-upstream.ts [--parts requests,changes] [--rounds 3] [--seconds 2] [--changes 100]
//     [--sizes 2,100,1000,10000] [--only round_robin]

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Cleanup, temporaryFolder } from '../demo/stack.ts';
import { findPeer } from '../test/support/peers/programs.ts';
import { changesTable } from './big-upstream/changes.ts';
import { requestsTable } from './big-upstream/requests.ts';
import { startMany } from './big-upstream/servers.ts';

export type BigUpstreamOptions = {
  readonly parts: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly changes: number;
  readonly sizes: readonly number[];
  /** Methods and kinds of change whose title holds this. */
  readonly only: string;
};

const DEFAULTS: BigUpstreamOptions = {
  parts: ['requests', 'changes'],
  ...{ rounds: 3, seconds: 2, changes: 100, sizes: [2, 100, 1000, 10_000], only: '' },
};

export async function run(options: BigUpstreamOptions = DEFAULTS): Promise<string> {
  const { parts, sizes } = options;
  const wrk = findPeer('wrk');
  if (wrk === undefined) throw new Error('big-upstream: wrk is needed; see .ci/run');
  const cleanup = new Cleanup();
  const pin = (core: number): string[] =>
    availableParallelism() > 1 ? ['taskset', '-c', String(core)] : [];
  try {
    const folder = await temporaryFolder('big-upstream', cleanup);
    const place = (core: number) => ({ cleanup, folder, prefix: pin(core) });
    const servers = await startMany(place(1));
    const texts: string[] = [];
    if (parts.includes('requests')) {
      const [few = 2, many = few] = [Math.min(...sizes), Math.max(...sizes)];
      const places = { proxy: place(0), wrk: place(1) };
      texts.push(
        "### A request\n\nCPU-µs of the worker per request: wrk's 64 clients, one after another to each of " +
          'the servers where the method goes round, so that as many connections to servers are kept; ' +
          'in brackets, what the kernel used of it; ' +
          `${options.rounds} rounds of ${options.seconds} s in turn, medians; resident memory behind it.`,
        await requestsTable(wrk, servers, places, { few, many, ...options }),
      );
    }
    if (parts.includes('changes')) {
      texts.push(
        `### A change\n\nCPU-ms of the primary + of the worker per change of one server, ${options.changes} changes ` +
          '20 ms apart, embedded registry; what is used without changes is taken off, and is in the first row.',
        await changesTable(servers, { cleanup, folder, prefix: [] }, options),
      );
    }
    return texts.join('\n\n');
  } finally {
    await cleanup.run();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      parts: { type: 'string', default: DEFAULTS.parts.join(',') },
      rounds: { type: 'string', default: String(DEFAULTS.rounds) },
      seconds: { type: 'string', default: String(DEFAULTS.seconds) },
      changes: { type: 'string', default: String(DEFAULTS.changes) },
      sizes: { type: 'string', default: DEFAULTS.sizes.join(',') },
      only: { type: 'string', default: '' },
    },
  });
  const { parts, rounds, seconds, changes, sizes, only } = values;
  console.log(
    await run({
      parts: parts.split(','),
      rounds: Number(rounds),
      seconds: Number(seconds),
      changes: Number(changes),
      sizes: sizes.split(',').map(Number),
      only,
    }),
  );
}
