// Claim: after `PUT down=1` on a server's record, the last request reaches that server within 10 ms
// (p99 of 100 changes, embedded registry, under load).
//
// The clock is the machine's monotonic one: the app stamps each request on arrival, and the time is
// counted from just before the PUT is sent. What arrived before counts as 0. No request is left
// out: everything that reaches the server until its `down=0` counts.
//
//   node bench/change-latency.ts [--changes 100] [--rate 800]

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { monotonicMs, percentile, startLoad } from '../demo/load.ts';
import { appConfig, Cleanup, Stack, startApp, temporaryFolder } from '../demo/stack.ts';
import { freePorts } from '../test/support/base/ports.ts';

import { table } from './lab.ts';

type Change = {
  readonly server: string;
  readonly downMs: number;
  readonly upMs: number;
  readonly endMs: number;
  /** How long the PUT itself took. */
  readonly putMs: number;
};

export type ChangeOptions = { readonly changes: number; readonly rate: number };

const DEFAULTS: ChangeOptions = { changes: 100, rate: 800 };
const OUT_MS = 150;
const IN_MS = 100;

export async function run(options: ChangeOptions = DEFAULTS): Promise<string> {
  const cleanup = new Cleanup();
  try {
    const instances = await freePorts(2);
    for (const port of instances) await startApp(port, cleanup);
    const stack = await Stack.start({
      cleanup,
      folder: await temporaryFolder('change', cleanup),
      config: (ports) => appConfig({ ports, instances }),
    });
    const servers = instances.map((port) => `127.0.0.1:${port}`);
    for (const server of servers) await stack.put(`upstreams/app/${server}`, '{"weight":1}');
    await stack.eligible('app', servers.length);

    const arrivals = new Map<string, number[]>(servers.map((server) => [server, []]));
    const load = startLoad({
      host: '127.0.0.1',
      port: stack.ports.gateway,
      rate: options.rate,
      shares: { get: 1 },
      onResult: ({ server, arrivedMs }) => arrivals.get(server)?.push(arrivedMs),
    });
    await sleep(1000);
    const changes: Change[] = [];
    for (let at = 0; at < options.changes; at += 1) {
      changes.push(await takeOutAndBack(stack, servers[at % servers.length] ?? ''));
    }
    const summary = await load.stop();
    return report(changes, arrivals, options, summary.failed, summary.requests);
  } finally {
    await cleanup.run();
  }
}

async function takeOutAndBack(stack: Stack, server: string): Promise<Change> {
  const downMs = monotonicMs();
  await stack.put(`upstreams/app/${server}`, '{"weight":1, "down":1}');
  const putMs = monotonicMs() - downMs;
  await sleep(OUT_MS);
  const upMs = monotonicMs();
  await stack.put(`upstreams/app/${server}`, '{"weight":1, "down":0}');
  await sleep(IN_MS);
  return { server, downMs, upMs, endMs: monotonicMs(), putMs };
}

function report(
  changes: readonly Change[],
  arrivals: ReadonlyMap<string, readonly number[]>,
  options: ChangeOptions,
  failed: number,
  requests: number,
): string {
  const within = (server: string, fromMs: number, toMs: number): number[] =>
    (arrivals.get(server) ?? []).filter((arrived) => arrived >= fromMs && arrived < toMs);
  const out = changes.map(({ server, downMs, upMs }) =>
    Math.max(0, ...within(server, downMs, upMs).map((arrived) => arrived - downMs)),
  );
  // Without the disk: a write that waits for a slow fsync is not known to anybody yet.
  const outAfterAnswer = changes.map(({ putMs }, at) => Math.max(0, (out[at] ?? 0) - putMs));
  // A server that got nothing at all counts as the whole time, not as nothing.
  const back = changes.map(({ server, upMs, endMs }) =>
    Math.min(endMs - upMs, ...within(server, upMs, endMs).map((arrived) => arrived - upMs)),
  );
  const row = (title: string, values: readonly number[]): string[] => {
    const sorted = values.toSorted((left, right) => left - right);
    return [title, ...[0.5, 0.9, 0.99, 1].map((share) => percentile(sorted, share).toFixed(1))];
  };
  const rows = [
    row('PUT `down=1` → last request on that server', out),
    row('the answer to that PUT → last request', outAfterAnswer),
    row('PUT `down=0` → first request on that server', back),
    row(
      'the PUT alone (durable write, answered)',
      changes.map(({ putMs }) => putMs),
    ),
  ];
  return [
    `${changes.length} changes under ${options.rate} requests/s on two servers (one worker, embedded ` +
      'registry), ms, counted from just before the PUT is sent to the arrival at the server process. ' +
      `Two requests of one server are ${(2000 / options.rate).toFixed(1)} ms apart.`,
    table([['', 'p50', 'p90', 'p99', 'max'], ...rows]),
    `Requests: ${requests}, failed: ${failed}.`,
  ].join('\n\n');
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      changes: { type: 'string', default: String(DEFAULTS.changes) },
      rate: { type: 'string', default: String(DEFAULTS.rate) },
    },
  });
  console.log(await run({ changes: Number(values.changes), rate: Number(values.rate) }));
}
