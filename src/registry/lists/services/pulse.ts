// Whether those who hold our blocking queries are still alive: a frozen agent, or one with a frozen leader
// behind it, keeps them open and says nothing. A question that the leader answers goes to the same
// address every second; without an answer within another one all queries are cut and asked elsewhere.

import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../../base/log.ts';
import type { ConsulQueries } from '../../consul.ts';

const EVERY_MS = 1000;
const SILENCE_MS = 1000;
/** Answered by the leader, costs next to nothing, and needs no rights: keys are filtered, not refused. */
const QUESTION = '/v1/kv/sluice/?keys&separator=/';

export class Pulse {
  readonly #queries: ConsulQueries;
  readonly #log: Log;
  readonly #closing = new AbortController();
  readonly #parked = new Set<AbortController>();
  #isBeating = false;
  #access: object;

  constructor(queries: ConsulQueries, log: Log) {
    this.#queries = queries;
    this.#access = queries.access();
    this.#log = log;
  }

  /** Runs a query that may be held open; its signal is aborted when nobody seems to hold it. */
  async parked<Result>(run: (cut: AbortSignal) => Promise<Result>): Promise<Result> {
    const cut = new AbortController();
    this.#parked.add(cut);
    void this.#beat();
    try {
      return await run(cut.signal);
    } finally {
      this.#parked.delete(cut);
    }
  }

  close(): void {
    this.#closing.abort();
  }

  async #beat(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await delay(EVERY_MS, undefined, { signal, ref: false }).catch(() => {});
      if (this.#parked.size === 0 || signal.aborted) break;
      const before = [...this.#parked];
      const reason = (await this.#ask(signal)) || this.#renewed();
      if (reason === '' || signal.aborted) continue;
      const cut = before.filter((query) => this.#parked.has(query));
      if (cut.length > 0) this.#log.warn({ reason }, 'registry queries are asked anew');
      for (const query of cut) query.abort();
    }
    this.#isBeating = false;
  }

  /** That a token or a certificate changed: what waits was let in with the last one. */
  #renewed(): string {
    const access = this.#queries.access();
    const isNew = this.#access !== access;
    this.#access = access;
    return isNew ? 'other credentials' : '';
  }

  /** Why it is not alive; '' = it is. */
  async #ask(signal: AbortSignal): Promise<string> {
    try {
      const answer = await this.#queries.get(QUESTION, { timeoutMs: SILENCE_MS, signal });
      return 'reason' in answer ? answer.reason : '';
    } catch {
      // It says no, and so it is there.
      return '';
    }
  }
}
