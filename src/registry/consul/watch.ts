// Follows one prefix by blocking queries: one is always open, so that a change arrives as soon as
// the registry has it. Trouble changes nothing: an error, garbage or a lost token leaves what the
// watcher knows untouched and is told apart, by onHealth. Whether a query that says nothing still waits
// for somebody is liveness.ts's matter: it cuts those that do not.
//
// Index rules: at least 1; equal to the last = no news; lower than the last = the registry was
// restored or this agent is behind. Such an answer is dropped and the prefix is read whole, from a
// leader that has asked its followers; if that is older as well, and no other address has what we
// know, it counts.

import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { type Address, formatAddress } from '../../base/units.ts';
import type { KvState, Watch, WatchEvents } from '../record-store.ts';
import { type KnownEntries, parseState } from './answer.ts';
import { hiddenReason } from './hidden.ts';
import { isFailure, isSignOfLife } from './judge.ts';
import type { Liveness, ParkedQuery } from './liveness.ts';
import { type ConsulTransport, SILENCE_MS, type TryOptions } from './transport.ts';

/** A first read, which does not block. */
const READ_TIMEOUT_MS = 10_000;
/** What an answer may come later than the wait and its sixteenth. */
const GRACE_MS = 5_000;
/** A query without news that comes back faster than this did not block. */
const BLOCKED_MIN_MS = 500;
const NEWS_PAUSE_MAX_MS = 1_000;

export type WatchOptions = {
  readonly transport: ConsulTransport;
  readonly liveness: Liveness;
  readonly log: Log;
  readonly prefix: string;
  /** The path of the prefix, without parameters. */
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
  #told: KvState = { index: 0, entries: [] };
  #askedAt: Address | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  close(): void {
    this.#closing.abort();
    this.#options.transport.note(this, '');
  }

  async run(): Promise<void> {
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
        this.#wentBack(state.index, index);
        index = 0;
        if (++restless > 1) await this.#pause(this.#backoffMs(restless));
      } else if (index > 0 && state.index === index) {
        restless = answeredMs - startedMs < BLOCKED_MIN_MS ? restless + 1 : 0;
        if (restless > 0) await this.#pause(this.#backoffMs(restless));
      } else if (state.index < this.#told.index && (await this.#isOutdone())) {
        index = 0;
        await this.#pause(this.#backoffMs(++restless));
      } else {
        index = state.index;
        if (answeredMs - startedMs >= BLOCKED_MIN_MS) restless = 0;
        if (this.#closed()) return;
        this.#told = state;
        this.#options.events.onState(state);
        // A large list that changes all the time takes at most half of our time.
        const spentMs = performance.now() - answeredMs;
        if (spentMs > 5) await this.#pause(Math.min(NEWS_PAUSE_MAX_MS, spentMs));
      }
    }
  }

  /** One query; undefined when it was cut, and after a failure and the pause that follows it. */
  async #query(index: number): Promise<KvState | undefined> {
    const { transport, path, waitMs } = this.#options;
    const blocking = index === 0 ? '&consistent' : `&index=${index}&wait=${Math.ceil(waitMs)}ms`;
    const timeoutMs = index === 0 ? READ_TIMEOUT_MS : (waitMs * 17) / 16 + GRACE_MS;
    const request = { method: 'GET', path: `${path}?recurse${blocking}` } as const;
    let reason: string;
    let isCut = false;
    try {
      const outcome = await this.#parked(index, (options) => {
        options.signal.addEventListener('abort', () => {
          isCut = true;
        });
        return transport.try(request, { ...options, timeoutMs });
      });
      if (!isFailure(outcome)) {
        const state = parseState(outcome, this.#known);
        const hidden = await this.#hidden(state);
        if (hidden === '') {
          this.#failures = 0;
          if (!this.#closed()) this.#tell('');
          return state;
        }
        reason = hidden;
      } else {
        reason = outcome.reason;
      }
    } catch (error) {
      reason = messageOf(error);
    }
    if (this.#closed() || isCut) return undefined;
    transport.avoid(this.#askedAt);
    this.#failures++;
    if (this.#failures >= transport.round) this.#tell(reason);
    await this.#pause(transport.pauseMs(this.#failures));
    return undefined;
  }

  /** Runs a query at the address in use, while liveness.ts looks after it. */
  async #parked<Outcome>(
    index: number,
    run: (options: Omit<TryOptions, 'timeoutMs'>) => Promise<Outcome>,
  ): Promise<Outcome> {
    const { transport, liveness, path } = this.#options;
    const { address, access } = transport;
    this.#askedAt = address;
    const cut = new AbortController();
    let isArriving = false;
    const query: ParkedQuery = {
      address,
      access,
      index,
      isEmpty: this.#told.entries.length === 0,
      keyPath: path,
      keysPath: `${path}?keys&separator=/`,
      isArriving: () => isArriving,
      cut: () => cut.abort(),
      onSilence: (reason) => this.#tell(reason),
    };
    const onHead = (): void => {
      isArriving = true;
    };
    liveness.park(query);
    try {
      const signal = AbortSignal.any([this.#closing.signal, transport.closing, cut.signal]);
      return await run({ address, signal, onHead });
    } finally {
      liveness.unpark(query);
    }
  }

  /** Why an empty list is none: the registry hides what the token may not read. */
  async #hidden({ entries }: KvState): Promise<string> {
    const { transport, prefix, path } = this.#options;
    if (entries.length > 0) return '';
    const signal = AbortSignal.any([this.#closing.signal, transport.closing]);
    return hiddenReason(transport, { prefix, path, signal });
  }

  /** True: another address knows what we know, so that whoever answered last is behind. */
  async #isOutdone(): Promise<boolean> {
    const { transport, path, log } = this.#options;
    const { index } = this.#told;
    const others = transport.addresses.filter((address) => address !== this.#askedAt);
    const signal = AbortSignal.any([this.#closing.signal, transport.closing]);
    const replies = await Promise.all(
      others.map(async (address) => {
        const options = { address, timeoutMs: SILENCE_MS, signal };
        const reply = await transport.ask(`${path}?keys&separator=/&consistent`, options);
        const isAlive = !isFailure(reply) && isSignOfLife(reply);
        return { address, index: isAlive ? (reply.index ?? 0) : 0 };
      }),
    );
    const newer = replies.find((reply) => reply.index >= index);
    if (newer === undefined) return false;
    const fields = { path, address: this.#at(), now: formatAddress(newer.address), index };
    log.warn(fields, 'registry address is behind, another is asked');
    transport.prefer(newer.address);
    return true;
  }

  #wentBack(index: number, expected: number): void {
    const { log, path } = this.#options;
    const fields = { path, address: this.#at(), index, expected };
    log.warn(fields, 'registry index went back, reading anew');
  }

  #at(): string {
    return this.#askedAt === undefined ? '' : formatAddress(this.#askedAt);
  }

  /** `reason` is '' when all is well. */
  #tell(reason: string): void {
    const { log, path, transport, events } = this.#options;
    const reachable = reason === '';
    transport.note(this, reason);
    if (this.#reachable === reachable) return;
    if (!reachable) log.warn({ path, reason }, 'registry is away, keeping the last known state');
    else if (this.#reachable === false) {
      log.info({ path, address: transport.health.address }, 'registry is back');
    }
    this.#reachable = reachable;
    // Of this prefix: while other watches of the client are still away, nothing would be told again.
    events.onHealth?.({ ...transport.health, reachable, trouble: reason });
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
