// Times: how long ago, with the moment in UTC and local time beside it.

import { computed, signal } from '@preact/signals';
import { stored } from '../live/stored.ts';
import { common } from '../text.ts';

export const clock = stored<'utc' | 'local'>('clock', ['utc', 'local'], 'utc');

/** The Unix clock, once a second. */
export const nowMs = signal(Date.now());
export function startClock(): void {
  setInterval(() => {
    if (!document.hidden) nowMs.value = Date.now();
  }, 1000);
}

/** `850 ms`, `3.2 s`, `12 s`, `4 min`, `2 h`, `3 d`. */
export function duration(ms: number): string {
  const time = Math.max(0, ms);
  if (time < 1000) return `${Math.round(time)} ms`;
  const seconds = time / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const minutes = seconds / 60;
  if (minutes < 59.5) return `${Math.round(minutes)} min`;
  const hours = minutes / 60;
  return hours < 23.5 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} d`;
}

/** Whole units: for what counts up on the page. */
export function age(ms: number): string {
  return ms < 1000
    ? '0 s'
    : duration(ms < 10_000 ? Math.floor(ms / 1000) * 1000 : ms).replace('.0', '');
}

/** `14:03:27Z`, or local time without the letter. */
export function timeOfDay(ms: number, kind: 'utc' | 'local' = clock.value): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return '';
  return kind === 'utc'
    ? `${date.toISOString().slice(11, 19)}Z`
    : date.toLocaleTimeString('en-GB', { hour12: false });
}

/** With the day: `2026-11-27 14:03:27Z`. */
export function moment(ms: number, kind: 'utc' | 'local' = clock.value): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return '';
  if (kind === 'utc') return `${date.toISOString().slice(0, 19).replace('T', ' ')}Z`;
  // Sweden writes a date as ISO does.
  return date.toLocaleString('sv-SE', { hour12: false });
}

export function bothMoments(ms: number): string {
  return `${moment(ms, 'utc')}\n${moment(ms, 'local')} ${common().local}`;
}

/** How long ago that is. */
export function Since({ ms }: { readonly ms: number }) {
  const text = useAge(ms);
  if (ms <= 0) return null;
  return (
    <time dateTime={new Date(ms).toISOString()} title={bothMoments(ms)}>
      {text}
    </time>
  );
}

/** The moment itself. */
export function Moment({ ms, day = false }: { readonly ms: number; readonly day?: boolean }) {
  if (ms <= 0 || Number.isNaN(ms)) return null;
  return (
    <time dateTime={new Date(ms).toISOString()} title={bothMoments(ms)}>
      {day ? moment(ms) : timeOfDay(ms)}
    </time>
  );
}

function useAge(ms: number) {
  return computed(() => age(nowMs.value - ms));
}
