// Follows one prefix in the v2 API: reads it, then waits for the next change after the index that it had,
// and reads it again, as nginx-upsync-module does. The registry remembers its last 1,000 changes, so that
// nothing is missed between the two; where it does not (EventIndexCleared), the next read tells anyway.
// Trouble changes nothing of what the watcher knows; it is told apart, by onHealth.

import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { KvEntry, Watch, WatchEvents } from '../../record-store.ts';
import { type Follower, Turns, WatchHealth } from '../transport.ts';
import type { V2Keys } from './keys.ts';

/** Until a wait has begun. */
const BEGIN_TIMEOUT_MS = 3_000;
/** Then the prefix is read anyway: a connection may be dead without a word. */
const WAIT_MS = 60_000;

export function watchFolder(options: {
  readonly keys: V2Keys;
  readonly log: Log;
  readonly prefix: string;
  readonly events: WatchEvents;
}): Watch {
  const watch = new FolderWatch(options);
  watch.run().catch((error: unknown) => {
    const { log, prefix } = options;
    log.error({ path: prefix, reason: messageOf(error) }, 'registry watch ended');
  });
  return watch;
}

class FolderWatch implements Watch, Follower {
  readonly key = '';
  trouble = '';
  readonly #keys: V2Keys;
  readonly #prefix: string;
  readonly #events: WatchEvents;
  readonly #health: WatchHealth;
  readonly #turns: Turns;
  #isWaiting = false;
  #told: readonly KvEntry[] | undefined;
  #index = 0;

  constructor(options: Parameters<typeof watchFolder>[0]) {
    this.#keys = options.keys;
    this.#prefix = options.prefix;
    this.#events = options.events;
    this.#health = new WatchHealth(options.keys.calls.endpoints, options);
    this.#turns = new Turns(options.keys.calls.endpoints, this.#health);
  }

  close(): void {
    this.#turns.close();
  }

  run(): Promise<void> {
    return this.#turns.run(this, async (signal) => {
      const reason = await this.#turn(signal);
      this.#isWaiting = false;
      return reason;
    });
  }

  known(): number {
    return 0;
  }

  onPulse(): void {
    // The v3 revision that it has says nothing of the keys of v2.
  }

  onMoved(): void {
    this.#turns.breakOff();
  }

  onAway(reason: string): void {
    if (!this.#turns.isClosed) this.#health.away(reason);
  }

  onThere(): void {
    if (this.#health.isAway && this.#isWaiting && this.trouble === '') this.#health.there();
  }

  /** One read and one wait. '': go on at once, else what is wrong. */
  async #turn(signal: AbortSignal): Promise<string> {
    try {
      const { index, entries } = await this.#keys.list(this.#prefix, signal);
      if (signal.aborted) return '';
      this.trouble = '';
      this.#isWaiting = true;
      this.#tell(index, entries);
      this.#health.there();
      const { calls } = this.#keys;
      const path = `${this.#keys.folderOf(this.#prefix)}?wait=true&recursive=true&waitIndex=${index + 1}`;
      let bytes = 0;
      const over = AbortSignal.any([signal, AbortSignal.timeout(WAIT_MS)]);
      const outcome = await calls.try(
        { method: 'GET', path },
        {
          address: calls.endpoints.current,
          timeoutMs: BEGIN_TIMEOUT_MS,
          signal: over,
          fresh: true,
          onData: (piece) => {
            bytes += piece.length;
          },
        },
      );
      if (over.aborted || outcome === 'login') return '';
      if ('reason' in outcome) return outcome.reason;
      // What an event says is not looked at: the next read says it, and what came after it.
      if (bytes === 0 && outcome.status === 200) return 'the wait ended without a change';
      this.#turns.succeeded();
      return '';
    } catch (error) {
      if (signal.aborted) return '';
      this.trouble = messageOf(error);
      return this.trouble;
    }
  }

  #tell(index: number, entries: readonly KvEntry[]): void {
    const told = this.#told;
    const isSame =
      told?.length === entries.length &&
      told.every(({ key, modifyIndex, value }, at) => {
        const now = entries[at];
        // A renewed lease raises the index and changes nothing.
        return (
          now?.key === key &&
          (now.modifyIndex === modifyIndex || Buffer.compare(now.value, value) === 0)
        );
      });
    this.#told = entries;
    this.#index = index;
    if (!isSame) this.#events.onState({ index: this.#index, entries });
  }
}
