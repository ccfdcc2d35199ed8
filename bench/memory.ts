// Figure: resident memory of one gateway worker when idle, with 5,000 and 10,000 idle keep-alive client
// connections, and its maximum and slope over minutes of load; nginx's worker beside it.
//
// A heap grows until it is worth a collection, so that a young worker's slope says nothing of a leak. So there is
// a second Sluice that collects every 5 s: what grows there is kept. And of connections the second 5,000 count:
// with the first ones the young half of the heap grows, once.
//
//   node bench/memory.ts [--minutes 2] [--connections 5000]
//   BENCH_MINUTES=10 npm run bench -- memory

import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Cleanup, residentBytes, temporaryFolder } from '../demo/stack.ts';
import { findPeer } from '../test/support/peers/programs.ts';
import {
  CONTENDERS,
  type Contender,
  type Lab,
  megabytes,
  runWrk,
  startServers,
  startSluice,
  table,
} from './lab.ts';

export type MemoryOptions = { readonly minutes: number; readonly connections: number };

const DEFAULTS: MemoryOptions = {
  minutes: Number(process.env['BENCH_MINUTES'] ?? 2),
  connections: 5000,
};
/** Another Sluice whose processes collect all the time. */
const COLLECTED = 'sluice, collecting';
const NAMES = ['sluice', COLLECTED, 'nginx'];
const SAMPLE_SECONDS = 10;
/** Longer than from one collection to the next. */
const SETTLED_MS = 6000;
const OPENING_AT_ONCE = 100;

type Figures = {
  readonly idle: number;
  readonly loaded: number;
  /** Of the second half of them. */
  readonly perConnection: number;
  /** While there was load. */
  readonly most: number;
  /** At the end of the load. */
  readonly end: number;
  /** Of a line through the second half of the samples, bytes per minute. */
  readonly slope: number;
  readonly requests: number;
  readonly errors: number;
};

export async function run(options: MemoryOptions = DEFAULTS): Promise<string> {
  const wrk = findPeer('wrk');
  if (wrk === undefined || findPeer('nginx') === undefined) {
    throw new Error('memory: wrk and nginx are needed; see .ci/run');
  }
  const cleanup = new Cleanup();
  try {
    const base = { cleanup, folder: await temporaryFolder('memory', cleanup), prefix: [] };
    const lab: Lab = { ...base, servers: await startServers(base, 0) };
    const rows: string[][] = [];
    for (const name of NAMES) {
      const contender =
        name === COLLECTED ? await startCollecting(lab) : await CONTENDERS[name]?.(lab);
      if (contender !== undefined) {
        const figures = await measure(contender, wrk, base.folder, options);
        rows.push([name, ...show(figures)]);
      }
    }
    return [
      `Resident memory (VmRSS) of the one data-plane process, MB. ${2 * options.connections} connections: ` +
        'each sent one request and stays open; "kB each" is of the second half of them, because with the first ' +
        `half the heap grows once. Then ${options.minutes} minutes of \`wrk -c64\`; the slope is a least-squares ` +
        'line through the samples of the second half. A heap grows until it is worth a collection: the second ' +
        'Sluice collects every 5 s, so that only what is kept could make it grow.',
      table([
        [
          'worker',
          'idle',
          'with connections',
          'kB each',
          'most under load',
          'at its end',
          'slope MB/min',
          'requests',
          'errors',
        ],
        ...rows,
      ]),
    ].join('\n\n');
  } finally {
    await cleanup.run();
  }
}

async function measure(
  contender: Contender,
  wrk: string,
  folder: string,
  options: MemoryOptions,
): Promise<Figures> {
  const resident = (): number => contender.pids.reduce((sum, pid) => sum + residentBytes(pid), 0);
  await sleep(1000);
  const idle = resident();
  const sockets = await openMany(contender.port, options.connections);
  await sleep(SETTLED_MS);
  const half = resident();
  sockets.push(...(await openMany(contender.port, options.connections)));
  await sleep(SETTLED_MS);
  const loaded = resident();
  for (const socket of sockets) socket.destroy();

  const samples: { readonly minute: number; readonly bytes: number }[] = [];
  const startMs = Date.now();
  let requests = 0;
  let errors = 0;
  while (Date.now() - startMs < options.minutes * 60_000) {
    const url = `http://127.0.0.1:${contender.port}/`;
    const request = { wrk, url, connections: 64, seconds: SAMPLE_SECONDS, requests: '' };
    const result = await runWrk({ ...request, folder, prefix: [] });
    requests += result.requests;
    errors += result.errors;
    samples.push({ minute: (Date.now() - startMs) / 60_000, bytes: resident() });
  }
  return {
    idle,
    loaded,
    perConnection: (loaded - half) / options.connections,
    most: Math.max(...samples.map(({ bytes }) => bytes)),
    end: samples.at(-1)?.bytes ?? 0,
    slope: slopeOf(samples.slice(Math.floor(samples.length / 2))),
    requests,
    errors,
  };
}

async function startCollecting(lab: Lab): Promise<Contender> {
  const last = process.env['NODE_OPTIONS'];
  process.env['NODE_OPTIONS'] =
    `--expose-gc --import ${join(import.meta.dirname, 'memory/collect.ts')}`;
  try {
    return await startSluice('collecting', lab);
  } finally {
    if (last === undefined) delete process.env['NODE_OPTIONS'];
    else process.env['NODE_OPTIONS'] = last;
  }
}

/** Connections that each had one request answered. */
async function openMany(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(OPENING_AT_ONCE, count - sockets.length) }, () =>
      openOne(port),
    );
    sockets.push(...(await Promise.all(batch)));
  }
  return sockets;
}

function openOne(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('error', reject);
    socket.once('data', () => resolve(socket));
    socket.write('GET / HTTP/1.1\r\nHost: bench\r\n\r\n');
  });
}

function slopeOf(samples: readonly { readonly minute: number; readonly bytes: number }[]): number {
  const mean = (pick: (sample: (typeof samples)[number]) => number): number =>
    samples.reduce((sum, sample) => sum + pick(sample), 0) / samples.length;
  const [minute, bytes] = [mean((sample) => sample.minute), mean((sample) => sample.bytes)];
  const over = mean((sample) => (sample.minute - minute) * (sample.bytes - bytes));
  const under = mean((sample) => (sample.minute - minute) ** 2);
  return under === 0 ? 0 : over / under;
}

function show(figures: Figures): string[] {
  return [
    megabytes(figures.idle),
    megabytes(figures.loaded),
    (figures.perConnection / 1024).toFixed(1),
    megabytes(figures.most),
    megabytes(figures.end),
    megabytes(figures.slope),
    String(figures.requests),
    String(figures.errors),
  ];
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: String(DEFAULTS.minutes) },
      connections: { type: 'string', default: String(DEFAULTS.connections) },
    },
  });
  const { minutes, connections } = values;
  console.log(await run({ minutes: Number(minutes), connections: Number(connections) }));
}
