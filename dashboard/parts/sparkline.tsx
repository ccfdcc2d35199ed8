// A line without axes for a row of a table: a canvas, because two hundred of them are drawn each second.

import type { ReadonlySignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { sheetOf, trace } from './canvas.ts';
import { look } from './scheme.ts';

export type SparklineProps = {
  /** Read when it is drawn. */
  readonly values: () => readonly (number | null)[] | undefined;
  /** It is drawn anew when this changes. */
  readonly tick: ReadonlySignal<number>;
  /** Number of values over the whole width; fewer stand at the right. */
  readonly slots?: number;
  readonly kind?: 'requests' | 'errors' | 'time';
  /** For those who do not see it. */
  readonly label: string;
  readonly width?: number;
  readonly height?: number;
};

export function Sparkline(props: SparklineProps) {
  const { kind = 'requests', label, width = 96, height = 22, tick, slots = 300 } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const draw = (): void => {
      if (canvas.current !== null) paint(canvas.current, props.values() ?? [], slots, kind);
    };
    const stops = [tick.subscribe(draw), look.subscribe(draw)];
    return () => {
      for (const stop of stops) stop();
    };
  }, [tick, props.values, slots, kind]);
  return (
    <canvas
      ref={canvas}
      class="sparkline"
      role="img"
      aria-label={label}
      style={{ width: `${width}px`, height: `${height}px` }}
    />
  );
}

function paint(
  canvas: HTMLCanvasElement,
  values: readonly (number | null)[],
  slots: number,
  kind: string,
): void {
  const sheet = sheetOf(canvas);
  if (sheet === undefined) return;
  const { context, width, height } = sheet;
  const colour = look.peek().lines[kind] ?? '#888';
  const shown = values.slice(-slots);
  let most = 0;
  for (const value of shown) if (value !== null && value > most) most = value;
  const stepX = width / Math.max(1, slots - 1);
  const first = slots - shown.length;
  const y = (value: number): number =>
    height - 1.5 - (most === 0 ? 0 : (value / most) * (height - 4));
  context.strokeStyle = colour;
  context.fillStyle = colour;
  context.lineWidth = 1.25;
  context.lineJoin = 'round';
  trace(context, shown, (place) => (first + place) * stepX, y);
  context.stroke();
  if (kind !== 'requests' || shown.length === 0) return;
  context.globalAlpha = 0.12;
  context.lineTo(width, height);
  context.lineTo(first * stepX, height);
  context.closePath();
  context.fill();
  context.globalAlpha = 1;
}
