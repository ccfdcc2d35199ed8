// Durations as Go counts and writes them: nanoseconds, `1h2m3.5s`. Pure.

import { parseGoDuration } from '../http.ts';

const NS_PER_MS = 1e6;

/** Nanoseconds of a text as `10s`; undefined when it is none. */
export function goDurationNs(text: string): number | undefined {
  const ms = parseGoDuration(text);
  return ms === undefined ? undefined : Math.round(ms * NS_PER_MS);
}

/** The text as Go writes it: `0s`, `1.5ms`, `2m30s`, `1h0m0s`. */
export function goDurationText(ns: number): string {
  if (ns === 0) return '0s';
  const sign = ns < 0 ? '-' : '';
  const size = Math.abs(ns);
  if (size < 1e3) return `${sign}${size}ns`;
  if (size < 1e6) return `${sign}${size / 1e3}µs`;
  if (size < 1e9) return `${sign}${size / 1e6}ms`;
  const minutes = Math.floor(size / 60e9);
  const seconds = `${(size - minutes * 60e9) / 1e9}s`;
  if (minutes === 0) return sign + seconds;
  const hours = Math.floor(minutes / 60);
  return hours === 0
    ? `${sign}${minutes}m${seconds}`
    : `${sign}${hours}h${minutes % 60}m${seconds}`;
}
