// An archive, read once from its first byte to its last: its checksum, how much it unpacks to, its
// version's stamp, and whether it may be unpacked at all.

import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { PassThrough, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { messageOf, SluiceError, systemCode } from '../../base/errors.ts';
import { versionProblem } from '../../base/version-name.ts';
import { ArchiveSafety } from './safety.ts';
import { readTar, TarProblem } from './tar/read.ts';

export type ArchiveFormat = 'tar' | 'gzip' | 'zstd';

export type Archive = {
  readonly file: string;
  readonly format: ArchiveFormat;
  /** sha256 of the file, in hex. */
  readonly checksum: string;
  readonly bytes: number;
  /** On a disk of blocks of 4 KB. */
  readonly unpackedBytes: number;
  /** The version in it; '' when it has no stamp. */
  readonly stamp: string;
};

const DISK_BLOCK = 4096;

/**
 * `shown`: what a person knows it by, when that is not the file.
 * @throws preflight_failed when it is no archive, or must not be unpacked
 */
export async function inspectArchive(
  file: string,
  stampPath: string,
  shown = file,
): Promise<Archive> {
  const refused = (why: string, cause?: unknown): SluiceError =>
    new SluiceError('preflight_failed', `artifact ${shown}: ${why}`, { cause });
  try {
    const format = await formatOf(file);
    const hash = createHash('sha256');
    const counter = new Counter(hash);
    const unpacked = new PassThrough();
    const opened =
      format === 'gzip' ? createGunzip() : format === 'zstd' ? createZstdDecompress() : [];
    const stages = Array.isArray(opened) ? [] : [opened];
    const reading = pipeline([createReadStream(file), counter, ...stages, unpacked]);
    const [facts] = await Promise.all([readEntries(unpacked, stampPath), reading]).catch(
      async (error: unknown) => {
        unpacked.destroy();
        await reading.catch(() => {}); // It is the same failure, or its consequence.
        throw error;
      },
    );
    return { file, format, checksum: hash.digest('hex'), bytes: counter.bytes, ...facts };
  } catch (error) {
    if (error instanceof TarProblem) throw refused(`${error.message}; build it again`, error);
    const code = systemCode(error);
    if (code === 'ENOENT') throw refused('does not exist; see that build makes it', error);
    if (/^(?:Z_|ZSTD_|ERR_ZLIB|ERR_|ZSTD)/.test(code)) {
      throw refused(`is broken (${messageOf(error)}); build it again`, error);
    }
    throw refused(messageOf(error), error);
  }
}

async function readEntries(
  bytes: AsyncIterable<Buffer>,
  stampPath: string,
): Promise<Pick<Archive, 'unpackedBytes' | 'stamp'>> {
  const safety = new ArchiveSafety();
  const isStamp = (name: string): boolean => name.replace(/^(?:\.\/+)+/, '') === stampPath;
  let unpackedBytes = 0;
  let files = 0;
  let stamp = '';
  for await (const entry of readTar(bytes, isStamp)) {
    const problem = safety.add(entry);
    if (problem !== '') throw new TarProblem(`must not be unpacked: ${problem}`);
    if (entry.kind === 'file') files += 1;
    unpackedBytes += DISK_BLOCK + Math.ceil(entry.size / DISK_BLOCK) * DISK_BLOCK;
    if (entry.content !== null) stamp = readStamp(entry.content, stampPath);
  }
  const out = safety.leadingOut();
  if (out !== '') throw new TarProblem(`must not be unpacked: ${out}`);
  if (files === 0) throw new TarProblem('holds no file');
  return { unpackedBytes, stamp };
}

function readStamp(content: Buffer, path: string): string {
  const [first = ''] = content.toString().split(/\r?\n/, 1);
  const stamp = first.trim();
  const problem = versionProblem(stamp);
  if (problem !== '') throw new TarProblem(`has a stamp ${path} that names no version: ${problem}`);
  return stamp;
}

/** By its first bytes: a name may say anything. */
async function formatOf(file: string): Promise<ArchiveFormat> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    if (buffer.readUInt16BE(0) === 0x1f8b) return 'gzip';
    return buffer.readUInt32BE(0) === 0x28b52ffd ? 'zstd' : 'tar';
  } finally {
    await handle.close();
  }
}

/** Passes bytes on, counts them and sums them up. */
class Counter extends Transform {
  readonly #hash: Hash;
  bytes = 0;

  constructor(hash: Hash) {
    super();
    this.#hash = hash;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length;
    this.#hash.update(chunk);
    done(null, chunk);
  }
}
