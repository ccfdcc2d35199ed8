// Standard output and error: colour only where it is wanted, tables that fit, quiet when the reader
// of a pipe went away.

import { styleText } from 'node:util';
import { SluiceError } from '../base/errors.ts';

type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold';
export type Paint = (colour: Colour, text: string) => string;

/** Coloured for a terminal; NO_COLOR and FORCE_COLOR decide where they are set. */
export function paint(
  colour: Colour,
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return hasColour(stream, process.env) ? styleText(colour, text, { validateStream: false }) : text;
}

export function hasColour(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  if ((environment['NO_COLOR'] ?? '') !== '') return false;
  const forced = environment['FORCE_COLOR'];
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  return stream.isTTY === true && environment['TERM'] !== 'dumb';
}

/** A line, or a block of lines, on standard output. */
export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

export function printJson(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

/** A remark beside the result: to people, on standard error. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function warn(text: string): void {
  remark(`${paint('yellow', 'warning:', process.stderr)} ${text}`);
}

/**
 * `sluice status | head -1` is no failure: when the reader is gone, stop. A result that cannot be
 * written is one; a remark is not.
 */
export function quietEpipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
      if (stream === process.stderr) return;
      remark(
        `sluice: standard output: not written (${error.code}); free some space or send it elsewhere`,
      );
      process.exit(1);
    });
  }
}

/** For verbs that go on when nobody reads their output: a gateway whose log pipe closed still serves. */
export function keepGoingWithoutReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error');
    stream.on('error', () => {});
  }
}

/** Text from elsewhere, in one line: control characters would move the terminal's cursor. */
export function visible(text: string): string {
  return text.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, ' ');
}

/** Columns of the terminal, or 0 where output is no terminal: then nothing is cut. */
export function widthOf(stream: NodeJS.WriteStream): number {
  return stream.isTTY ? stream.columns : 0;
}

/**
 * Rows as left-aligned columns, two blanks between. Numbers are right-aligned. `width` cuts the
 * last column; 0 = never.
 */
export function table(rows: readonly (readonly (string | number)[])[], width = 0): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, String(cell).length);
    }
  }
  // A column is numeric when a row below the head holds a number there.
  const isNumeric = widths.map((_, index) =>
    rows.slice(1).some((row) => typeof row[index] === 'number'),
  );
  return rows.map((row) => {
    const cells = row.map((cell, index) => {
      const size = widths[index] ?? 0;
      return isNumeric[index] ? String(cell).padStart(size) : String(cell).padEnd(size);
    });
    const line = cells.join('  ').trimEnd();
    return cut(line, width);
  });
}

/** With … where it was cut; width 0 = never. */
export function cut(line: string, width: number): string {
  return width > 0 && line.length > width ? `${line.slice(0, width - 1)}…` : line;
}

/** All of standard input. @throws too_large */
export async function standardInput(bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > bytesMax) {
      throw new SluiceError(
        'too_large',
        `the value is over ${bytesMax} bytes; the registry takes no more`,
      );
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
