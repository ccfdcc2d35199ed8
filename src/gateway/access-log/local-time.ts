// The time as lines have it: nginx's two in the time zone of the machine, and the one of JSON lines. Each is made once
// per second.

import type { LineBuffer } from './line-buffer.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `27/Nov/2026:18:47:07 +0000` */
export const localTime = oncePerSecond((date) => {
  const day = `${two(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}`;
  return `${day}:${clock(date)} ${zone(date, '')}`;
});

/** `2026-11-27T18:47:07+00:00` */
export const isoLocalTime = oncePerSecond((date) => {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${clock(date)}${zone(date, ':')}`;
});

const utcSecond = oncePerSecond((date) =>
  date.toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS.'.length),
);

/** `2026-11-27T18:47:07.123Z` */
export function utcTime(into: LineBuffer, ms: number): void {
  into.text(utcSecond(ms));
  into.digits(ms - Math.floor(ms / 1000) * 1000, 3);
  into.text('Z');
}

function oncePerSecond(make: (date: Date) => string): (ms: number) => string {
  let second = -1;
  let text = '';
  return (ms) => {
    const now = Math.floor(ms / 1000);
    if (now !== second) {
      second = now;
      // Flat: it is copied character by character, by every line of the second.
      text = make(new Date(ms)).split('').join('');
    }
    return text;
  };
}

function clock(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** East of Greenwich is +. */
function zone(date: Date, between: string): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${between}${two(size % 60)}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
