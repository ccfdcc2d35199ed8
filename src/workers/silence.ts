// Workers that give no sign of life. Each is named once; after a while one that is busy with itself (it loops) is
// to be ended, and one that stands still (stopped, or it waits for a disk) is to be replaced, for it may go on and
// finish what it has. Time in which this process itself stood still (SIGSTOP, a paused machine) does not count.
//
// | silent for | it loops | it stands still | it starts |
// |---|---|---|---|
// | 5 s  | named | named | named |
// | 10 s | ended | another takes its place | - |
// | 60 s | - | ended | ended |

import { readFileSync } from 'node:fs';
import type { Log } from '../base/log.ts';

/** A worker that gives no sign of life for this long is named, ms. */
const SILENT_MS = 5000;
/** For this long it is judged by what it does, ms. */
const HANGS_MS = 10_000;
/** For this long it is given up whatever it does, ms. */
const GIVEN_UP_MS = 60_000;
export const SILENCE_LOOK_MS = SILENT_MS / 5;
/** Part of the time since it was named that a looping worker has had a processor: on a busy machine not all. */
const LOOPING_PART = 0.5;
/** The unit of times in /proc, on every Linux that Node runs on. */
const MS_PER_TICK = 10;

export type SilentLink = {
  readonly id: number;
  readonly pid: number;
  readonly heardMs: number;
  /** False: another version, which tells us nothing. */
  readonly isOurs: boolean;
  /** A worker that starts says nothing for a while, and has a processor. */
  readonly hasStarted: boolean;
};

export type SilenceOptions<Link extends SilentLink> = {
  readonly log: Log;
  /** Processor time of a process so far, ms; undefined: this system does not say. */
  readonly processorMs?: (pid: number) => number | undefined;
  /** Another is to take its place; it may go on later. */
  readonly onStill: (link: Link) => void;
  /** It is to be ended. */
  readonly onHung: (link: Link) => void;
};

type Named = {
  /** Since then it is judged by what it does. */
  sinceMs: number;
  processorMs: number | undefined;
  isStill: boolean;
};

export class SilenceWatch<Link extends SilentLink> {
  readonly #options: SilenceOptions<Link>;
  readonly #named = new Map<Link, Named>();
  readonly #processorMs: (pid: number) => number | undefined;
  #lookedMs: number;
  /** When this process could begin to hear the workers. */
  #awakeMs: number;

  constructor(options: SilenceOptions<Link>, nowMs: number) {
    this.#options = options;
    this.#processorMs = options.processorMs ?? processorMsOf;
    this.#lookedMs = nowMs;
    this.#awakeMs = nowMs;
  }

  /** Every SILENCE_LOOK_MS. `nowMs` is monotonic. */
  look(links: Iterable<Link>, nowMs: number): void {
    if (nowMs - this.#lookedMs > 2 * SILENCE_LOOK_MS) this.#awake(nowMs);
    this.#lookedMs = nowMs;
    const { log } = this.#options;
    for (const link of links) {
      if (!link.isOurs) continue;
      const silentMs = Math.round(nowMs - link.heardMs);
      const fields = { worker: link.id, pid: link.pid, silentMs };
      const countsMs = nowMs - Math.max(link.heardMs, this.#awakeMs);
      const named = this.#named.get(link);
      if (named !== undefined && countsMs >= SILENT_MS) {
        this.#judge(link, named, { nowMs, countsMs, fields });
      } else if (countsMs >= SILENT_MS) {
        this.#named.set(link, { ...this.#mark(link, nowMs), isStill: false });
        log.warn(fields, 'worker does not answer; drains wait for it');
      } else if (link.heardMs >= this.#awakeMs && this.#named.delete(link)) {
        log.info(fields, 'worker answers again');
      }
    }
  }

  /** The worker has ended. */
  forget(link: Link): void {
    this.#named.delete(link);
  }

  #judge(
    link: Link,
    named: Named,
    {
      nowMs,
      countsMs,
      fields,
    }: {
      readonly nowMs: number;
      readonly countsMs: number;
      readonly fields: Record<string, number>;
    },
  ): void {
    const { log, onStill, onHung } = this.#options;
    if (countsMs < HANGS_MS) return;
    const isGivenUp = countsMs >= GIVEN_UP_MS;
    const usedMs = (this.#processorMs(link.pid) ?? 0) - (named.processorMs ?? 0);
    const isLooping = link.hasStarted && usedMs >= (nowMs - named.sinceMs) * LOOPING_PART;
    if (isGivenUp || isLooping) {
      log.error({ ...fields, processorMs: usedMs }, 'worker hangs: it is ended');
      onHung(link);
    } else if (link.hasStarted && !named.isStill) {
      named.isStill = true;
      log.warn(fields, 'worker stands still: another takes its place');
      onStill(link);
    }
  }

  #mark(link: Link, nowMs: number): Pick<Named, 'sinceMs' | 'processorMs'> {
    return { sinceMs: nowMs, processorMs: this.#processorMs(link.pid) };
  }

  /** What was before says nothing about a worker. */
  #awake(nowMs: number): void {
    this.#awakeMs = nowMs;
    for (const [link, named] of this.#named) Object.assign(named, this.#mark(link, nowMs));
  }
}

function processorMsOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may have spaces; user and system time are the 12th and 13th field after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    return Number.isFinite(ticks) ? ticks * MS_PER_TICK : undefined;
  } catch {
    // Another system, or it has just ended.
    return undefined;
  }
}
