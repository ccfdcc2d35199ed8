// Servers whose records say that an intent took them out, while nobody knows of such an intent: the record
// outlived it, as when records of gateways were lost or put back just as a drain ended. Without an owner
// nobody would take them back, and each guard counts them as out. So they are looked for now and then, and
// mended where the newest intents agree; the write compares both records with what was read.

import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Intents } from '../../gateways.ts';
import { type KnownUpstream, writtenId } from '../table.ts';

/** A record is seen before the intent that was written with it, or after, ms. */
const LOOK_AFTER_MS = 2000;
/** What was not mended is looked at again after this long, ms. */
const AGAIN_MS = 30_000;

export type LeftDownOptions = {
  readonly upstreams: () => readonly KnownUpstream[];
  /** Undefined while the registry is away. */
  readonly intents: () => Pick<Intents, 'takeBack'> | undefined;
  readonly log: Log;
};

export class LeftDown {
  readonly #options: LeftDownOptions;
  /** By upstream and server. */
  readonly #notBefore = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LeftDownOptions) {
    this.#options = options;
  }

  /** The table has changed. */
  note(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#look();
    }, LOOK_AFTER_MS).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const { upstreams, log } = this.#options;
    const nowMs = performance.now();
    for (const [key, untilMs] of this.#notBefore) if (untilMs <= nowMs) this.#notBefore.delete(key);
    for (const { config, members } of upstreams()) {
      const upstream = config.name;
      const left = [...members.values()].filter(({ isLeftDown }) => isLeftDown === true);
      for (const server of new Set(left.map(({ state }) => writtenId(state)))) {
        const key = `${upstream} ${server}`;
        const intents = this.#options.intents();
        if (intents === undefined || this.#notBefore.has(key)) continue;
        this.#notBefore.set(key, nowMs + AGAIN_MS);
        try {
          const isMended = await intents.takeBack(upstream, server);
          if (isMended) log.warn({ upstream, server }, 'server given back, its drain had ended');
        } catch (error) {
          const fields = { upstream, server, reason: messageOf(error) };
          log.warn(
            fields,
            'server is down in its record without an intent, and was not given back',
          );
        }
      }
    }
  }
}
