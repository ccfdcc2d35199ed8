// The last five minutes of figures for the small graphs: what the gateway remembers, fetched once, then what the
// stream says each second.

import { effect, type Signal, signal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import type { HistoryDocument, SecondFigures } from '../../src/admin/contract.ts';
import { call } from './api.ts';
import { link } from './stream.ts';

const SLOTS = 300;

/** One number per second, the newest last; null: nothing was answered then. */
export type Trail = {
  readonly requests: (number | null)[];
  readonly errors: (number | null)[];
  readonly p99Ms: (number | null)[];
};

export type Recent = {
  /** Rises each second, when all trails have one more. */
  readonly tick: Signal<number>;
  trail(name: string): Trail | undefined;
};

/**
 * `server`, `gateway`: as in `/api/history`. `newest` says the figures of this second by the names of the series.
 */
export function useRecent(
  upstream: string,
  server: '' | '*',
  gateway: string,
  newest: () => Readonly<Record<string, SecondFigures>>,
): Recent {
  const recent = useMemo(() => {
    const trails = new Map<string, Trail>();
    const tick = signal(0);
    return { trails, tick, trail: (name: string) => trails.get(name) };
  }, [upstream, server, gateway]);
  useEffect(() => {
    let isOver = false;
    const fill = async (): Promise<void> => {
      const asked = { upstream, server, span: '5m', gateway } as const;
      const history = await call('history', asked).catch(() => undefined);
      if (history === undefined || isOver) return;
      recent.trails.clear();
      for (const series of history.series) recent.trails.set(series.name, trailOf(series));
      recent.tick.value += 1;
    };
    // After a pause there is a gap, and the gateway knows what was in it.
    const stop = effect(() => {
      if (link.value.state === 'live') void fill();
    });
    const timer = setInterval(() => {
      if (link.peek().state !== 'live') return;
      for (const [name, figures] of Object.entries(newest())) append(recent.trails, name, figures);
      recent.tick.value += 1;
    }, 1000);
    return () => {
      isOver = true;
      stop();
      clearInterval(timer);
    };
  }, [recent]);
  return recent;
}

function trailOf(series: HistoryDocument['series'][number]): Trail {
  return {
    requests: [...series.requests].slice(-SLOTS),
    errors: series.errors
      .map((errors, slot) => errors + (series.failures[slot] ?? 0))
      .slice(-SLOTS),
    p99Ms: [...series.p99Ms].slice(-SLOTS),
  };
}

function append(trails: Map<string, Trail>, name: string, figures: SecondFigures): void {
  const trail = trails.get(name) ?? { requests: [], errors: [], p99Ms: [] };
  trails.set(name, trail);
  trail.requests.push(figures.requests);
  trail.errors.push(figures.errors + figures.failures);
  trail.p99Ms.push(figures.p99Ms ?? null);
  for (const column of [trail.requests, trail.errors, trail.p99Ms]) {
    if (column.length > SLOTS) column.shift();
  }
}
