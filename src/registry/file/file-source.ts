// A file of servers as a source: read at the start and whenever it changes. A file that is missing or
// broken changes nothing in the membership; it is said in the log and shown in the status until it is
// good again. Nothing is written here: the file belongs to whoever writes it.

import { isUtf8 } from 'node:buffer';
import { type BigIntStats, constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { messageOf, systemCode } from '../../base/errors.ts';
import { FileWatch } from '../../base/file-watch.ts';
import type { Log } from '../../base/log.ts';
import type { FollowOptions, MembershipSource, SourceHealth } from '../membership-source.ts';
import { MembershipReader, ProblemLog } from '../records.ts';
import { type ReadDocument, readServerList } from './server-list.ts';

export type { ReadDocument } from './server-list.ts';

/** Ten thousand servers with attributes; it is read in the process that decides. */
const FILE_BYTES_MAX = 1024 * 1024;
/** A file that was written less than that ago may be half written, ms. */
const FRESH_MS = 100;
/** A file that never rests is read after that long all the same, ms. */
const FRESH_MAX_MS = 2000;
/** Two writes within this may carry the same time: what is read so early is read once more, ms. */
const CLOCK_MS = 1000;

type FileOptions = {
  readonly path: string;
  readonly log: Log;
  readonly readDocument: ReadDocument;
};

export function fileSource(options: FileOptions): MembershipSource {
  const health: { now: SourceHealth } = {
    now: { reachable: false, address: options.path, lastContactMs: 0, trouble: '' },
  };
  return {
    follow: (follow) =>
      new FileFollower({ ...options, ...follow, setHealth: (next) => (health.now = next) }),
    health: () => health.now,
  };
}

type FollowerOptions = FileOptions & FollowOptions & { setHealth(health: SourceHealth): void };

class FileFollower {
  readonly #options: FollowerOptions;
  readonly #reader: MembershipReader;
  readonly #problems: ProblemLog;
  readonly #watch: FileWatch;
  #index = 0;
  #isClosed = false;
  #isLooking = false;
  /** The state of the file that was judged last; '' = look again. */
  #stamp = '';
  /** The text that the membership is from. */
  #text: string | undefined;
  #freshSinceMs: number | undefined;
  #health: SourceHealth;
  /** What was told last; undefined before the first look. */
  #reachable: boolean | undefined;

  constructor(options: FollowerOptions) {
    const { path, log, allowEmpty, initial } = options;
    this.#options = options;
    this.#reader = new MembershipReader('', allowEmpty, initial);
    this.#problems = new ProblemLog(log.child({ file: path }));
    this.#health = { reachable: false, address: path, lastContactMs: 0, trouble: '' };
    this.#watch = new FileWatch(path, () => void this.#look());
  }

  close(): void {
    this.#isClosed = true;
    this.#watch.close();
  }

  async #look(): Promise<void> {
    // A slow disk: the regular look comes again.
    if (this.#isLooking) return this.#watch.lookSoon();
    this.#isLooking = true;
    const found = await this.#read().catch((error: unknown) => ({ trouble: troubleOf(error) }));
    this.#isLooking = false;
    if (this.#isClosed || found === 'unfinished') return;
    if (found === 'unchanged') {
      if (this.#reachable === true) this.#setHealth(true, '');
      return;
    }
    if ('trouble' in found) {
      this.#stamp = '';
      return this.#fail(found.trouble);
    }
    this.#stamp = found.stamp;
    this.#judge(found.text);
  }

  async #read(): Promise<
    { readonly text: string; readonly stamp: string } | 'unchanged' | 'unfinished'
  > {
    const { path } = this.#options;
    const before = await stat(path, { bigint: true });
    if (stampOf(before) === this.#stamp) return 'unchanged';
    if (!before.isFile()) throw new Error('is not a file; correct registry.file.path');
    if (this.#isFresh(before)) {
      this.#watch.lookSoon();
      return 'unfinished';
    }
    if (before.size > FILE_BYTES_MAX)
      throw new Error(
        `has ${before.size} bytes, at most ${FILE_BYTES_MAX} are read; is it the file?`,
      );
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const bytes = Buffer.alloc(FILE_BYTES_MAX + 1);
      let length = 0;
      for (;;) {
        const { bytesRead } = await handle.read(bytes, length, bytes.length - length, length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      const after = await handle.stat({ bigint: true });
      if (stampOf(after) !== stampOf(before)) {
        this.#watch.lookSoon();
        return 'unfinished';
      }
      const text = bytes.subarray(0, length);
      if (!isUtf8(text)) throw new Error('holds bytes that are not UTF-8; save it as UTF-8');
      return { text: text.toString(), stamp: this.#isYoung(after) ? '' : stampOf(after) };
    } finally {
      await handle.close();
    }
  }

  /** It was written a moment ago. A file that is written all the time is not fresh for ever. */
  #isFresh({ mtimeMs }: BigIntStats): boolean {
    const nowMs = performance.now();
    const isFresh = Math.abs(Date.now() - Number(mtimeMs)) < FRESH_MS;
    if (!isFresh) {
      this.#freshSinceMs = undefined;
      return false;
    }
    this.#freshSinceMs ??= nowMs;
    if (nowMs - this.#freshSinceMs < FRESH_MAX_MS) return true;
    this.#freshSinceMs = undefined;
    return false;
  }

  #isYoung({ mtimeMs }: BigIntStats): boolean {
    return Math.abs(Date.now() - Number(mtimeMs)) < CLOCK_MS;
  }

  #judge(text: string): void {
    if (this.#reachable === true && text === this.#text) return this.#setHealth(true, '');
    const entries = readServerList(text.replace(/^\ufeff/, ''), this.#options.readDocument);
    if (typeof entries === 'string') return this.#fail(entries);
    this.#text = text;
    this.#index += 1;
    const membership = this.#reader.read({ index: this.#index, entries });
    this.#setHealth(true, '');
    this.#problems.note(membership);
    this.#options.onMembership(membership);
  }

  #fail(trouble: string): void {
    const { log, path } = this.#options;
    if (trouble !== this.#health.trouble) {
      log.warn(
        { file: path, reason: trouble },
        'servers file cannot be used, what was known stays',
      );
    }
    this.#setHealth(false, trouble);
  }

  #setHealth(reachable: boolean, trouble: string): void {
    const { log, path, onHealth, setHealth } = this.#options;
    const lastContactMs = reachable ? Date.now() : this.#health.lastContactMs;
    this.#health = { ...this.#health, reachable, trouble, lastContactMs };
    setHealth(this.#health);
    if (this.#reachable === reachable) return;
    if (this.#reachable === false) log.info({ file: path }, 'servers file is good again');
    this.#reachable = reachable;
    onHealth?.(this.#health);
  }
}

/** Another file under the name, or other bytes in it, have another stamp. */
function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

function troubleOf(error: unknown): string {
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'does not exist; write it, or correct registry.file.path';
    case 'EACCES':
      return 'may not be read by this user; change its permissions';
    default:
      return messageOf(error);
  }
}
