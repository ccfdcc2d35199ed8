// A snapshot as a file: a gzipped tar with meta.json, state.bin and SHA256SUMS, as `consul snapshot`
// packs its own, so that its tools can save, check and restore ours. What is in state.bin is lines.ts.

import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { isSluiceError, messageOf, SluiceError } from '../../../base/errors.ts';
import type { Row } from '../disk.ts';
import { type Frozen, LinesReader, linesOf } from './lines.ts';
import { TAR_END, TarReader, tarHead, tarPadding } from './tar.ts';

/** Of the two small files. */
const SMALL_BYTES_MAX = 64 * 1024;

/** What a snapshot holds, with every entry checked. */
export type Archived = {
  readonly index: number;
  readonly floor: number;
  readonly rows: readonly Row[];
};

/** The archive as a stream of bytes. It holds the frozen entries until it ends. */
export function packArchive(frozen: Frozen, wallMs: number): Readable {
  const plain = Readable.from(pack(frozen, wallMs), { objectMode: false });
  const packed = plain.pipe(createGzip({ level: 1 }));
  plain.on('error', (error) => packed.destroy(error));
  packed.on('close', () => plain.destroy());
  return packed;
}

async function* pack(frozen: Frozen, wallMs: number): AsyncGenerator<Buffer> {
  const seconds = Math.floor(wallMs / 1000);
  const { bytes, sha256 } = await measure(frozen);
  const meta = Buffer.from(
    `${JSON.stringify({
      ...{ Version: 1, ID: `sluice-${frozen.index}-${wallMs}`, Index: frozen.index, Term: 1 },
      ...{ Peers: 'gA==', Configuration: { Servers: [] }, ConfigurationIndex: 0, Size: bytes },
    })}\n`,
  );
  const metaSum = createHash('sha256').update(meta).digest('hex');
  const sums = Buffer.from(`${metaSum}  meta.json\n${sha256}  state.bin\n`);
  const head = (name: string, size: number): Buffer => tarHead({ name, bytes: size }, seconds);
  yield Buffer.concat([head('meta.json', meta.length), meta, tarPadding(meta.length)]);
  yield head('state.bin', bytes);
  for (const piece of linesOf(frozen)) {
    yield piece;
    await turn();
  }
  const sumsHead = head('SHA256SUMS', sums.length);
  yield Buffer.concat([tarPadding(bytes), sumsHead, sums, tarPadding(sums.length), TAR_END]);
}

/** The head of a tar has the size, so the lines are made twice rather than held. */
async function measure(frozen: Frozen): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for (const piece of linesOf(frozen)) {
    hash.update(piece);
    bytes += piece.length;
    await turn();
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Reads and checks a whole archive. @throws usage when it is none, cut or damaged */
export async function unpackArchive(source: AsyncIterable<Uint8Array>): Promise<Archived> {
  const lines = new LinesReader();
  const small = new Map<string, Buffer>();
  const hash = createHash('sha256');
  const tar = new TarReader(({ name }, piece) => {
    if (name === 'state.bin') {
      hash.update(piece);
      lines.push(piece);
      return;
    }
    const text = Buffer.concat([small.get(name) ?? Buffer.alloc(0), piece]);
    if (text.length > SMALL_BYTES_MAX) throw new SluiceError('usage', `${name} is too large`);
    small.set(name, text);
  });
  try {
    const bytes = Readable.from(source, { objectMode: false });
    const gunzip = bytes.pipe(createGunzip());
    bytes.on('error', (error) => gunzip.destroy(error));
    for await (const piece of gunzip) tar.push(piece);
  } catch (error) {
    if (isSluiceError(error)) throw error;
    throw new SluiceError('usage', `the file is damaged, or no snapshot (${messageOf(error)})`, {
      cause: error,
    });
  }
  const content = lines.end();
  const sums = small.get('SHA256SUMS')?.toString() ?? '';
  if (!tar.isComplete || !sums.includes(`${hash.digest('hex')}  state.bin`)) {
    throw new SluiceError('usage', 'the snapshot is damaged (SHA256SUMS do not fit); take another');
  }
  return content;
}
