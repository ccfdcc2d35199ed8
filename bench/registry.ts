// The embedded registry beside a real Consul, both with their data on this disk and every write
// synced: durable PUTs and GETs per second, and the time to wake 1,000 watchers. Alternately, in one
// run, on loopback. Run: node bench/registry.ts   (about 40 s)

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../src/base/log.ts';
import type { Address } from '../src/base/units.ts';
import { openStore, serveConsulApi } from '../src/registry.ts';
import { findPeer, type Scope, startConsul } from '../test/support/peers/programs.ts';
import { machine, median, table, whole } from './lab.ts';

const ROUNDS = 3;
const LOAD_MS = 1_200;
const WATCHERS = 1_000;
const VALUE = '{"weight":1, "max_fails":2, "fail_timeout":10, "down":0}';

type Contender = { readonly name: string; readonly address: Address };
type Measure = (address: Address, round: number) => Promise<number>;

const MEASURES: readonly (readonly [string, Measure])[] = [
  ['PUT/s, 1 client', (address, round) => load(address, 1, putter(`one${round}`))],
  ['PUT/s, 16 clients', (address, round) => load(address, 16, putter(`many${round}`))],
  ['GET/s, 16 clients', (address) => load(address, 16, getter)],
  [`ms until the last of ${WATCHERS} watchers knows`, wake],
];

/** Measures and gives a Markdown section. */
export async function run(): Promise<string> {
  const closing: (() => unknown)[] = [];
  const scope: Scope = {
    after: (close) => {
      if (close !== undefined) closing.push(close as () => unknown);
    },
    skip: () => {},
  };
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  try {
    const contenders = [await startOurs(scope, join(folder, 'sluice'))];
    const consul =
      findPeer('consul') === undefined ? undefined : await startConsul(scope, { dataDir: folder });
    if (consul?.addresses[0] !== undefined) {
      contenders.push({ name: 'Consul 1.8.7', address: consul.addresses[0] });
    }
    return section(contenders, await measureAll(contenders));
  } finally {
    for (const close of closing.toReversed()) await close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Medians by measure and contender. */
async function measureAll(contenders: readonly Contender[]): Promise<number[][]> {
  const results: number[][] = [];
  for (const [, measure] of MEASURES) {
    const values = contenders.map((): number[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [at, { address }] of contenders.entries()) {
        values[at]?.push(await measure(address, round));
      }
    }
    results.push(values.map(median));
  }
  return results;
}

function section(contenders: readonly Contender[], results: readonly number[][]): string {
  const rows = MEASURES.map(([name], at) => {
    const [ours = 0, theirs] = results[at] ?? [];
    const figures = (results[at] ?? []).map((value) =>
      value < 100 ? value.toFixed(1) : whole(value),
    );
    return [name, ...figures, theirs === undefined ? '' : `${(ours / theirs).toFixed(2)}×`];
  });
  return [
    '## Registry',
    '',
    `Single server each, data on disk, every write synced before it is acknowledged; values of ${VALUE.length} bytes; medians of ${ROUNDS} alternating rounds. ${machine()}`,
    '',
    table([['', ...contenders.map(({ name }) => name), 'ratio'], ...rows]),
    contenders.length === 1 ? '\nNo `consul` on this machine: run `.ci/peers`.\n' : '',
  ].join('\n');
}

async function startOurs(scope: Scope, dataDir: string): Promise<Contender> {
  const child = fork(import.meta.filename, ['serve', dataDir], { stdio: 'inherit' });
  scope.after(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const [port] = await once(child, 'message');
  return { name: 'Sluice', address: { host: '127.0.0.1', port: Number(port) } };
}

async function serve(dataDir: string): Promise<void> {
  const store = openStore({ dataDir, log: silentLog });
  const api = await serveConsulApi({ store, host: '127.0.0.1', port: 0, log: silentLog });
  process.send?.(api.address.port);
}

type RequestText = (client: number, count: number) => string;

function putter(prefix: string): RequestText {
  return (client, count) =>
    `PUT /v1/kv/bench/${prefix}/${client}/${count} HTTP/1.1\r\nHost: x\r\nContent-Length: ${VALUE.length}\r\n\r\n${VALUE}`;
}

function getter(client: number, count: number): string {
  return `GET /v1/kv/bench/many0/${client}/${count % 50} HTTP/1.1\r\nHost: x\r\n\r\n`;
}

/** Requests per second of that many clients, each with one request in flight. */
async function load(address: Address, clients: number, request: RequestText): Promise<number> {
  const lines = await Promise.all(Array.from({ length: clients }, () => Line.open(address)));
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
  for (const line of lines) line.close();
  return count / seconds;
}

/** From the write to the answer of the last watcher of its prefix. */
async function wake(address: Address, round: number): Promise<number> {
  const prefix = `wake${round}/app`;
  const writer = await Line.open(address);
  const put = (value: string): string =>
    `PUT /v1/kv/${prefix}/127.0.0.1:9001 HTTP/1.1\r\nHost: x\r\nContent-Length: ${value.length}\r\n\r\n${value}`;
  await writer.ask(put('{"down":0}'));
  const head = await writer.ask(`GET /v1/kv/${prefix}?recurse HTTP/1.1\r\nHost: x\r\n\r\n`);
  const index = /X-Consul-Index: (\d+)/.exec(head)?.[1] ?? '1';
  const lines = await Promise.all(Array.from({ length: WATCHERS }, () => Line.open(address)));
  const watch = `GET /v1/kv/${prefix}?recurse&index=${index} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const answers = lines.map((line) => line.ask(watch));
  // Parked once the server has read them all; there is no way to ask it.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const startedMs = performance.now();
  await writer.ask(put('{"down":1}'));
  await Promise.all(answers);
  const tookMs = performance.now() - startedMs;
  for (const line of [...lines, writer]) line.close();
  return tookMs;
}

/** One connection with one request in flight; the cheapest client that reads whole answers. */
class Line {
  readonly #socket: Socket;
  #text = '';
  #done: (text: string) => void = () => {};
  #failed: (error: Error) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#read(chunk));
    socket.on('error', (error) => this.#failed(error));
  }

  static async open({ host, port }: Address): Promise<Line> {
    const socket = connect(port, host);
    await once(socket, 'connect');
    return new Line(socket);
  }

  ask(request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: string): void {
    this.#text += chunk;
    const headEnd = this.#text.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const length = Number(/\r\nContent-Length: (\d+)/i.exec(this.#text)?.[1] ?? 0);
    if (this.#text.length < headEnd + 4 + length) return;
    const text = this.#text;
    this.#text = '';
    if (!text.startsWith('HTTP/1.1 200')) this.#failed(new Error(text.slice(0, 200)));
    else this.#done(text);
  }
}

if (import.meta.main) {
  if (process.argv[2] === 'serve') await serve(process.argv[3] ?? '');
  else console.log(await run());
}
