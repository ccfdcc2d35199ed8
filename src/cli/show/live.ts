// A release on a terminal: finished instances stay, the running step is drawn anew below them.

import { paint } from '../output.ts';
import type { Show } from '../show.ts';
import { fold, LiveScreen, liveLines, NOTHING_YET } from '../views/live-view.ts';
import { resultText } from '../views/result-view.ts';

const REDRAW_EVERY_MS = 100;
/** For a terminal that does not tell its width. */
const COLUMNS_UNKNOWN = 80;

export function showLive(): Show {
  const screen = new LiveScreen((text) => process.stdout.write(text));
  let state = NOTHING_YET;
  const draw = (stay: readonly string[]): void => {
    const width = (process.stdout.columns || COLUMNS_UNKNOWN) - 1;
    screen.draw(stay, liveLines(state, Date.now(), width, paint));
  };
  const timer = setInterval(() => draw([]), REDRAW_EVERY_MS);
  return {
    onSecrets: () => {},
    onEvent: (event) => {
      const next = fold(state, event, paint);
      state = next.state;
      draw(next.lines);
    },
    remark: (text) => draw([text]),
    onResult: (result) => {
      clearInterval(timer);
      process.stdout.write(resultText(result, paint));
    },
    onError: () => {},
    close: () => clearInterval(timer),
  };
}
