// A line without axes for a row of a table: a canvas, because two hundred of them are drawn each second.

import type { ReadonlySignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
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
  const ratio = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (width === 0) return;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
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
  context.beginPath();
  let isDown = false;
  shown.forEach((value, place) => {
    if (value === null) {
      isDown = false;
      return;
    }
    const x = (first + place) * stepX;
    if (isDown) context.lineTo(x, y(value));
    else context.moveTo(x, y(value));
    isDown = true;
  });
  context.stroke();
  if (kind !== 'requests' || shown.length === 0) return;
  context.globalAlpha = 0.12;
  context.lineTo(width, height);
  context.lineTo(first * stepX, height);
  context.closePath();
  context.fill();
  context.globalAlpha = 1;
}
