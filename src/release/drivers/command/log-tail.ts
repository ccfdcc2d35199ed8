// The last lines of a log, for a person.

import type { Host } from '../../hosts.ts';

const TAIL_BYTES = 32 * 1024;
const TAIL_LINES = 30;
const LINE_LENGTH_MAX = 400;

/** From `offset` on, where a start began; no log is no evidence, not a failure of its own. */
export async function tailOf(host: Host, file: string, offset: number): Promise<readonly string[]> {
  const size = (await host.look(file))?.size ?? 0;
  const from = Math.max(offset, size - TAIL_BYTES);
  const bytes = (await host.read(file, from, TAIL_BYTES)) ?? Buffer.alloc(0);
  const lines = bytes.toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  // The rest of a line may be the rest of a secret, which nobody would know.
  if (from > offset) lines.shift();
  // An app's output goes to a terminal: escape sequences and other controls are taken out.
  return lines.slice(-TAIL_LINES).map((line) => printable(line).slice(0, LINE_LENGTH_MAX));
}

function printable(line: string): string {
  return line.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '').replace(/(?!\t)\p{Cc}/gu, '');
}
