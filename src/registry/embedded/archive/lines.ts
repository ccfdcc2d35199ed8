// The content of a snapshot: a line that says what it is, then each entry as a line of JSON with the
// checksum that it has on the disk, so that a snapshot is as good a witness as the database.

import { SluiceError } from '../../../base/errors.ts';
import { isIntact, type Row, rowOf, TOMBSTONE, tombstoneEntry } from '../disk.ts';
import type { Entry } from '../entry.ts';
import type { KeyTable } from '../key-table.ts';

const FORMAT = 1;
/** A value of 512 KiB in base64, its key in escapes, and some. */
const LINE_BYTES_MAX = 4 * 1024 * 1024;
const LINES_AT_ONCE = 512;

/** What a table held at one moment. Later writes do not change it. */
export type Frozen = {
  readonly index: number;
  readonly floor: number;
  readonly entries: number;
  readonly families: readonly (readonly [string, readonly Entry[]])[];
};

export function freeze(table: KeyTable): Frozen {
  const families: [string, readonly Entry[]][] = table
    .families()
    .map((name) => [name, table.family(name).values('')]);
  families.push([
    TOMBSTONE,
    table.tombstones.pairs('').map(([key, index]) => tombstoneEntry(key, index)),
  ]);
  const entries = families.reduce((sum, [, list]) => sum + list.length, 0);
  return { index: table.index, floor: table.floor, entries, families };
}

/** The lines in pieces of some hundred, so that whoever writes them can let others in between. */
export function* linesOf({ index, floor, entries, families }: Frozen): Generator<Buffer> {
  yield Buffer.from(`${JSON.stringify({ 'sluice-registry': FORMAT, index, floor, entries })}\n`);
  for (const [family, list] of families) {
    for (let at = 0; at < list.length; at += LINES_AT_ONCE) {
      const lines = list.slice(at, at + LINES_AT_ONCE).map((entry) => lineOf(family, entry));
      yield Buffer.from(lines.join(''));
    }
  }
}

function lineOf(family: string, entry: Entry): string {
  const row: unknown[] = [...rowOf(family, entry)];
  const { content } = entry;
  if (typeof content !== 'string') row[2] = { base64: Buffer.from(content).toString('base64') };
  return `${JSON.stringify(row)}\n`;
}

/** Reads what `linesOf` wrote, in pieces of any size. @throws usage when it is something else, or damaged */
export class LinesReader {
  readonly rows: Row[] = [];
  #index = 0;
  #floor = 0;
  #entries: number | undefined;
  #pieces: Buffer[] = [];
  #bytes = 0;

  push(piece: Buffer): void {
    let from = 0;
    for (let end = piece.indexOf(10); end !== -1; end = piece.indexOf(10, from)) {
      this.#pieces.push(piece.subarray(from, end));
      this.#line(Buffer.concat(this.#pieces).toString());
      this.#pieces = [];
      this.#bytes = 0;
      from = end + 1;
    }
    if (from === piece.length) return;
    this.#pieces.push(Buffer.from(piece.subarray(from)));
    this.#bytes += piece.length - from;
    if (this.#bytes > LINE_BYTES_MAX) throw foreign();
  }

  end(): { readonly index: number; readonly floor: number; readonly rows: readonly Row[] } {
    if (this.#entries === undefined) throw foreign();
    if (this.#bytes > 0 || this.rows.length !== this.#entries) {
      throw new SluiceError(
        'usage',
        `the snapshot is cut: ${this.rows.length} of ${this.#entries} entries are there`,
      );
    }
    return { index: this.#index, floor: this.#floor, rows: this.rows };
  }

  #line(text: string): void {
    const value = parse(text);
    if (this.#entries !== undefined) {
      this.rows.push(readRow(value));
      return;
    }
    if (typeof value !== 'object' || value === null || !('sluice-registry' in value)) {
      throw foreign();
    }
    const {
      'sluice-registry': format,
      index,
      floor,
      entries,
    } = { index: 0, floor: 0, entries: 0, ...value };
    if (format !== FORMAT) {
      throw new SluiceError(
        'usage',
        `the snapshot has format ${String(format)}, this version reads ${FORMAT}; use the version that wrote it`,
      );
    }
    [this.#index, this.#floor, this.#entries] = [index, floor, entries];
  }
}

function readRow(value: unknown): Row {
  const row: unknown[] = Array.isArray(value) ? [...value] : [];
  const content = row[2];
  if (typeof content === 'object' && content !== null && 'base64' in content) {
    row[2] = new Uint8Array(Buffer.from(String(content.base64), 'base64'));
  }
  if (isIntact(row)) return row;
  throw new SluiceError(
    'usage',
    `the snapshot is damaged: the entry ${JSON.stringify(row[1] ?? '')} is not what was saved; take another`,
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function foreign(): SluiceError {
  return new SluiceError(
    'usage',
    'this is no snapshot of a Sluice registry; one of a Consul belongs into a Consul, and "sluice registry copy" copies between them',
  );
}
