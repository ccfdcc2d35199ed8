// The big graphs: lines over time on a canvas, with the values under the pointer beside the title. Of our own,
// because what libraries have beyond that is more than all pages together.

import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { timeTicks, valueTicks } from './axes.ts';
import { sheetOf, trace } from './canvas.ts';
import { look } from './scheme.ts';
import { timeOfDay } from './time.tsx';

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
  /** Rising. */
  readonly timesMs: readonly number[];
  readonly series: readonly ChartSeries[];
  readonly windows?: readonly ChartWindow[];
  /** What is shown, so that several have one axis. */
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly format: (value: number) => string;
  readonly height?: number;
  /** Charts with the same word show the same moment under the pointer. */
  readonly sync?: string;
};

/** Around the lines, px; the numbers stand at the left, the times below. */
const [LEFT, RIGHT, TOP, BOTTOM] = [50, 8, 6, 18];
const TIME_WIDTH = 76;

/** What the pointer is at. */
const pointed = signal<{ readonly sync: string; readonly ms: number } | undefined>(undefined);

export function Chart(props: ChartProps) {
  const { title, series, timesMs, format, height = 160, sync = title } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const newest = useRef(props);
  newest.current = props;
  const atMs = pointed.value?.sync === sync ? pointed.value.ms : undefined;
  const at = atMs === undefined ? timesMs.length - 1 : nearest(timesMs, atMs);
  const paint = (): void => {
    if (canvas.current !== null) draw(canvas.current, newest.current, atMs === undefined ? -1 : at);
  };
  const again = useRef(paint);
  again.current = paint;
  useEffect(paint);
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const watch = new ResizeObserver(() => again.current());
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  const values = series
    .map(({ values: all }) => all[at] ?? null)
    .map((value) => {
      return value === null ? '–' : format(value);
    });
  return (
    <figure class="chart">
      <figcaption>
        <span>{title}</span>
        {series.map(({ label, colour }, place) => (
          <span key={label} class="chart-line">
            <span class="chart-colour" style={{ background: colour }} />
            {label} <b>{values[place]}</b>
          </span>
        ))}
        <span class="chart-time">{atMs === undefined ? '' : timeOfDay(timesMs[at] ?? 0)}</span>
      </figcaption>
      <canvas
        ref={canvas}
        role="img"
        aria-label={`${title}: ${series.map(({ label }, place) => `${label} ${values[place]}`).join(', ')}`}
        style={{ height: `${height}px` }}
        onPointerMove={(event) => {
          const [from, to] = rangeOf(newest.current);
          const width = event.currentTarget.clientWidth - LEFT - RIGHT;
          const part = (event.offsetX - LEFT) / Math.max(1, width);
          pointed.value = { sync, ms: from + Math.min(1, Math.max(0, part)) * (to - from) };
        }}
        onPointerLeave={() => {
          pointed.value = undefined;
        }}
      />
    </figure>
  );
}

function draw(canvas: HTMLCanvasElement, props: ChartProps, at: number): void {
  const { timesMs, series, windows = [], format } = props;
  const sheet = sheetOf(canvas);
  if (sheet === undefined) return;
  const { context, width, height } = sheet;
  const { muted, grid, panel } = look.value;
  const [from, to] = rangeOf(props);
  const [across, down] = [width - LEFT - RIGHT, height - TOP - BOTTOM];
  const ticks = valueTicks(mostOf(series), down < 90 ? 2 : 3);
  const top = ticks.at(-1) ?? 1;
  const x = (ms: number): number => LEFT + ((ms - from) / Math.max(1, to - from)) * across;
  const y = (value: number): number => TOP + down * (1 - value / top);

  for (const { fromMs, toMs, colour } of windows) {
    const [left, right] = [x(Math.max(from, fromMs)), x(Math.min(to, toMs))];
    context.globalAlpha = 0.16;
    context.fillStyle = colour;
    if (right > left) context.fillRect(left, TOP, right - left, down);
  }
  context.globalAlpha = 1;
  context.font = '11px system-ui, sans-serif';
  context.fillStyle = muted;
  context.strokeStyle = grid;
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  context.beginPath();
  for (const value of ticks) {
    context.fillText(value === 0 ? '0' : format(value), LEFT - 7, y(value));
    context.moveTo(LEFT, Math.round(y(value)) + 0.5);
    context.lineTo(LEFT + across, Math.round(y(value)) + 0.5);
  }
  context.textAlign = 'center';
  for (const ms of timeTicks(from, to, Math.floor(across / TIME_WIDTH))) {
    const middle = Math.min(x(ms), width - 30);
    context.fillText(timeOfDay(ms), middle, height - BOTTOM / 2 + 2);
    context.moveTo(Math.round(x(ms)) + 0.5, TOP);
    context.lineTo(Math.round(x(ms)) + 0.5, TOP + down);
  }
  context.stroke();

  context.lineWidth = 1.5;
  context.lineJoin = 'round';
  const xOf = (place: number): number => x(timesMs[place] ?? 0);
  for (const { values, colour, isArea = false } of series) {
    context.strokeStyle = colour;
    context.fillStyle = colour;
    trace(context, values, xOf, y);
    context.stroke();
    if (isArea && values.length > 0) {
      context.lineTo(xOf(values.length - 1), y(0));
      context.lineTo(xOf(0), y(0));
      context.globalAlpha = 0.12;
      context.fill();
      context.globalAlpha = 1;
    }
  }
  context.lineWidth = 1;
  if (at < 0) return;
  context.strokeStyle = muted;
  context.beginPath();
  context.moveTo(xOf(at), TOP);
  context.lineTo(xOf(at), TOP + down);
  context.stroke();
  for (const { values, colour } of series) {
    const value = values[at] ?? null;
    if (value === null) continue;
    context.beginPath();
    context.arc(xOf(at), y(value), 3.5, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.strokeStyle = panel;
    context.fill();
    context.stroke();
  }
}

function mostOf(series: readonly ChartSeries[]): number {
  let most = 0;
  for (const { values } of series) {
    for (const value of values) if (value !== null && value > most) most = value;
  }
  return most;
}

function rangeOf({ timesMs, fromMs, toMs }: ChartProps): readonly [number, number] {
  return [fromMs ?? timesMs[0] ?? 0, toMs ?? timesMs.at(-1) ?? 1];
}

/** Its place. */
function nearest(timesMs: readonly number[], ms: number): number {
  const after = timesMs.findIndex((one) => one >= ms);
  if (after <= 0) return after < 0 ? timesMs.length - 1 : 0;
  return ms - (timesMs[after - 1] ?? 0) < (timesMs[after] ?? 0) - ms ? after - 1 : after;
}
