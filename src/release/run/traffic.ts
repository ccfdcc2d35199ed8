// The receipt of a release: opened before the first step, read every second for the live display,
// and once more at the end. A gateway that was restarted in between has forgotten it: then the
// release has the last one that was seen, which says since when it is not complete.

import { formatClock } from '../../base/duration.ts';
import { isSluiceError, messageOf } from '../../base/errors.ts';
import { notHeard } from '../../base/scope.ts';
import { isServing, type Receipt, type ReleaseControl } from '../control.ts';
import type { ReleaseReceipt } from '../events.ts';
import { NOTHING, plus, type Tally, tallyOf } from '../verdict.ts';
import { pause } from '../wait.ts';
import { type Release, troubleOf } from './release.ts';

const LOOK_EVERY_MS = 1000;

export class TrafficWatch {
  readonly #release: Release;
  readonly #over = new AbortController();
  readonly #control: ReleaseControl;
  #receipt: Receipt;
  #readAtMs = Date.now();
  readonly #marking = new Map<string, Promise<void>>();
  readonly #marks = new Map<string, Tally>();
  #watching: Promise<void>;

  private constructor(release: Release, receipt: Receipt) {
    this.#release = release;
    // Not the one that asks again: this is for display, and the next look is a second away.
    this.#control = release.options.control;
    this.#receipt = receipt;
    this.#watching = this.#watch();
  }

  /** Null when no receipt could be opened; a note says why. */
  static async open(release: Release): Promise<TrafficWatch | null> {
    let receipt: Receipt | null = null;
    const trouble = await troubleOf(async () => {
      receipt = await release.control.openReceipt(release.service.upstream);
    });
    if (receipt !== null) return new TrafficWatch(release, receipt);
    release.emit({ type: 'note', instance: '', text: `no receipt: ${trouble}` });
    return null;
  }

  get id(): string {
    return this.#receipt.id;
  }

  /** The receipt as of now, or the last one where it cannot be had. */
  async lookNow(): Promise<Receipt> {
    await troubleOf(() => this.#read());
    return this.#receipt;
  }

  /**
   * The new version is there, and the server takes no requests yet: what it was counted with until now is
   * the old version's.
   */
  mark(instance: string): void {
    const mark = async (): Promise<void> => {
      this.#marks.set(instance, tallyOn(await this.lookNow(), instance));
    };
    this.#marking.set(instance, mark());
  }

  /** Its mark is made when it resolves. */
  async marked(instance: string): Promise<Tally | undefined> {
    await this.#marking.get(instance);
    return this.#marks.get(instance);
  }

  /** By instance: what it was counted with until the new version was there. */
  get marks(): ReadonlyMap<string, Tally> {
    return this.#marks;
  }

  /** What the old version was counted with: on those that were marked, and on those that still have it. */
  oldVersion(receipt: Receipt, still: readonly string[]): Tally {
    const has = still.map((id) => tallyOn(receipt, id));
    return [...this.#marks.values(), ...has].reduce(plus, NOTHING);
  }

  /** The last receipt. */
  async close(): Promise<ReleaseReceipt> {
    this.#over.abort();
    await this.#watching;
    const missing = await this.#readLast();
    if (missing === '') await troubleOf(() => this.#show());
    else this.#release.emit({ type: 'note', instance: '', text: `receipt: ${missing}` });
    const { complete, scope } = this.#receipt;
    if (missing !== '') return { ...this.#receipt, complete: false, missing };
    return { ...this.#receipt, missing: complete ? '' : notHeard(scope) };
  }

  /** Why it is not complete, or ''. */
  async #readLast(): Promise<string> {
    const since = `nothing is counted after ${formatClock(this.#readAtMs)}`;
    try {
      await this.#read();
      return '';
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      // Its id is unknown: the process that counted is gone.
      if (error.code === 'not_found') return `the gateway restarted, ${since}`;
      return `${messageOf(error)}; ${since}`;
    }
  }

  async #watch(): Promise<void> {
    const { signal } = this.#over;
    for (;;) {
      await pause(LOOK_EVERY_MS, signal);
      if (signal.aborted) return;
      // A failure here is not told: the last look, in close(), tells it.
      await troubleOf(async () => {
        await this.#read();
        await this.#show();
      });
    }
  }

  async #read(): Promise<void> {
    this.#receipt = await this.#control.readReceipt(this.#receipt.id);
    this.#readAtMs = Date.now();
  }

  async #show(): Promise<void> {
    const servers = (await this.#release.serversNow()) ?? [];
    const { requests, retried, lost, tunnels, scope } = this.#receipt;
    // The display has one number; the last block tells them apart.
    const cut = this.#receipt.cut + tunnels.cut;
    const eligible = servers.filter(isServing).length;
    const counts = { requests, retried, cut, lost, scope };
    this.#release.emit({ type: 'traffic', eligible, servers: servers.length, ...counts });
  }
}

function tallyOn({ servers }: Receipt, id: string): Tally {
  const server = servers.find((candidate) => candidate.id === id);
  return server === undefined ? NOTHING : tallyOf(server);
}
