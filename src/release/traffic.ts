// The receipt of a release: opened before the first step, read every second for the live display,
// and once more at the end. A gateway that was restarted in between has forgotten it: then the
// release has the last one that was seen, and says so.

import { isServing, type Receipt, type ReleaseControl } from './control.ts';
import { type Session, troubleOf } from './session.ts';
import { pause } from './wait.ts';

const LOOK_EVERY_MS = 1000;

export class TrafficWatch {
  readonly #session: Session;
  readonly #over = new AbortController();
  readonly #control: ReleaseControl;
  #receipt: Receipt;
  #watching: Promise<void>;

  private constructor(session: Session, receipt: Receipt) {
    this.#session = session;
    // Not the patient one: this is for the eyes, and the next look is a second away.
    this.#control = session.options.control;
    this.#receipt = receipt;
    this.#watching = this.#watch();
  }

  /** Null when no receipt could be opened; a note says why. */
  static async open(session: Session): Promise<TrafficWatch | null> {
    let receipt: Receipt | null = null;
    const trouble = await troubleOf(async () => {
      receipt = await session.control.openReceipt(session.service.upstream);
    });
    if (receipt !== null) return new TrafficWatch(session, receipt);
    session.emit({ type: 'note', instance: '', text: `no receipt: ${trouble}` });
    return null;
  }

  /** The last receipt. */
  async close(): Promise<Receipt> {
    this.#over.abort();
    await this.#watching;
    const trouble = await troubleOf(() => this.#look());
    if (trouble !== '') {
      const text = `the receipt ends before the release does: ${trouble}`;
      this.#session.emit({ type: 'note', instance: '', text });
    }
    return this.#receipt;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#over;
    for (;;) {
      await pause(LOOK_EVERY_MS, signal);
      if (signal.aborted) return;
      // A failure now is no news: the last look, in close(), says it.
      await troubleOf(() => this.#look());
    }
  }

  async #look(): Promise<void> {
    this.#receipt = await this.#control.readReceipt(this.#receipt.id);
    const { upstreams } = await this.#control.status();
    const { upstream } = this.#session.service;
    const servers = upstreams.find((candidate) => candidate.name === upstream)?.servers ?? [];
    const { requests, retried, cut, lost } = this.#receipt;
    const eligible = servers.filter(isServing).length;
    const counts = { requests, retried, cut, lost };
    this.#session.emit({ type: 'traffic', eligible, servers: servers.length, ...counts });
  }
}
