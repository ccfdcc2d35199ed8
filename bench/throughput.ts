// Claim: one Sluice worker answers at least 0.85 × the requests that nginx answers in one second of
// processor time, and at least 2.4 × those of the best proxy made of Node's own http server. node-relay is
// no proxy: it shows what Node's sockets alone allow, and so how near any of these can come.
//
// Small and large messages at 64 clients with every proxy; heads as browsers send them at 64, 256 and
// 1,000 clients, with and without an access log, with those that are near.
//
// One proxy process on a core of its own, wrk and the two fixed servers (nginx) on the rest, keep-alive
// on both sides. The proxies take turns within each round; the ratios are taken within a round and
// their median is reported, because the machine is shared and drifts.
//
//   node bench/throughput.ts [--rounds 5] [--seconds 3] [--only sluice,nginx] [--loads "256 clients,POST"]
//     [--beside FOLDER or REVISION]   another state of Sluice takes its turns too, as "before"

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Cleanup, cpuSeconds, output, temporaryFolder } from '../demo/stack.ts';
import { findPeer } from '../test/support/peers/programs.ts';
import {
  BROWSER,
  CONTENDERS,
  type Contender,
  checkout,
  type Lab,
  median,
  posts,
  runWrk,
  startServers,
  startSluice,
  table,
  whole,
} from './lab.ts';

/** Below that, 1,000 clients and as many servers' connections do not fit. */
const DESCRIPTORS_MIN = 8192;
const NODE_CONTENDERS = ['http-proxy-3', 'fast-proxy', 'undici', 'undici-proxy'];
const STREAMING = ['nginx-streaming'];
/** Takes one read for one message: not for bodies of many reads. */
const RELAY = ['node-relay'];
/** What a load with many clients is worth measuring with. */
const NEAR = ['sluice', 'before', 'nginx', 'haproxy'];
/** haproxy writes no files: its log goes to syslog. */
const LOGGING = ['sluice', 'before', 'nginx'];

type Load = {
  readonly title: string;
  readonly clients: number;
  readonly responseBytes: number;
  /** In wrk's Lua. */
  readonly requests: string;
  readonly accessLog: boolean;
  readonly isFor: (proxy: string) => boolean;
};

const SMALL: Load = {
  title: 'small GET (12-byte answer), 64 clients',
  clients: 64,
  responseBytes: 0,
  requests: '',
  accessLog: false,
  isFor: (proxy) => !STREAMING.includes(proxy),
};
const LOADS: readonly Load[] = [
  SMALL,
  { ...SMALL, title: 'GET with a 16 kB answer, 64 clients', responseBytes: 16_384 },
  {
    ...SMALL,
    title: 'POST with a 64 kB body, 64 clients',
    requests: posts(65_536),
    isFor: (proxy) => !RELAY.includes(proxy),
  },
  ...[64, 256, 1000].flatMap((clients) => [
    browsers(clients, { accessLog: false }),
    browsers(clients, { accessLog: true }),
  ]),
];

function browsers(clients: number, { accessLog }: { readonly accessLog: boolean }): Load {
  return {
    title: `browser's GET, ${clients} clients${accessLog ? ', access log' : ''}`,
    clients,
    responseBytes: 0,
    requests: BROWSER,
    accessLog,
    isFor: (proxy) => (accessLog ? LOGGING : NEAR).includes(proxy),
  };
}

/** One run of wrk against one proxy. */
type Cell = {
  /** Requests per second of processor time of the data plane. */
  readonly perCpuSecond: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
  /** Share of a core that the control process used. */
  readonly control: number;
};

export type ThroughputOptions = {
  readonly rounds: number;
  readonly seconds: number;
  readonly only: readonly string[];
  /** Loads whose title holds one of these; all when there is none. */
  readonly loads?: readonly string[];
  /** A checkout that takes part as "before". */
  readonly beside?: string;
};

const DEFAULTS: ThroughputOptions = { rounds: 5, seconds: 3, only: Object.keys(CONTENDERS) };

