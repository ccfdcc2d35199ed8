// Numbers and tables for the results page.

import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** A Markdown table; the first row is the head. Columns after the first are right-aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(head),
    line(head.map((_, at) => (at === 0 ? '---' : '---:'))),
    ...body.map(line),
  ].join('\n');
}

/** `31 204`: thousands apart. */
export function whole(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ' ');
}

export function megabytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(1);
}

/** Kernel, processor, memory, Node: what a figure depends on. */
export function machine(): string {
  const [processor] = cpus();
  const release = readFileSync('/etc/os-release', 'utf8');
  const system = /^PRETTY_NAME="(.*)"$/m.exec(release)?.[1] ?? process.platform;
  return (
    `${cpus().length} × ${processor?.model.trim() ?? 'unknown processor'}, ` +
    `${Math.round(totalmem() / 1024 ** 3)} GB, ${system}, Node ${process.versions.node}`
  );
}
