// Open-loop load through real sockets: requests start on schedule whatever the answers do, each is
// sent once, and each answer is checked against its own request. Library for the demo, the tests
// and the benches, and a command:
//
//   node demo/load.ts --url http://127.0.0.1:8080 --rate 200 --seconds 10 [--idempotent] [--json]
//
// It expects demo/app.ts behind the URL. It never retries: what a client would see is what it counts.

import { parseArgs } from 'node:util';
import { Connection, type Reply } from './load/connection.ts';
import { createMix, type Kind, MIXED, type Order } from './load/mix.ts';
import { type Result, type Summary, Tally } from './load/tally.ts';

export type { Outcome } from './load/connection.ts';
export { type Kind, MIXED } from './load/mix.ts';
export { percentile, type Result, type Summary } from './load/tally.ts';

export type LoadOptions = {
  readonly host: string;
  readonly port: number;
  /** Requests per second. */
  readonly rate: number;
  /** Shares of the kinds of requests; default MIXED. */
  readonly shares?: Readonly<Partial<Record<Kind, number>>>;
  /** Uploads by PUT instead of POST; default false. */
  readonly idempotent?: boolean;
  /** Default 10 s. */
  readonly timeoutMs?: number;
  readonly seed?: number;
  readonly onResult?: (result: Result) => void;
};

export type Load = {
  /** So far. */
  summary(): Summary;
  /** Starts no more requests, waits for those in flight. */
  stop(): Promise<Summary>;
};

const WAITING_MAX = 2000;
const TICK_MS = 2;

/** The machine's monotonic clock in ms: comparable between processes. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function startLoad(options: LoadOptions): Load {
  const tally = new Tally();
  const idle: Connection[] = [];
  const waiting = new Set<Promise<void>>();
  const nextOrder = createMix({
    shares: options.shares ?? MIXED,
    idempotent: options.idempotent ?? false,
    seed: options.seed ?? 1,
  });
  const startMs = monotonicMs();
  let started = 0;

  const connectionFor = (order: Order): Connection => {
    let kept = order.request.close ? undefined : idle.pop();
    while (kept !== undefined && !kept.usable) kept = idle.pop();
    if (kept !== undefined) return kept;
    tally.connections += 1;
    return new Connection(options.host, options.port);
  };
  const finish = (order: Order, startedMs: number, judged: Judged): void => {
    const { kind, idempotent, request } = order;
    const { id, method, path } = request;
    const endedMs = monotonicMs();
    const result = { id, kind, method, path, idempotent, startedMs, endedMs, ...judged };
    tally.ended(result);
    options.onResult?.(result);
  };
  const send = async (order: Order, startedMs: number): Promise<void> => {
    const connection = connectionFor(order);
    const reply = await connection.exchange(order.request, options.timeoutMs ?? 10_000);
    if (connection.usable) idle.push(connection);
    finish(order, startedMs, judge(order, reply));
  };

  const timer = setInterval(() => {
    const due = ((monotonicMs() - startMs) * options.rate) / 1000;
    while (started < due) {
      const startedMs = startMs + (started * 1000) / options.rate;
      const order = nextOrder();
      started += 1;
      tally.began(startedMs);
      if (waiting.size >= WAITING_MAX) {
        finish(
          order,
          startedMs,
          nobody('not_sent', `${waiting.size} requests are waiting already`),
        );
        continue;
      }
      const sent = send(order, startedMs).finally(() => waiting.delete(sent));
      waiting.add(sent);
    }
  }, TICK_MS);

  return {
    summary: () => tally.summary(),
    stop: async () => {
      clearInterval(timer);
      await Promise.all(waiting);
      for (const connection of idle.splice(0)) connection.close();
      return tally.summary();
    },
  };
}

type Judged = Pick<Result, 'outcome' | 'detail' | 'server' | 'version' | 'arrivedMs'>;

function nobody(outcome: Result['outcome'], detail: string): Judged {
  return { outcome, detail, server: '', version: '', arrivedMs: 0 };
}

/** Is the reply the right answer to this very request? */
function judge(order: Order, reply: Reply): Judged {
  const { response } = reply;
  if (response === undefined) return nobody(reply.outcome, reply.detail);
  const who = {
    server: response.fields.get('x-app-server') ?? '',
    version: response.fields.get('x-app-version') ?? '',
    arrivedMs: Number(response.fields.get('x-app-arrived-ns') ?? 0) / 1e6,
  };
  if (response.status !== 200) {
    return { ...who, outcome: 'status', detail: `${response.status} ${response.text.trim()}` };
  }
  const echoed = response.fields.get('x-request-id');
  if (echoed !== order.request.id) {
    return { ...who, outcome: 'wrong', detail: `the answer to request ${echoed ?? 'unknown'}` };
  }
  const wrong = order.verify(response);
  return { ...who, outcome: wrong === '' ? 'ok' : 'wrong', detail: wrong };
}

/** The summary as lines of text; every kept failure is named. */
export function describe(summary: Summary): string {
  const { latency } = summary;
  const counts = (record: Readonly<Record<string, number>>): string =>
    Object.entries(record)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ');
  return [
    `requests     ${summary.requests} on ${summary.connections} connections`,
    `outcomes     ${counts(summary.outcomes)}`,
    `answered by  ${counts(summary.servers)} (${counts(summary.versions)})`,
    `latency      p50 ${latency.p50.toFixed(1)} ms, p90 ${latency.p90.toFixed(1)} ms, ` +
      `p99 ${latency.p99.toFixed(1)} ms, max ${latency.max.toFixed(0)} ms`,
    `longest gap  ${summary.longestGapMs.toFixed(0)} ms`,
    ...summary.failures.map(
      ({ id, method, path, outcome, detail }) =>
        `failed       ${method} ${path} (request ${id}): ${outcome}, ${detail}`,
    ),
  ].join('\n');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:8080' },
      rate: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '10' },
      idempotent: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const url = new URL(values.url);
  const load = startLoad({
    host: url.hostname,
    port: Number(url.port || 80),
    rate: Number(values.rate),
    idempotent: values.idempotent,
  });
  await new Promise<void>((resolve) => {
    setTimeout(resolve, Number(values.seconds) * 1000);
    process.once('SIGINT', resolve);
  });
  const summary = await load.stop();
  console.log(values.json ? JSON.stringify(summary) : describe(summary));
  process.exitCode = summary.failed === 0 ? 0 : 1;
}

if (import.meta.main) await main();