export async function run(options: ThroughputOptions = DEFAULTS): Promise<string> {
  const wrk = findPeer('wrk');
  if (wrk === undefined || findPeer('nginx') === undefined) {
    throw new Error('throughput: wrk and nginx are needed; see .ci/run');
  }
  const limit = await output('bash', ['-c', 'ulimit -n']);
  if (Number(limit) < DESCRIPTORS_MIN) {
    throw new Error(`throughput: ulimit -n is ${limit.trim()}; raise it to ${DESCRIPTORS_MIN}`);
  }
  const { loads = [] } = options;
  const wanted = LOADS.filter(
    ({ title }) => loads.length === 0 || loads.some((part) => title.includes(part)),
  );
  const parts: string[] = [];
  for (const load of wanted) parts.push(await compare(load, wrk, options));
  return [
    'One proxy process pinned to its own core where the machine has two, wrk `-t1` and two fixed nginx ' +
      'servers on the other, keep-alive on both sides, pools with room for every client (nginx: ' +
      "`keepalive 1000`). A browser's GET has a head of 600 to 1,100 bytes, a thousand different ones. " +
      "Access logs: Sluice's JSON lines, nginx's `combined buffer=64k flush=1s`. " +
      `${options.rounds} rounds of ${options.seconds} s each, the proxies in turn; medians. ` +
      '"per CPU-second" is requests divided by user + system time of the data-plane process; ' +
      'the ratios are medians of the ratios within each round.',
    ...parts,
  ].join('\n\n');
}

async function compare(load: Load, wrk: string, options: ThroughputOptions): Promise<string> {
  const cleanup = new Cleanup();
  try {
    const canPin = availableParallelism() > 1 && (await works('taskset', ['-c', '1', 'true']));
    const pin = (core: number): string[] => (canPin ? ['taskset', '-c', String(core)] : []);
    const base = { cleanup, folder: await temporaryFolder('bench', cleanup) };
    const servers = await startServers({ ...base, prefix: pin(1) }, load.responseBytes);
    const lab: Lab = { ...base, servers, prefix: pin(0), accessLog: load.accessLog };
    const proxies: Contender[] = [];
    const { beside } = options;
    if (beside !== undefined) proxies.push(await startSluice('before', lab, beside));
    for (const name of options.only.filter(load.isFor)) {
      const proxy = await CONTENDERS[name]?.(lab);
      if (proxy === undefined) console.error(`throughput: ${name} is not installed, left out`);
      else proxies.push(proxy);
    }
    const measure = async (proxy: Contender, seconds: number): Promise<Cell> => {
      const before = cpuOf(proxy);
      const url = `http://127.0.0.1:${proxy.port}/`;
      const { clients: connections, requests } = load;
      const request = { wrk, url, connections, seconds, requests };
      const result = await runWrk({ ...request, folder: base.folder, prefix: pin(1) });
      const after = cpuOf(proxy);
      return {
        perCpuSecond: result.requests / (after.data - before.data),
        perSecond: result.requests / result.seconds,
        p50: result.p50,
        p99: result.p99,
        errors: result.errors,
        control: (after.control - before.control) / result.seconds,
      };
    };
    for (const proxy of proxies) await measure(proxy, 2); // Warm-up: JIT, connections.
    const rounds: Map<string, Cell>[] = [];
    for (let round = 0; round < options.rounds; round += 1) {
      const cells = new Map<string, Cell>();
      for (const proxy of proxies) cells.set(proxy.name, await measure(proxy, options.seconds));
      rounds.push(cells);
      console.error(`  ${load.title}, round ${round + 1}: ${show(cells)}`);
    }
    return report(load, proxies, rounds);
  } finally {
    await cleanup.run();
  }
}

function works(program: string, argv: readonly string[]): Promise<boolean> {
  return output(program, argv).then(
    () => true,
    () => false,
  );
}

