// A read of the KV that waits for a change: one object beside its request and response. When it is
// woken is decided in http/parked-queries.ts, what it is answered in kv-api.ts.

import type { Answer, ParkedQueries } from './http.ts';
import type { Caller, Later } from './routes.ts';

type Parts = {
  readonly key: string;
  readonly tree: boolean;
  readonly waitMs: number;
  readonly parked: ParkedQueries;
  readonly caller: Caller;
  readonly answerNow: (changed: boolean) => Answer;
};

export class WaitingRead implements Later {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  whenAnswered(settle: (answer: Answer) => void, fail: (error: unknown) => void): void {
    const { parked, caller, answerNow, key, tree, waitMs } = this.#parts;
    const answer = (changed: boolean): void => {
      stopListening();
      let answered: Answer;
      try {
        answered = answerNow(changed);
      } catch (error) {
        fail(error); // A list beyond the longest string; the other watchers go on.
        return;
      }
      settle(answered);
    };
    const leave = parked.park({ key, tree, waitMs, answer });
    const stopListening = caller.onGone(() => {
      leave();
      answer(false);
    });
  }
}
