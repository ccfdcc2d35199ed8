// The embedded registry beside a real Consul, both with their data on this disk and every write
// synced: PUTs and GETs per second and what they cost in CPU, how long a PUT and the watchers wait
// when many watch, the start with many keys and the memory of a key. Alternately, in one run, on
// loopback. Run: node bench/registry.ts [--only wake] [--rounds 3]   (about 2 min)

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { silentLog } from '../src/base/log.ts';
import type { Address } from '../src/base/units.ts';
import { openStore, serveConsulApi } from '../src/registry.ts';
import { findPeer, type Scope, startConsul } from '../test/support/peers/programs.ts';
import { machine, median, table, whole } from './lab.ts';
import { serveBareLoop } from './registry/bare-loop.ts';
import { cpuMicros } from './registry/cpu.ts';
import { measureKeys } from './registry/keys.ts';
import { get, Line, put } from './registry/line.ts';
import { park } from './registry/watchers.ts';

const ROUNDS = 3;
const KEYS = [100_000, 1_000_000];
const LOAD_MS = 1_200;
/** Of each of the clients that read. */
const READ_KEYS = 50;
const BARE_LOOP = 'bare loop';
const VALUE = '{"weight":1, "max_fails":2, "fail_timeout":10, "down":0}';

type Contender = { readonly name: string; readonly address: Address; readonly pid: number };
/** Figures by name. */
type Figures = Readonly<Record<string, number>>;
type Measure = (contender: Contender, round: number) => Promise<Figures>;

const MEASURES: Readonly<Record<string, Measure>> = {
  'put 1': ({ address, pid }, round) =>
    load('PUT, 1 client', { address, pid, clients: 1 }, putter(`one${round}`)),
  'put 16': ({ address, pid }, round) =>
    load('PUT, 16 clients', { address, pid, clients: 16 }, putter(`many${round}`)),
  'get 16': async ({ address, pid }, round) => {
    if (round === 0) await writeRead(address);
    return load('GET, 16 clients', { address, pid, clients: 16 }, getter);
  },
  'wake 1': (contender, round) => wake(contender, 1, round),
  'wake 1000': (contender, round) => wake(contender, 1_000, round),
  'wake 5000': (contender, round) => wake(contender, 5_000, round),
};

/** `only`: the measures whose names start with it, without the keys. */
type Options = { readonly only: string; readonly rounds: number };

