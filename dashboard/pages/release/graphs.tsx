// Requests, errors and times by version while a release runs, with the times shaded in which an instance was out.

import { useEffect, useState } from 'preact/hooks';
import type { HistoryDocument } from '../../../src/admin/contract.ts';
import { call } from '../../live/api.ts';
import { link } from '../../live/stream.ts';
import { Chart, type ChartSeries } from '../../parts/chart.tsx';
import { count, time } from '../../parts/format.ts';
import { look } from '../../parts/scheme.ts';
import { timeOfDay } from '../../parts/time.tsx';
import { type Lane, outTimes } from './story.ts';
import { releaseText } from './text.ts';

/** Whatever is younger is shown by the second, ms. */
const FINE_MS = 290_000;
const REFRESH_MS = { '5m': 2000, '1h': 10_000 } as const;
/** After the end: the last seconds, and how it goes on, ms. */
const AFTER_MS = 6000;

export type GraphsProps = {
  /** The version that is released has the same colour on every page. */
  readonly target: string;
  readonly upstream: string;
  readonly lanes: readonly Lane[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly nowMs: number;
  readonly history: HistoryDocument | undefined;
};

export function Graphs({ target, upstream, lanes, fromMs, toMs, nowMs, history }: GraphsProps) {
  const text = releaseText();
  const { series: colours, states } = look.value;
  if (history === undefined) return <div class="graphs-wait" />;
  const { startMs, stepMs, slots, series } = history;
  if (startMs + slots * stepMs < fromMs) return <p class="muted">{text.noHistory}</p>;
  const all = Array.from({ length: slots }, (_, slot) => slot).filter((slot) => {
    const ms = startMs + slot * stepMs;
    return ms >= fromMs && ms <= toMs;
  });
  const shown = series
    .filter(({ kind }) => kind === 'version')
    .filter((one) => all.some((slot) => (one.requests[slot] ?? 0) + (one.failures[slot] ?? 0) > 0));
  const versions = shown.length > 0 ? shown : series.filter(({ kind }) => kind === 'upstream');
  const drawn = (
    pick: (one: HistoryDocument['series'][number], slot: number) => number | null,
    isArea = false,
  ): readonly ChartSeries[] =>
    versions.map((one, place) => ({
      label: one.name === '' ? text.unknownVersion : one.name.slice(0, 24),
      colour: (one.name === target ? colours[0] : others[place % others.length]) ?? '',
      values: all.map((slot) => pick(one, slot)),
      isArea,
    }));
  const others = colours.slice(2);
  const seconds = stepMs / 1000;
  const common = {
    timesMs: all.map((slot) => startMs + slot * stepMs),
    ...{ fromMs, toMs, height: 104, sync: upstream },
    windows: lanes.flatMap(outTimes).map((out) => {
      return { fromMs: out.fromMs, toMs: Math.min(out.toMs, nowMs), colour: states['drain'] ?? '' };
    }),
  };
  return (
    <>
      {startMs > fromMs + 2 * stepMs + 5000 ? (
        <p class="muted">{text.partHistory(timeOfDay(startMs))}</p>
      ) : null}
      <Chart
        {...common}
        title={text.perSecond}
        format={count}
        series={drawn(({ requests }, slot) => (requests[slot] ?? 0) / seconds, true)}
      />
      <Chart
        {...common}
        title={text.errors}
        format={count}
        height={70}
        series={drawn(
          ({ errors, failures }, slot) => ((errors[slot] ?? 0) + (failures[slot] ?? 0)) / seconds,
          true,
        )}
      />
      <Chart
        {...common}
        title={text.p99}
        format={time}
        height={84}
        series={drawn(({ p99Ms }, slot) => p99Ms[slot] ?? null)}
      />
    </>
  );
}

/** What the gateway remembers of the time of a release; it is not asked again when that is over. endMs 0: it runs. */
export function useHistoryOf(
  upstream: string,
  fromMs: number,
  endMs: number,
): HistoryDocument | undefined {
  const [known, setKnown] = useState<HistoryDocument | undefined>(undefined);
  useEffect(() => {
    if (upstream === '' || fromMs === 0) return;
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = (isFirst: boolean): void => {
      const nowMs = Date.now();
      const span = nowMs - fromMs < FINE_MS ? '5m' : '1h';
      const isWanted = isFirst || endMs === 0 || nowMs < endMs + AFTER_MS + REFRESH_MS[span];
      if (!isWanted) return;
      timer = setTimeout(() => ask(false), REFRESH_MS[span]);
      if (link.peek().state === 'lost' || document.hidden) return;
      call('history', { upstream, server: '', span, gateway: '' }).then(
        (history) => isOver || setKnown(history),
        () => {},
      );
    };
    ask(true);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [upstream, fromMs, endMs]);
  return known;
}
