// Reads the entries of a tar archive: ustar, and the extensions of GNU and pax for long names and
// large files, since these are what tar, npm and Python write. It looks at what stands in it and
// unpacks nothing. What it does not know, or what two readers could understand in two ways, it
// refuses: the tar of a host must not see another archive than we did.

import { BLOCK, isZero, readHeader } from './header.ts';

export type TarEntry = {
  /** As it stands there. */
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link' | 'hard link' | 'other';
  /** Of what is none of the others, in words: `a device`. */
  readonly what: string;
  readonly size: number;
  /** Of a link. */
  readonly target: string;
  /** Of a file that was asked for: its first bytes. */
  readonly content: Buffer | null;
};

const NAME_BYTES_MAX = 64 * 1024;
/** What is read of a file that was asked for. */
const CONTENT_BYTES_MAX = 4096;

const KINDS: Readonly<Record<string, TarEntry['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '5': 'folder',
  '2': 'link',
  '1': 'hard link',
};
const OTHERS: Readonly<Record<string, string>> = {
  '3': 'a device',
  '4': 'a device',
  '6': 'a pipe',
  S: 'a file with holes (tar --sparse)',
};

/** @throws TarProblem when it is no archive, is torn, or holds what is not known. */
export async function* readTar(
  bytes: AsyncIterable<Buffer>,
  isWanted: (name: string) => boolean,
): AsyncGenerator<TarEntry> {
  const input = new Input(bytes);
  let extra = new Map<string, string>();
  for (;;) {
    const at = input.position;
    const block = await input.take(BLOCK);
    if (block.length === 0 && at > 0) break;
    if (block.length === BLOCK && isZero(block)) {
      if (!(await input.isRestZero())) throw new TarProblem('goes on after its end');
      break;
    }
    const header = block.length < BLOCK ? null : readHeader(block);
    if (header === null) {
      throw new TarProblem(at === 0 ? 'is no tar archive' : `is broken at byte ${at}`);
    }
    const { type } = header;
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
      if (header.size > NAME_BYTES_MAX) throw new TarProblem(`has an endless name at byte ${at}`);
      const body = await input.body(header.size);
      if (type === 'g') refuseGlobal(body);
      else extra = new Map([...extra, ...(type === 'x' ? readPax(body) : [readLong(type, body)])]);
      continue;
    }
    const size = readSize(extra.get('size')) ?? header.size;
    const name = extra.get('path') ?? header.name;
    const target = extra.get('linkpath') ?? header.target;
    const isSparse = [...extra.keys()].some((key) => key.startsWith('GNU.sparse'));
    extra = new Map();
    const known = isSparse ? 'other' : kindOf(type, name);
    const isFile = known === 'file';
    const kind = isFile || size === 0 ? known : 'other';
    const isRead = isFile && isWanted(name);
    const content = isRead ? await input.take(Math.min(size, CONTENT_BYTES_MAX)) : null;
    await input.skip((isFile ? size : 0) - (content?.length ?? 0), isFile ? size : 0);
    const named = known === 'other' ? 'of an unknown type' : `a ${known} with a body`;
    const what = (isSparse ? OTHERS['S'] : OTHERS[type]) ?? named;
    yield { name, kind, what, size: isFile ? size : 0, target, content };
    if (kind === 'other') return;
  }
}

/** Why an archive cannot be read, as the end of a sentence about it. */
export class TarProblem extends Error {}

/** Archives of before 1988 name a folder by a slash alone. */
function kindOf(type: string, name: string): TarEntry['kind'] {
  const kind = KINDS[type] ?? 'other';
  return kind === 'file' && name.endsWith('/') ? 'folder' : kind;
}

function readLong(type: 'L' | 'K', body: Buffer): readonly [string, string] {
  const end = body.indexOf(0);
  const text = body.subarray(0, end === -1 ? body.length : end).toString();
  return [type === 'L' ? 'path' : 'linkpath', text];
}

/** `27 path=a/long/name\n`: the number counts itself. */
function readPax(body: Buffer): readonly (readonly [string, string])[] {
  const found: (readonly [string, string])[] = [];
  let rest = body;
  while (rest.length > 0) {
    const blank = rest.indexOf(0x20);
    const length = Number(rest.subarray(0, Math.max(0, blank)).toString() || Number.NaN);
    if (!Number.isInteger(length) || length <= blank || length > rest.length) {
      throw new TarProblem('has a pax header that is none');
    }
    const record = rest.subarray(blank + 1, length - 1).toString();
    const equals = record.indexOf('=');
    found.push([record.slice(0, equals), record.slice(equals + 1)]);
    rest = rest.subarray(length);
  }
  return found;
}

/** `git archive` writes the commit as a global comment; what would change each entry is refused. */
function refuseGlobal(body: Buffer): void {
  for (const [key] of readPax(body)) {
    if (['path', 'linkpath', 'size'].includes(key) || key.startsWith('GNU.')) {
      throw new TarProblem(`has a global pax header (${key})`);
    }
  }
}

function readSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new TarProblem('has a size that is no number');
  return Number(text);
}

/** Bytes of the archive in the pieces that are asked for. */
class Input {
  readonly #bytes: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  position = 0;

  constructor(bytes: AsyncIterable<Buffer>) {
    this.#bytes = bytes[Symbol.asyncIterator]();
  }

  /** Fewer only at the end of the archive. */
  async take(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let missing = count;
    while (missing > 0 && (await this.#fill())) {
      const part = this.#chunk.subarray(0, missing);
      this.#chunk = this.#chunk.subarray(part.length);
      this.position += part.length;
      missing -= part.length;
      parts.push(part);
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  /** A body with what fills its last block. */
  async body(size: number): Promise<Buffer> {
    const body = await this.take(size);
    await this.skip(size - body.length, size);
    return body;
  }

  /** What is left of a body of `size`, and what fills its last block. */
  async skip(left: number, size: number): Promise<void> {
    let missing = left + ((BLOCK - (size % BLOCK)) % BLOCK);
    while (missing > 0) {
      if (!(await this.#fill())) throw new TarProblem('ends in the middle');
      const count = Math.min(missing, this.#chunk.length);
      this.#chunk = this.#chunk.subarray(count);
      this.position += count;
      missing -= count;
    }
  }

  async isRestZero(): Promise<boolean> {
    let isZeroSoFar = true;
    while (await this.#fill()) {
      isZeroSoFar &&= isZero(this.#chunk);
      this.#chunk = Buffer.alloc(0);
    }
    return isZeroSoFar;
  }

  async #fill(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const next = await this.#bytes.next();
      if (next.done === true) return false;
      this.#chunk = next.value;
    }
    return true;
  }
}
