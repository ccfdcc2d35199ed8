// Blocking queries on documents: answered at once when something is newer than the index that the
// client knows, otherwise when one of its topics changed so that it is, or when its time is over.
// Those on the KV have finer rules and stand in kv-api.ts; how a query waits is parked-queries.ts.

import type { Store } from '../../embedded.ts';
import type { Caller } from '../routes.ts';
import { type Answer, textAnswer } from './http-answer.ts';
import type { ParkedQueries } from './parked-queries.ts';
import type { QueryOptions } from './query-options.ts';

/** Queries parked at once in this process; each is small, but it is somebody else who opens them. */
const PARKED_MAX = 20_000;

export type DocumentQuery = {
  /** A change of any of these wakes it. */
  readonly topics: readonly string[];
  /** The index of what it asks for, at least 1. */
  readonly index: () => number;
  /** The answer as of now; it carries `indexHeaders(index)`. */
  readonly answer: (index: number) => Answer;
};

export class Blocking {
  readonly #store: Store;
  readonly #parked: ParkedQueries;
  readonly #random: () => number;

  constructor(store: Store, parked: ParkedQueries, random: () => number) {
    this.#store = store;
    this.#parked = parked;
    this.#random = random;
  }

  answer(
    query: DocumentQuery,
    options: QueryOptions,
    caller: Pick<Caller, 'onGone'>,
  ): Answer | Promise<Answer> {
    const index = query.index();
    // An index beyond ours: the data was restored, and to wait would leave the client blind.
    if (index > options.index || options.index > this.#store.index) return query.answer(index);
    const full = this.full();
    if (full !== undefined) return full;
    // Spread, so that those who came together do not return together.
    const waitMs = options.waitMs * (1 + this.#random() / 16);
    const endMs = performance.now() + waitMs;
    return new Promise((resolve, reject) => {
      let leave = (): void => {};
      const settle = (): void => {
        stopListening();
        try {
          resolve(query.answer(query.index()));
        } catch (error) {
          reject(error);
        }
      };
      const park = (leftMs: number): void => {
        leave = this.#parked.park({
          topics: query.topics,
          waitMs: leftMs,
          answer: (changed) => {
            const stillMs = endMs - performance.now();
            if (changed && query.index() === index && stillMs > 0) park(stillMs);
            else settle();
          },
        });
      };
      const stopListening = caller.onGone(() => {
        leave();
        settle();
      });
      park(waitMs);
    });
  }

  /** The refusal of one more waiting query. */
  full(): Answer | undefined {
    if (this.#parked.size < PARKED_MAX) return undefined;
    return textAnswer(
      429,
      `Too many blocking queries are waiting here (${PARKED_MAX}); close some, or share one between watchers`,
    );
  }
}

/** The fields with which Consul says how new an answer is. */
export function indexHeaders(index: number): readonly string[] {
  return [
    ...['X-Consul-Index', String(index)],
    ...['X-Consul-Knownleader', 'true'],
    ...['X-Consul-Lastcontact', '0'],
  ];
}

/** With an error of its servers (500, 403) Consul sends the fields of an index as well. */
export function failedRead(answer: Answer): Answer {
  if (answer.status !== 500 && answer.status !== 403) return answer;
  const fields = ['X-Consul-Index', '1', 'X-Consul-Knownleader', 'false'];
  return { ...answer, headers: [...fields, 'X-Consul-Lastcontact', '0', ...answer.headers] };
}