function cpuOf(proxy: Contender): { readonly data: number; readonly control: number } {
  return {
    data: proxy.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0),
    control: proxy.controlPid === undefined ? 0 : cpuSeconds(proxy.controlPid),
  };
}

function report(
  load: Load,
  proxies: readonly Contender[],
  rounds: readonly ReadonlyMap<string, Cell>[],
): string {
  const of = (name: string, pick: (cell: Cell) => number): number[] =>
    rounds.flatMap((cells) => {
      const cell = cells.get(name);
      return cell === undefined ? [] : [pick(cell)];
    });
  const ratio = (name: string, other: string, pick = perCpuSecond): number =>
    median(
      rounds
        .map((cells) => figure(cells, name, pick) / figure(cells, other, pick))
        .filter(Number.isFinite),
    );
  const rows = proxies.map(({ name }) => [
    name,
    whole(median(of(name, (cell) => cell.perCpuSecond))),
    ratio(name, 'nginx').toFixed(2),
    whole(median(of(name, (cell) => cell.perSecond))),
    median(of(name, (cell) => cell.p50)).toFixed(2),
    median(of(name, (cell) => cell.p99)).toFixed(2),
    ratio(name, 'nginx', (cell) => cell.p99).toFixed(1),
    of(name, (cell) => cell.errors)
      .reduce((sum, errors) => sum + errors, 0)
      .toString(),
  ]);
  const best = NODE_CONTENDERS.filter((name) =>
    proxies.some((proxy) => proxy.name === name),
  ).toSorted((left, right) => ratio(right, 'nginx') - ratio(left, 'nginx'))[0];
  const control = median(of('sluice', (cell) => cell.control)) * 100;
  const others = ['before', 'nginx', 'haproxy', ...NODE_CONTENDERS, ...RELAY].filter((name) =>
    proxies.some((proxy) => proxy.name === name),
  );
  const ratios = others.map(
    (name) =>
      `${ratio('sluice', name).toFixed(2)} × ${name}${name === best ? ' (the best of Node)' : ''}`,
  );
  const relay =
    best === undefined || !others.includes('node-relay')
      ? ''
      : ` The relay, which reads no HTTP, is at ${ratio('node-relay', best).toFixed(2)} × ${best}.`;
  const lines = proxies.some(({ name }) => name === 'sluice')
    ? [
        `Sluice: ${ratios.join(', ')}; its primary process used ${control.toFixed(1)} % of a core ` +
          `meanwhile.${relay}`,
      ]
    : [];
  return [
    `### ${load.title}`,
    table([
      ['proxy', 'req per CPU-second', '× nginx', 'req/s', 'p50 ms', 'p99 ms', '× nginx', 'errors'],
      ...rows,
    ]),
    ...lines,
  ].join('\n\n');
}

const perCpuSecond = (cell: Cell): number => cell.perCpuSecond;

function figure(
  cells: ReadonlyMap<string, Cell>,
  name: string,
  pick: (cell: Cell) => number,
): number {
  const cell = cells.get(name);
  return cell === undefined ? Number.NaN : pick(cell);
}

function show(cells: ReadonlyMap<string, Cell>): string {
  return [...cells].map(([name, cell]) => `${name} ${whole(cell.perCpuSecond)}`).join(', ');
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: String(DEFAULTS.rounds) },
      seconds: { type: 'string', default: String(DEFAULTS.seconds) },
      only: { type: 'string', default: DEFAULTS.only.join(',') },
      loads: { type: 'string', default: '' },
      beside: { type: 'string' },
    },
  });
  const { rounds, seconds, only, loads } = values;
  const cleanup = new Cleanup();
  try {
    const { beside } = values;
    const text = await run({
      rounds: Number(rounds),
      seconds: Number(seconds),
      only: only.split(','),
      // A title may have a comma with a blank behind it.
      loads: loads.split(/,(?! )/).filter(Boolean),
      ...(beside === undefined ? {} : { beside: await checkout(beside, cleanup) }),
    });
    console.log(text);
  } finally {
    await cleanup.run();
  }
}
