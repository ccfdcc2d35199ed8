// Follows one prefix by blocking queries: one is always open, so that a change arrives as soon as
// the registry has it. Trouble changes nothing: an error, garbage or a lost token leaves what the
// watcher knows untouched and is told apart, by onHealth.
//
// Index rules: at least 1; equal to the last = no news; lower than the last = the registry was
// restored, so the answer is dropped and the prefix is read again from the beginning.

import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { KvState, Watch, WatchEvents } from '../record-store.ts';
import { type KnownEntries, parseState } from './answer.ts';
import type { ConsulTransport } from './transport.ts';

/** A first read, which does not block. */
const READ_TIMEOUT_MS = 10_000;
/** What an answer may come later than the wait and its sixteenth. */
const GRACE_MS = 5_000;
/** A query without news that comes back faster than this did not block. */
const BLOCKED_MIN_MS = 500;
const NEWS_PAUSE_MAX_MS = 1_000;

export type WatchOptions = {
  readonly transport: ConsulTransport;
  readonly log: Log;
  /** The path of the prefix, with `?recurse`. */
  readonly path: string;
  readonly waitMs: number;
  readonly events: WatchEvents;
};

export function watchPrefix(options: WatchOptions): Watch {
  const watch = new ConsulWatch(options);
  watch.run().catch((error: unknown) => {
    options.log.error({ path: options.path, reason: messageOf(error) }, 'registry watch ended');
  });
  return watch;
}

class ConsulWatch implements Watch {
  readonly #options: WatchOptions;
  readonly #closing = new AbortController();
  readonly #known: KnownEntries = new Map();
  #failures = 0;
  /** What was told last: undefined before the first answer or failure. */
  #reachable: boolean | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  close(): void {
    this.#closing.abort();
  }

  async run(): Promise<void> {
    const { events } = this.#options;
    let index = 0;
    let restless = 0;
    while (!this.#closed()) {
      const startedMs = performance.now();
      const state = await this.#query(index);
      if (state === undefined) {
        // Whoever answers next may have other data under the same index: read it whole.
        index = 0;
        continue;
      }
      const answeredMs = performance.now();
      if (index > 0 && state.index < index) {
        this.#options.log.warn(
          { path: this.#options.path, index: state.index, expected: index },
          'registry index went back, reading anew',
        );
        index = 0;
        if (++restless > 1) await this.#pause(this.#backoffMs(restless));
      } else if (index > 0 && state.index === index) {
        restless = answeredMs - startedMs < BLOCKED_MIN_MS ? restless + 1 : 0;
        if (restless > 0) await this.#pause(this.#backoffMs(restless));
      } else {
        index = state.index;
        if (answeredMs - startedMs >= BLOCKED_MIN_MS) restless = 0;
        events.onState(state);
        // A large list that changes all the time takes at most half of our time.
        const spentMs = performance.now() - answeredMs;
        if (spentMs > 5) await this.#pause(Math.min(NEWS_PAUSE_MAX_MS, spentMs));
      }
    }
  }

  /** One query; undefined after a failure and the pause that follows it. */
  async #query(index: number): Promise<KvState | undefined> {
    const { transport, path, waitMs } = this.#options;
    const blocking = index === 0 ? '' : `&index=${index}&wait=${Math.ceil(waitMs)}ms`;
    const timeoutMs = index === 0 ? READ_TIMEOUT_MS : (waitMs * 17) / 16 + GRACE_MS;
    const request = { method: 'GET', path: path + blocking } as const;
    let reason: string;
    try {
      const outcome = await transport.try(request, timeoutMs, this.#closing.signal);
      if (!('reason' in outcome)) {
        const state = parseState(outcome, this.#known);
        this.#failures = 0;
        if (!this.#closed()) this.#tell(true, '');
        return state;
      }
      reason = outcome.reason;
    } catch (error) {
      reason = messageOf(error);
    }
    if (this.#closed()) return undefined;
    this.#failures++;
    if (this.#failures >= transport.round) {
      transport.failed(reason);
      this.#tell(false, reason);
    }
    await this.#pause(transport.pauseMs(this.#failures));
    return undefined;
  }

  #tell(reachable: boolean, reason: string): void {
    if (this.#reachable === reachable) return;
    const { log, path, transport, events } = this.#options;
    if (!reachable) log.warn({ path, reason }, 'registry is away, keeping the last known state');
    else if (this.#reachable === false) {
      log.info({ path, address: transport.health.address }, 'registry is back');
    }
    this.#reachable = reachable;
    events.onHealth?.(transport.health);
  }

  #backoffMs(times: number): number {
    const { transport } = this.#options;
    return transport.pauseMs(times * transport.round);
  }

  async #pause(ms: number): Promise<void> {
    if (ms <= 0) return;
    await delay(ms, undefined, { signal: this.#closing.signal }).catch(() => {
      // Closed meanwhile.
    });
  }

  #closed(): boolean {
    return this.#closing.signal.aborted || this.#options.transport.closing.aborted;
  }
}