/** Measures and gives a Markdown section. */
export async function run(
  { only, rounds }: Options = { only: '', rounds: ROUNDS },
): Promise<string> {
  const closing: (() => unknown)[] = [];
  const scope: Scope = {
    after: (close) => {
      if (close !== undefined) closing.push(close as () => unknown);
    },
    skip: () => {},
  };
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  try {
    const contenders = [await startOurs(scope, 'Sluice', ['serve', join(folder, 'sluice')])];
    const consul =
      findPeer('consul') === undefined ? undefined : await startConsul(scope, { dataDir: folder });
    const [server] = consul?.servers ?? [];
    if (server !== undefined) contenders.push({ name: 'Consul 1.8.7', ...server });
    contenders.push(await startOurs(scope, BARE_LOOP, ['bare-loop']));
    const measures = Object.keys(MEASURES).filter((name) => name.startsWith(only));
    const results = await measureAll(contenders, measures, rounds);
    const figures = section(contenders, results, rounds);
    return only === '' ? figures + (await keysSection(folder)) : figures;
  } finally {
    for (const close of closing.toReversed()) await close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Medians by measure and contender. */
async function measureAll(
  contenders: readonly Contender[],
  names: readonly string[],
  rounds: number,
): Promise<Map<string, number[]>> {
  const results = new Map<string, number[]>();
  for (const measureName of names) {
    const measure = MEASURES[measureName];
    const values = contenders.map(() => new Map<string, number[]>());
    for (let round = 0; round < rounds; round++) {
      for (const [at, contender] of contenders.entries()) {
        // It keeps nothing: only how fast it wakes means something.
        if (contender.name === BARE_LOOP && !measureName.startsWith('wake')) continue;
        for (const [name, value] of Object.entries((await measure?.(contender, round)) ?? {})) {
          values[at]?.set(name, [...(values[at].get(name) ?? []), value]);
        }
      }
    }
    for (const name of values[0]?.keys() ?? []) {
      results.set(
        name,
        values.map((each) => (each.has(name) ? median(each.get(name) ?? []) : Number.NaN)),
      );
    }
  }
  return results;
}

function section(
  contenders: readonly Contender[],
  results: ReadonlyMap<string, readonly number[]>,
  rounds: number,
): string {
  const rows = [...results].map(([name, values]) => {
    const [ours = 0] = values;
    const theirs = values[contenders.findIndex((each) => each.name.startsWith('Consul'))];
    return [
      name,
      ...values.map(figure),
      theirs === undefined ? '' : `${(ours / theirs).toFixed(2)}×`,
    ];
  });
  return [
    `Single server each, data on disk, every write synced before it is acknowledged; values of ${VALUE.length} bytes; medians of ${rounds} alternating rounds. The ${BARE_LOOP} is the floor of a wake-up in Node: it writes the same bytes to the same sockets and does nothing else. ${machine()}`,
    '',
    table([['', ...contenders.map(({ name }) => name), 'ratio'], ...rows]),
    contenders.length === 2 ? '\nNo `consul` on this machine: run `.ci/peers`.\n' : '',
  ].join('\n');
}

function figure(value: number): string {
  if (Number.isNaN(value)) return '–';
  return value < 100 ? value.toFixed(1) : whole(value);
}

/** Of Sluice alone: 1,000,000 keys take a Consul minutes to write. */
async function keysSection(folder: string): Promise<string> {
  const rows: string[][] = [];
  for (const count of KEYS) {
    const { startMs, bytesPerKey } = await measureKeys(folder, count);
    rows.push([whole(count), whole(startMs), whole(bytesPerKey)]);
  }
  return `\n\n${table([['keys', 'ms to open', 'resident bytes per key'], ...rows])}`;
}

async function startOurs(scope: Scope, name: string, order: readonly string[]): Promise<Contender> {
  const child = fork(import.meta.filename, order, { stdio: 'inherit' });
  scope.after(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const [port] = await once(child, 'message');
  return {
    name,
    address: { host: '127.0.0.1', port: Number(port) },
    pid: child.pid ?? 0,
  };
}

async function serve(dataDir: string): Promise<void> {
  const store = openStore({ dataDir, log: silentLog });
  const api = await serveConsulApi({
    ...{ store, host: '127.0.0.1', port: 0, log: silentLog },
    alone: true,
  });
  process.send?.(api.address.port);
}

type RequestText = (client: number, count: number) => string;

function putter(prefix: string): RequestText {
  return (client, count) => put(`bench/${prefix}/${client}/${count}`, VALUE);
}

function getter(client: number, count: number): string {
  return get(`bench/read/${client}/${count % READ_KEYS}`);
}

/** The records that `getter` reads. */
async function writeRead(address: Address): Promise<void> {
  const line = await Line.open(address);
  for (let at = 0; at < 16 * READ_KEYS; at++) {
    await line.ask(put(`bench/read/${Math.floor(at / READ_KEYS)}/${at % READ_KEYS}`, VALUE));
  }
  line.close();
}

/** Requests per second of that many clients, each with one request in flight, and CPU of the server. */
async function load(
  name: string,
  { address, pid, clients }: { address: Address; pid: number; clients: number },
  request: RequestText,
): Promise<Figures> {
  const lines = await Promise.all(Array.from({ length: clients }, () => Line.open(address)));
  const cpu = cpuMicros(pid);
  const startedMs = performance.now();
  let count = 0;
  await Promise.all(
    lines.map(async (line, client) => {
      for (let at = 0; performance.now() - startedMs < LOAD_MS; at++) {
        await line.ask(request(client, at));
        count++;
      }
    }),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  const used = cpuMicros(pid) - cpu;
  for (const line of lines) line.close();
  return {
    [`${name}: per second`]: count / seconds,
    [`${name}: CPU µs each`]: used / count,
  };
}

/**
 * One write under a watched prefix: when it is acknowledged, when the last watcher knows, and what
 * it all cost the server.
 */
async function wake({ address, pid }: Contender, count: number, round: number): Promise<Figures> {
  const prefix = `wake${count}/${round}/app`;
  const writer = await Line.open(address);
  const key = `${prefix}/127.0.0.1:9001`;
  await writer.ask(put(key, '{"down":0}'));
  const head = await writer.ask(get(`${prefix}?recurse`));
  const index = /X-Consul-Index: (\d+)/.exec(head)?.[1] ?? '1';
  const watchers = await park({ address, count, target: `${prefix}?recurse&index=${index}` });
  const cpu = cpuMicros(pid);
  const startedMs = performance.timeOrigin + performance.now();
  await writer.ask(put(key, '{"down":1}'));
  const acknowledgedMs = performance.timeOrigin + performance.now();
  const lastMs = await watchers.allKnow;
  await delay(20); // What a server does behind the last answer is part of its cost.
  const used = cpuMicros(pid) - cpu;
  writer.close();
  await watchers.close();
  return {
    [`${count} watchers: ms until the PUT is acknowledged`]: acknowledgedMs - startedMs,
    [`${count} watchers: ms until the last of them knows`]: lastMs - startedMs,
    [`${count} watchers: CPU µs each`]: used / count,
  };
}

if (import.meta.main) {
  if (process.argv[2] === 'serve') await serve(process.argv[3] ?? '');
  else if (process.argv[2] === 'bare-loop') serveBareLoop();
  else {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', default: '' },
        rounds: { type: 'string', default: String(ROUNDS) },
      },
    });
    console.log(await run({ only: values.only, rounds: Number(values.rounds) }));
  }
}
