// The last lines of a log, for a person.

import type { Host } from '../../hosts.ts';

const TAIL_BYTES = 32 * 1024;
/** Of a line, on the average, where more of them are asked for. */
const LINE_BYTES = 200;
const TAIL_LINES = 30;
const LINE_LENGTH_MAX = 400;

/** From `offset` on, where a start began; no log is no evidence, not a failure of its own. */
export async function tailOf(
  host: Host,
  file: string,
  offset: number,
  count = TAIL_LINES,
): Promise<readonly string[]> {
  const size = (await host.look(file))?.size ?? 0;
  const most = Math.max(TAIL_BYTES, count * LINE_BYTES);
  const from = Math.max(offset, size - most);
  const bytes = (await host.read(file, from, most)) ?? Buffer.alloc(0);
  const lines = bytes.toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  // The rest of a line may be the rest of a secret, which nobody would know.
  if (from > offset) lines.shift();
  // An app's output goes to a terminal: escape sequences and other controls are taken out.
  return lastOf(lines, count).map((line) => printable(line).slice(0, LINE_LENGTH_MAX));
}

function lastOf(lines: readonly string[], count: number): readonly string[] {
  return lines.slice(Math.max(0, lines.length - count));
}

function printable(line: string): string {
  return line.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '').replace(/(?!\t)\p{Cc}/gu, '');
}
