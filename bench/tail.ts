// Claim: at half of the load that it bears, the slowest of a hundred answers takes no longer than 1.15 × as
// long as nginx's.
//
// The rate is half of what the slower of the two answers at most. Both get it in turn, from many clients that
// think between two requests (closed loop with think time: wrk counts from the send on). The proxy and its control
// process have a core of their own, wrk and the servers the other.
//
//   node bench/tail.ts [--rounds 7] [--seconds 5] [--loads small,browser,logged] [--beside FOLDER or REVISION]

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Cleanup, temporaryFolder } from '../demo/stack.ts';
import { findPeer } from '../test/support/peers/programs.ts';
import {
  BROWSER,
  CONTENDERS,
  type Contender,
  checkout,
  type Lab,
  median,
  runWrk,
  startServers,
  startSluice,
  table,
  thinking,
  type WrkResult,
  whole,
} from './lab.ts';

const CLIENTS = 256;
const FULL_CLIENTS = 64;
const FULL_SECONDS = 3;

type Load = { readonly title: string; readonly requests: string; readonly accessLog: boolean };

const LOADS: Readonly<Record<string, Load>> = {
  small: { title: 'small GET', requests: '', accessLog: false },
  browser: { title: "browser's GET", requests: BROWSER, accessLog: false },
  logged: { title: "browser's GET, access log", requests: BROWSER, accessLog: true },
};

export type TailOptions = {
  readonly rounds: number;
  readonly seconds: number;
  readonly loads: readonly string[];
  /** A checkout that takes part as "before". */
  readonly beside?: string;
};

const DEFAULTS: TailOptions = { rounds: 7, seconds: 5, loads: Object.keys(LOADS) };

export async function run(options: TailOptions = DEFAULTS): Promise<string> {
  const wrk = findPeer('wrk');
  if (wrk === undefined || findPeer('nginx') === undefined) {
    throw new Error('tail: wrk and nginx are needed; see .ci/run');
  }
  const parts: string[] = [];
  for (const name of options.loads) {
    const load = LOADS[name];
    if (load !== undefined) parts.push(await compare(load, wrk, options));
  }
  return [
    `${CLIENTS} clients, each of which thinks between two requests for a time by chance, so that all together send half ` +
      'of what the slower proxy answers at most; latency from the send on. One core for the proxy with all its ' +
      `processes, the other for wrk and the servers. ${options.rounds} rounds of ${options.seconds} s in turn, medians; ` +
      'the ratio is the median of those within each round.',
    ...parts,
  ].join('\n\n');
}

async function compare(load: Load, wrk: string, options: TailOptions): Promise<string> {
  const cleanup = new Cleanup();
  const pin = (core: number): string[] =>
    availableParallelism() > 1 ? ['taskset', '-c', String(core)] : [];
  try {
    const base = { cleanup, folder: await temporaryFolder('tail', cleanup) };
    const servers = await startServers({ ...base, prefix: pin(1) }, 0);
    const lab: Lab = { ...base, servers, prefix: pin(0), accessLog: load.accessLog };
    const proxies: Contender[] = [];
    const { beside } = options;
    if (beside !== undefined) proxies.push(await startSluice('before', lab, beside));
    for (const name of ['sluice', 'nginx']) {
      const proxy = await CONTENDERS[name]?.(lab);
      if (proxy !== undefined) proxies.push(proxy);
    }
    const ask = (
      { port }: Contender,
      how: { readonly connections: number; readonly seconds: number; readonly requests: string },
    ): Promise<WrkResult> =>
      runWrk({
        wrk,
        url: `http://127.0.0.1:${port}/`,
        ...how,
        folder: base.folder,
        prefix: pin(1),
      });
    const full: number[] = [];
    for (const proxy of proxies) {
      const how = { connections: FULL_CLIENTS, requests: load.requests };
      await ask(proxy, { ...how, seconds: 2 });
      const { requests, seconds } = await ask(proxy, { ...how, seconds: FULL_SECONDS });
      full.push(requests / seconds);
    }
    const rate = Math.min(...full) / 2;
    const requests = load.requests + thinking((CLIENTS / rate) * 1000);
    const rounds: WrkResult[][] = [];
    for (let round = 0; round < options.rounds; round += 1) {
      const results: WrkResult[] = [];
      for (const proxy of proxies) {
        results.push(
          await ask(proxy, { connections: CLIENTS, seconds: options.seconds, requests }),
        );
      }
      rounds.push(results);
      const shown = results.map(({ p99 }, at) => `${proxies[at]?.name} ${p99.toFixed(2)}`);
      console.error(`  ${load.title}, round ${round + 1}, p99 ms: ${shown.join(', ')}`);
    }
    return report(load.title, proxies, rounds);
  } finally {
    await cleanup.run();
  }
}

function report(
  title: string,
  proxies: readonly Contender[],
  rounds: readonly (readonly WrkResult[])[],
): string {
  const nginx = proxies.findIndex(({ name }) => name === 'nginx');
  const rows = proxies.map(({ name }, at) => {
    const of = (pick: (result: WrkResult) => number): number[] =>
      rounds.flatMap((results) => results.slice(at, at + 1).map(pick));
    const shown = (pick: (result: WrkResult) => number): string => median(of(pick)).toFixed(2);
    const peers = rounds.map((results) => results[nginx]?.p99 ?? Number.NaN);
    const ratio = median(of(({ p99 }) => p99).map((p99, round) => p99 / (peers[round] ?? 0)));
    return [
      ...[name, whole(median(of(({ requests, seconds }) => requests / seconds)))],
      ...[shown(({ p50 }) => p50), shown(({ p99 }) => p99), ratio.toFixed(2)],
      ...[shown(({ p999 }) => p999), shown(({ max }) => max)],
      String(of(({ errors }) => errors).reduce((sum, count) => sum + count, 0)),
    ];
  });
  const head = ['proxy', 'req/s', 'p50 ms', 'p99 ms', '× nginx', 'p99.9 ms', 'max ms', 'errors'];
  return `### ${title}\n\n${table([head, ...rows])}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: String(DEFAULTS.rounds) },
      seconds: { type: 'string', default: String(DEFAULTS.seconds) },
      loads: { type: 'string', default: DEFAULTS.loads.join(',') },
      beside: { type: 'string' },
    },
  });
  const { rounds, seconds, loads, beside } = values;
  const cleanup = new Cleanup();
  try {
    console.log(
      await run({
        ...{ rounds: Number(rounds), seconds: Number(seconds), loads: loads.split(',') },
        ...(beside === undefined ? {} : { beside: await checkout(beside, cleanup) }),
      }),
    );
  } finally {
    await cleanup.run();
  }
}
