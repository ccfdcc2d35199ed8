// When which server took no requests, from the marks of the history: what is shaded in the graphs.

import type { HistoryDocument } from '../../../src/admin/contract.ts';

export type StateWindow = {
  readonly server: string;
  readonly state: string;
  readonly fromMs: number;
  readonly toMs: number;
};

/** Of a server at this moment; sinceMs 0 = not known. */
export type StateNow = { readonly state: string; readonly sinceMs: number };

/** It takes requests, has not had its first check, or is not there. */
const TAKES = new Set(['ok', 'full', 'unchecked', '']);

/**
 * `now`: of the servers of the pool, for those that had no mark in the time that is shown: it was so before, too.
 */
export function windowsOf(
  { marks, startMs, stepMs, slots }: HistoryDocument,
  now: Readonly<Record<string, StateNow>>,
): readonly StateWindow[] {
  const endMs = startMs + slots * stepMs;
  const windows: StateWindow[] = [];
  const open = new Map<string, { readonly state: string; readonly fromMs: number }>();
  const close = (server: string, last: { state: string; fromMs: number }, toMs: number): void => {
    const fromMs = Math.max(startMs, last.fromMs);
    if (!TAKES.has(last.state) && toMs > fromMs)
      windows.push({ server, state: last.state, fromMs, toMs });
  };
  for (const { atMs, server, what, from, to } of marks) {
    if (what !== 'eligibility' && what !== 'left' && what !== 'joined') continue;
    const isChange = what === 'eligibility';
    close(server, open.get(server) ?? { state: isChange ? from : '', fromMs: startMs }, atMs);
    open.set(server, { state: isChange ? to : '', fromMs: atMs });
  }
  for (const [server, last] of open) close(server, last, endMs);
  for (const [server, { state, sinceMs }] of Object.entries(now)) {
    if (!open.has(server)) close(server, { state, fromMs: sinceMs }, endMs);
  }
  return windows;
}
