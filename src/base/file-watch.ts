// Tells when a file may have changed. The folder is watched, not the file, because editors and programs
// put a new file in the place of the old one; and every two seconds is a look anyway, for what no watch
// tells of: the target of a link, a folder that comes later or is replaced, a network file system.

import { type FSWatcher, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';

/** After a change the next look waits that long, ms: what belongs together comes together. */
const SETTLE_MS = 100;
const LOOK_EVERY_MS = 2000;

export class FileWatch {
  readonly #folder: string;
  readonly #onLook: () => void;
  #watcher: FSWatcher | undefined;
  /** The folder that is watched; another may have taken its name. */
  #watched = 0n;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #isClosed = false;

  /** `onLook` is called at once, and then whenever it is time to look. */
  constructor(path: string, onLook: () => void) {
    this.#folder = dirname(path);
    this.#onLook = onLook;
    this.#schedule(0);
  }

  /** The look found the file half written. */
  lookSoon(): void {
    this.#schedule(SETTLE_MS);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  /** The earliest time counts: a busy folder does not put the look off. */
  #schedule(afterMs: number): void {
    const dueMs = performance.now() + afterMs;
    if (this.#isClosed || dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#watchFolder();
      this.#schedule(LOOK_EVERY_MS);
      this.#onLook();
    }, afterMs);
  }

  #watchFolder(): void {
    try {
      const { ino } = statSync(this.#folder, { bigint: true });
      if (this.#watcher !== undefined && ino === this.#watched) return;
      this.#watcher?.close();
      this.#watcher = undefined;
      const watcher = watch(this.#folder, () => this.lookSoon());
      watcher.on('error', () => {
        watcher.close();
        if (this.#watcher === watcher) this.#watcher = undefined;
      });
      this.#watcher = watcher;
      this.#watched = ino;
    } catch {
      // No folder, or no watch to be had (a limit of the system): the regular look remains.
    }
  }
}
