// What has no stream: asked again and again while it is shown.

import { useEffect, useState } from 'preact/hooks';
import { textOf } from './api.ts';

export type Polled<Value> = {
  /** The newest answer to this question; undefined before the first one. */
  readonly value: Value | undefined;
  /** Why the last question was not answered; '' = it was. */
  readonly trouble: string;
  readonly again: () => void;
};

/** `question` says by what an answer is another one; null: nothing is asked. */
export function usePolled<Value>(
  question: string | null,
  ask: () => Promise<Value>,
  everyMs: number,
): Polled<Value> {
  const [state, setState] = useState<{
    readonly question: string | null;
    readonly value: Value | undefined;
    readonly trouble: string;
  }>({ question: null, value: undefined, trouble: '' });
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (question === null) return;
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      if (!document.hidden) {
        try {
          const value = await ask();
          if (!isOver) setState({ question, value, trouble: '' });
        } catch (error) {
          // What was known stays, and is said to be old.
          if (!isOver) setState((last) => ({ ...last, question, trouble: textOf(error) }));
        }
      }
      if (!isOver) timer = setTimeout(() => void look(), everyMs);
    };
    void look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [question, round]);
  const isThis = state.question === question;
  return {
    value: isThis ? state.value : undefined,
    trouble: isThis ? state.trouble : '',
    again: () => setRound((times) => times + 1),
  };
}
