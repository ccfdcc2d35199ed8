// The big graphs: uPlot, loaded when the first one is shown. Times on the x axis are Unix seconds.

import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';
import { look } from './scheme.ts';
import { clock, timeOfDay } from './time.tsx';

export type ChartSeries = {
  readonly label: string;
  readonly colour: string;
  /** One per time; null: a gap. */
  readonly values: readonly (number | null)[];
  /** Filled below. */
  readonly isArea?: boolean;
};

/** A part of the time that is shaded, such as a drain. */
export type ChartWindow = {
  readonly fromMs: number;
  readonly toMs: number;
  readonly colour: string;
};

export type ChartProps = {
  readonly title: string;
  readonly timesMs: readonly number[];
  readonly series: readonly ChartSeries[];
  readonly windows?: readonly ChartWindow[];
  /** What is shown, so that several have one axis. */
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly format: (value: number) => string;
  readonly height?: number;
  /** Charts with the same word move their cursors together. */
  readonly sync?: string;
};

export function Chart(props: ChartProps) {
  const { title, height = 160 } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const newest = useRef(props);
  newest.current = props;
  // Another set of lines or colours needs another plot; new values do not.
  const shape = JSON.stringify([
    props.series.map(({ label, colour, isArea }) => [label, colour, isArea]),
    [look.value.text, clock.value, height],
  ]);
  useEffect(() => {
    let isOver = false;
    let watch: ResizeObserver | undefined;
    void import('uplot').then(({ default: Plot }) => {
      const element = host.current;
      if (isOver || element === null) return;
      plot.current = new Plot(
        optionsOf(newest, element.clientWidth),
        dataOf(newest.current),
        element,
      );
      watch = new ResizeObserver(() =>
        plot.current?.setSize({ width: element.clientWidth, height }),
      );
      watch.observe(element);
    });
    return () => {
      isOver = true;
      watch?.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [shape]);
  useEffect(() => {
    if (plot.current === undefined) return;
    plot.current.setData(dataOf(props), false);
    const [from, to] = rangeOf(props);
    plot.current.setScale('x', { min: from, max: to });
  });
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div ref={host} style={{ height: `${height}px` }} />
    </figure>
  );
}

function dataOf({ timesMs, series }: ChartProps): uPlot.AlignedData {
  return [timesMs.map((ms) => ms / 1000), ...series.map(({ values }) => [...values])];
}

function rangeOf({ timesMs, fromMs, toMs }: ChartProps): readonly [number, number] {
  return [(fromMs ?? timesMs[0] ?? 0) / 1000, (toMs ?? timesMs.at(-1) ?? 1) / 1000];
}

function optionsOf(newest: { readonly current: ChartProps }, width: number): uPlot.Options {
  const { series, format, height = 160, sync } = newest.current;
  const { muted, grid } = look.peek();
  const axis = { stroke: muted, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  const font = '11px system-ui, sans-serif';
  return {
    ...{ width, height },
    padding: [8, 4, 0, 0],
    legend: { live: true },
    cursor: {
      points: { size: 5 },
      drag: { x: false, y: false },
      ...(sync === undefined ? {} : { sync: { key: sync } }),
    },
    scales: {
      x: { time: true, range: () => [...rangeOf(newest.current)] as [number, number] },
      y: { range: (_, __, max) => [0, max > 0 ? max * 1.15 : 1] },
    },
    axes: [
      {
        ...axis,
        font,
        values: (_, seconds) => seconds.map((value) => timeOfDay(value * 1000)),
        space: 80,
      },
      { ...axis, font, size: 56, values: (_, values) => values.map(format) },
    ],
    series: [
      { value: (_, seconds) => (seconds === null ? '' : timeOfDay(seconds * 1000)), label: '' },
      ...series.map(({ label, colour, isArea = false }) => ({
        ...{ label, stroke: colour, width: 1.5, points: { show: false } },
        value: (_: unknown, value: number | null) => (value === null ? '–' : format(value)),
        ...(isArea ? { fill: `${colour}26` } : {}),
      })),
    ],
    hooks: { drawClear: [(plot) => shade(plot, newest.current.windows ?? [])] },
  };
}

function shade(plot: uPlot, windows: readonly ChartWindow[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const { fromMs, toMs, colour } of windows) {
    const left = Math.max(bbox.left, plot.valToPos(fromMs / 1000, 'x', true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(toMs / 1000, 'x', true));
    if (right <= left) continue;
    ctx.fillStyle = colour;
    ctx.globalAlpha = 0.14;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}
