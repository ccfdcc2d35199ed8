// What a watch has told of its registry: that it went away, once, and that it came back, once.

import type { Log } from '../../../base/log.ts';
import type { WatchEvents } from '../../record-store.ts';
import type { Endpoints } from './endpoints.ts';

export class WatchHealth {
  readonly #endpoints: Endpoints;
  readonly #log: Log;
  readonly #prefix: string;
  readonly #events: WatchEvents;
  /** Undefined before the first answer or failure. */
  #reachable: boolean | undefined;

  constructor(
    endpoints: Endpoints,
    options: { readonly log: Log; readonly prefix: string; readonly events: WatchEvents },
  ) {
    this.#endpoints = endpoints;
    this.#log = options.log;
    this.#prefix = options.prefix;
    this.#events = options.events;
  }

  /** True: it went away and nothing came since. */
  get isAway(): boolean {
    return this.#reachable === false;
  }

  away(reason: string): void {
    if (this.#reachable === false) return;
    this.#reachable = false;
    const path = this.#prefix;
    this.#log.warn({ path, reason }, 'registry is away, keeping the last known state');
    this.#tell(reason);
  }

  there(): void {
    if (this.#reachable === true) return;
    const { health } = this.#endpoints;
    if (this.isAway)
      this.#log.info({ path: this.#prefix, address: health.address }, 'registry is back');
    this.#reachable = true;
    this.#tell('');
  }

  /** Of this watch: while others of the client are still away, nothing would be told again. */
  #tell(trouble: string): void {
    const reachable = trouble === '';
    this.#events.onHealth?.({ ...this.#endpoints.health, reachable, trouble });
  }
}
