// The demo's traffic and its witness: every result of the load is kept, so that each act can say
// what happened in it and the end can name every failure.

import { type Load, monotonicMs, type Result, type Summary, startLoad } from '../load.ts';
import { fact, line } from './screen.ts';

/** A process that was killed on purpose, and when. */
export type Kill = { readonly server: string; readonly pid: number; readonly atMs: number };

/**
 * Until the gateway has seen its connections to the dead process end, it may send a request into one
 * of them. It cannot know then whether the process has worked on it.
 */
const UNSEEN_MS = 250;

export class Traffic {
  readonly results: Result[] = [];
  readonly kills: Kill[] = [];
  #load: Load;

  constructor(port: number, rate: number) {
    this.#load = startLoad({
      host: '127.0.0.1',
      port,
      rate,
      onResult: (result) => this.results.push(result),
    });
  }

  stop(): Promise<Summary> {
    return this.#load.stop();
  }

  /** Prints what ended since a moment, and who answered it. */
  tell(fromMs: number): void {
    const ended = this.results.filter((result) => result.endedMs >= fromMs);
    const ok = ended.filter(({ outcome }) => outcome === 'ok').length;
    const seconds = ((monotonicMs() - fromMs) / 1000).toFixed(1);
    fact(`${seconds} s: ${ended.length} requests, ${ok} ok, ${ended.length - ok} failed`);
    for (const [server, count] of counts(ended)) line(`       ${server}  ${count}`);
  }

  /** Arrivals at a server since a moment, ms after it, in order. */
  arrivals(server: string, fromMs: number): number[] {
    return this.results
      .filter((result) => result.server === server && result.arrivedMs >= fromMs)
      .map((result) => result.arrivedMs - fromMs)
      .toSorted((left, right) => left - right);
  }

  failures(): Result[] {
    return this.results.filter(({ outcome }) => outcome !== 'ok');
  }
}

/**
 * The kill that explains a failure: a request that must not be sent twice was inside the process
 * when it was killed, or on its way. Undefined for every other failure: those are losses.
 */
export function excuse(failure: Result, kills: readonly Kill[]): Kill | undefined {
  if (failure.idempotent) return undefined;
  return kills.find(
    ({ atMs, server }) =>
      failure.startedMs <= atMs + UNSEEN_MS &&
      failure.endedMs >= atMs &&
      (failure.server === '' || failure.server === server),
  );
}

function counts(results: readonly Result[]): [string, number][] {
  const found = new Map<string, number>();
  for (const { server, version } of results.filter((result) => result.server !== '')) {
    const name = `${server} ${version}`;
    found.set(name, (found.get(name) ?? 0) + 1);
  }
  return [...found].toSorted(([left], [right]) => left.localeCompare(right));
}
