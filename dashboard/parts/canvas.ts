// A canvas in as many points as the screen has, drawn on in pixels of the page.

export type Sheet = {
  readonly context: CanvasRenderingContext2D;
  readonly width: number;
  readonly height: number;
};

/** Empty; undefined: it is not shown. */
export function sheetOf(canvas: HTMLCanvasElement): Sheet | undefined {
  const ratio = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = canvas.getContext('2d');
  if (width === 0 || context === null) return undefined;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across) canvas.width = across;
  if (canvas.height !== down) canvas.height = down;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** Begins a path along the values; null is a gap. */
export function trace(
  context: CanvasRenderingContext2D,
  values: readonly (number | null)[],
  x: (place: number) => number,
  y: (value: number) => number,
): void {
  context.beginPath();
  let isDown = false;
  values.forEach((value, place) => {
    if (value === null) isDown = false;
    else {
      if (isDown) context.lineTo(x(place), y(value));
      else {
        // A value that stands alone is a point.
        context.moveTo(x(place), y(value));
        context.lineTo(x(place) + 0.5, y(value));
      }
      isDown = true;
    }
  });
}
