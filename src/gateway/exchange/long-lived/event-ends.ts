// Where an event of a stream of events (text/event-stream) ends: at an empty line. The last few bytes of
// what was relayed are remembered, which costs the same however much that is.
// **Source:** WHATWG HTML, 9.2.5: a line ends with CR LF, LF or CR.

import type { ResponseHead } from '../../message.ts';

/** The longest end of an event is CR LF CR LF. */
const TAIL_BYTES = 4;

const EMPTY_LINE = /\r\n(?:\r\n?|\n)|\n(?:\r\n?|\n)|\r(?:\r\n?)/g;

/** Its bytes are lines: no coding hides them. */
export function isEventStream({ fields }: ResponseHead): boolean {
  return (
    /(?:^|\n)content-type: *text\/event-stream *[;\r]/i.test(fields) &&
    !/(?:^|\n)content-encoding:(?! *identity *\r)/i.test(fields)
  );
}

export class EventEnds {
  #tail = '';
  #isEmpty = true;

  /** Nothing of an event has been relayed that is not whole. */
  get isBetween(): boolean {
    if (this.#isEmpty) return true;
    const rest = this.#tail.replace(/(?:\r\n|\r|\n)$/, '');
    return rest !== this.#tail && /[\r\n]$/.test(rest);
  }

  /** These were relayed. */
  read(buffer: Buffer, start: number, end: number): void {
    if (start === end) return;
    this.#isEmpty = false;
    const last = buffer.toString('latin1', Math.max(start, end - TAIL_BYTES), end);
    this.#tail = `${this.#tail}${last}`.slice(-TAIL_BYTES);
  }

  /** Where the event ends that is under way; -1: not in these bytes. */
  find(buffer: Buffer, start: number, end: number): number {
    const text = `${this.#tail}${buffer.toString('latin1', start, end)}`;
    for (const { 0: line, index } of text.matchAll(EMPTY_LINE)) {
      const at = index + line.length - this.#tail.length;
      if (at > 0) return start + at;
    }
    return -1;
  }
}
