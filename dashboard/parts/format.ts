// Numbers as people read them: few digits, always as wide as the one before.

/** `0`, `3.2`, `184`, `12.4k`, `3.1M`. */
export function count(value: number): string {
  if (value >= 999_500) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 9_995) return `${(value / 1e3).toFixed(1)}k`;
  return value < 10 && !Number.isInteger(value) ? value.toFixed(1) : String(Math.round(value));
}

/** `51 ms`, `3.2 ms`, `1.25 s`; `–` where there is none. */
export function time(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return '–';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** `0%`, `0.3%`, `12%` of all; `–` where there was nothing. */
export function share(part: number, all: number): string {
  if (all <= 0) return part > 0 ? '100%' : '–';
  const percent = (100 * part) / all;
  if (percent === 0) return '0%';
  if (percent < 0.1) return '<0.1%';
  return percent < 9.95 ? `${percent.toFixed(1)}%` : `${Math.round(Math.min(100, percent))}%`;
}

/** `512 B`, `1.5 kB`, `3.2 MB`. */
export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  if (value < 1e6) return `${(value / 1e3).toFixed(1)} kB`;
  return value < 1e9 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e9).toFixed(1)} GB`;
}
