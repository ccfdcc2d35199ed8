// What was opened, to be closed in the opposite order: at the end, or when a start fails half-way.

import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

export class Teardown {
  readonly #log: Log;
  readonly #closers: (() => void | Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  add(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  /** Closes everything, once; a failure is logged and keeps nothing else open. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        this.#log.error({ error: messageOf(error) }, 'closing failed');
      }
    }
  }
}
