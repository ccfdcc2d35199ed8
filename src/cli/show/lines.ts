// A release as lines of a log, with a sign of life when nothing happens for a while.

import { paint, remark } from '../output.ts';
import type { Show } from '../show.ts';
import { eventLine, Heartbeat } from '../views/event-lines.ts';
import { resultText } from '../views/result-view.ts';

const LOOK_EVERY_MS = 1000;

export function showLines(): Show {
  const beat = beating(write);
  return {
    onSecrets: () => {},
    onEvent: (event) => {
      beat.heartbeat.saw(event, performance.now());
      write(eventLine(event));
    },
    remark,
    onResult: (result) => void process.stdout.write(resultText(result, paint)),
    onError: () => {},
    close: beat.stop,
  };
}

/** A heartbeat that says its lines by itself until it is stopped. */
export function beating(say: (line: string) => void): {
  readonly heartbeat: Heartbeat;
  readonly stop: () => void;
} {
  const heartbeat = new Heartbeat(performance.now());
  const timer = setInterval(() => say(heartbeat.line(performance.now())), LOOK_EVERY_MS);
  return { heartbeat, stop: () => clearInterval(timer) };
}

/** One line on standard output; '' is none. */
export function write(line: string): void {
  if (line !== '') process.stdout.write(`${line}\n`);
}
