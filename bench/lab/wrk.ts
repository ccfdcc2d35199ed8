// wrk, run once: how many requests it got answered, how many were not 2xx, and its latencies.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output } from '../../demo/stack.ts';

export type WrkResult = {
  readonly requests: number;
  readonly seconds: number;
  /** Answers other than 2xx and 3xx, and socket errors. */
  readonly errors: number;
  /** Latency, ms. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
};

export type WrkOptions = {
  readonly wrk: string;
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** What is asked for, in wrk's Lua; '' = GET of the url with wrk's own head. */
  readonly requests: string;
  /** For the request script. */
  readonly folder: string;
  /** The core to run on, when the machine has more than one. */
  readonly prefix: readonly string[];
};

export async function runWrk(options: WrkOptions): Promise<WrkResult> {
  const script = join(options.folder, 'wrk.lua');
  // The summary as one line of numbers: wrk's own text is rounded and meant for people.
  const done =
    'function done(summary, latency, requests)\n' +
    '  local e = summary.errors\n' +
    '  print("RESULT", summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,\n' +
    '    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max)\nend\n';
  await writeFile(script, options.requests + done);
  const [command = 'wrk', ...argv] = [
    ...options.prefix,
    options.wrk,
    ...['-t1', `-c${options.connections}`, `-d${options.seconds}s`, '--timeout', '10s'],
    ...['-s', script, options.url],
  ];
  const text = await output(command, argv);
  const line = text.split('\n').find((candidate) => candidate.startsWith('RESULT'));
  const [requests = 0, micros = 0, errors = 0, ...latencies] = (line ?? '')
    .split('\t')
    .slice(1)
    .map(Number);
  const [p50 = 0, p99 = 0, p999 = 0, max = 0] = latencies.map((value) => value / 1000);
  return { requests, seconds: micros / 1e6, errors, p50, p99, p999, max };
}
