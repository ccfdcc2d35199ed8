// The gap tracker behind a receipt's "longest gap": the longest stretch in which at least one
// exchange waited and none got a response. Idle time is no gap, nor is a client that takes its time
// with its request, a response that is long under way, or an open tunnel. A failed exchange does not end the
// stretch (that is what it measures), unless nobody waits any more.
//
// | ms | event            | stretch                                   |
// |----|------------------|-------------------------------------------|
// |  0 | A begins         | starts at 0                               |
// | 10 | B begins         | goes on                                   |
// | 30 | A is answered    | 30 ms recorded; B waits: restarts at 30   |
// | 90 | B is lost        | 60 ms recorded; nobody waits: no stretch  |

/** Watchers at a time. The oldest is closed to open another. A release opens one, so there are few. */
const WATCHERS_MAX = 256;

type Watcher = { readonly id: string; readonly openedMs: number; longestMs: number };

export class GapTracker {
  readonly #watchers: Watcher[] = [];
  /** When the current stretch began; NaN = nobody waits. */
  #sinceMs = Number.NaN;

  open(id: string, nowMs: number): void {
    this.close(id);
    if (this.#watchers.length >= WATCHERS_MAX) this.#watchers.shift();
    this.#watchers.push({ id, openedMs: nowMs, longestMs: 0 });
  }

  /** The longest gap since `open`, the current one included, ms; 0 for an unknown id. */
  read(id: string, nowMs: number): number {
    const watcher = this.#watchers.find((entry) => entry.id === id);
    if (watcher === undefined) return 0;
    return Math.max(watcher.longestMs, this.#stretch(watcher, nowMs));
  }

  close(id: string): void {
    const index = this.#watchers.findIndex((entry) => entry.id === id);
    if (index >= 0) this.#watchers.splice(index, 1);
  }

  /** One more exchange waits; `waiting` counts it. */
  began(waiting: number, nowMs: number): void {
    if (waiting === 1) this.#sinceMs = nowMs;
  }

  /** One exchange ended; `waiting` no longer counts it. */
  ended(answered: boolean, waiting: number, nowMs: number): void {
    if (!answered && waiting > 0) return;
    for (const watcher of this.#watchers) {
      watcher.longestMs = Math.max(watcher.longestMs, this.#stretch(watcher, nowMs));
    }
    this.#sinceMs = waiting > 0 ? nowMs : Number.NaN;
  }

  /** How long the current stretch has lasted, but no longer than the watcher is open. */
  #stretch(watcher: Watcher, nowMs: number): number {
    if (Number.isNaN(this.#sinceMs)) return 0;
    return Math.max(0, nowMs - Math.max(this.#sinceMs, watcher.openedMs));
  }
}
