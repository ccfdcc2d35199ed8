// Where blocks of whole lines go: a file, or standard output. One write is under way at a time and
// each is made of whole lines, appended, so that the lines of several workers never mix. Bounded:
// when the disk is slower than the traffic, lines are dropped and counted, never queued without end;
// a file that cannot be written (a full disk) is opened again every few seconds.
//
// A new file is opened before the old one is left: while its name leads nowhere (a folder that is
// gone, no permission), the old one is written on.

import { close, fstat, fstatSync, open, write } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';

export type LineOutputOptions = {
  /** From a failure to the next attempt, ms. */
  readonly retryMs?: number;
  /** Bytes that wait to be written. */
  readonly queuedBytesMax?: number;
};

type Block = {
  readonly buffer: Buffer;
  readonly bytes: number;
  /** In it; of a remark on lost lines: the lost ones. */
  readonly lines: number;
  readonly isRemark: boolean;
};

const RETRY_MS = 5000;
const QUEUED_BYTES_MAX = 8 * 1024 * 1024;
/** To hand a block over wakes a thread, which takes as long as to make a hundred lines. */
const BLOCK_BYTES = 256 * 1024;
/** Blocks kept for the next lines: one is filled while another is written. */
const SPARE_MAX = 2;
/** What a pipe takes as one piece whoever else writes into it (PIPE_BUF). */
const PIPE_BYTES = 4096;
const NEWLINE = 10;
/** Names of standard output: opened anew, a pipe would block and a socket cannot be had. */
const STANDARD_OUTPUT: ReadonlySet<string> = new Set([
  '-',
  '/dev/stdout',
  '/dev/fd/1',
  '/proc/self/fd/1',
]);

export class LineOutput {
  readonly #file: string;
  readonly #log: Log;
  readonly #retryMs: number;
  readonly #queuedBytesMax: number;
  readonly #isStandard: boolean;
  readonly #spare: Buffer[] = [];
  readonly #closed = Promise.withResolvers<void>();
  #queue: Block[] = [];
  #queuedBytes = 0;
  /** How far the first block is written. */
  #written = 0;
  #descriptor: number | undefined;
  /** Bytes of one write; more only for a longer line. */
  #pieceBytes = BLOCK_BYTES;
  #isBusy = false;
  #wantsOpen = true;
  #isClosing = false;
  /** The last line in the file is cut off. */
  #isTorn = false;
  #dropped = 0;
  #failedMs: number | undefined;

  constructor(file: string, log: Log, options: LineOutputOptions) {
    this.#file = file;
    this.#log = log;
    this.#retryMs = options.retryMs ?? RETRY_MS;
    this.#queuedBytesMax = options.queuedBytesMax ?? QUEUED_BYTES_MAX;
    this.#isStandard = STANDARD_OUTPUT.has(file);
    // A failed write is told to its callback too.
    if (this.#isStandard) {
      process.stdout.on('error', ignore);
      this.#pieceBytes = fstatSync(1).isFile() ? BLOCK_BYTES : PIPE_BYTES;
    }
    this.#pump();
  }

  /** Room for a line of so many bytes, and for more. */
  block(bytes: number): Buffer {
    if (bytes > BLOCK_BYTES) return Buffer.allocUnsafeSlow(bytes);
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
  }

  /** Takes the buffer over, which holds whole lines up to `bytes`. */
  write(buffer: Buffer, bytes: number, lines: number): void {
    if (this.#isPausing() || this.#queuedBytes + bytes > this.#queuedBytesMax) {
      this.#dropped += lines;
      this.#recycle(buffer);
    } else {
      this.#queue.push({ buffer, bytes, lines, isRemark: false });
      this.#queuedBytes += bytes;
    }
    this.#pump();
  }

  reopen(): void {
    this.#wantsOpen = true;
    this.#pump();
  }

  /** Resolves when all is written or lost, and the file is closed. */
  close(): Promise<void> {
    this.#isClosing = true;
    this.#pump();
    return this.#closed.promise;
  }

  /** It failed a short while ago. */
  #isPausing(): boolean {
    if (this.#failedMs === undefined || this.#descriptor !== undefined) return false;
    return performance.now() - this.#failedMs < this.#retryMs;
  }

  /** Begins the next thing to do, if nothing is under way. */
  #pump(): void {
    if (this.#isBusy) return;
    const [block] = this.#queue;
    if (block !== undefined && this.#written > 0) this.#writePiece(block);
    else if (this.#wantsOpen && !this.#isStandard) this.#open();
    else if (block !== undefined) this.#writeNext(block);
    else if (this.#isClosing && this.#dropped > 0 && this.#failedMs === undefined)
      this.#writeRemark();
    else if (this.#isClosing) this.#end();
  }

  #writeNext(block: Block): void {
    if (this.#descriptor === undefined && !this.#isStandard) return this.#open();
    if (this.#isTorn || this.#dropped > 0) this.#writeRemark();
    else this.#writePiece(block);
  }

  /** Says how many lines are missing, after the end of the one that was cut. */
  #writeRemark(): void {
    const said = JSON.stringify({ time: new Date().toISOString(), dropped: this.#dropped });
    const buffer = Buffer.from(`${this.#isTorn ? '\n' : ''}${said}\n`, 'latin1');
    const remark = { buffer, bytes: buffer.length, lines: this.#dropped, isRemark: true };
    this.#queue.unshift(remark);
    this.#queuedBytes += remark.bytes;
    this.#dropped = 0;
    this.#isTorn = false;
    this.#writePiece(remark);
  }

  #writePiece({ buffer, bytes }: Block): void {
    const from = this.#written;
    const to = pieceEnd(buffer, from, bytes, this.#pieceBytes);
    this.#isBusy = true;
    if (this.#isStandard) {
      process.stdout.write(buffer.subarray(from, to), (error) => this.#wrote(error, to - from));
    } else {
      const done = (error: Error | null, count: number): void => this.#wrote(error, count);
      write(this.#descriptor ?? -1, buffer, from, to - from, null, done);
    }
  }

  #wrote(error: Error | null | undefined, count: number): void {
    this.#isBusy = false;
    const [block] = this.#queue;
    if (error) {
      this.#failed(error);
    } else if (block !== undefined) {
      this.#recovered();
      this.#written += count;
      if (this.#written >= block.bytes) {
        this.#queue.shift();
        this.#queuedBytes -= block.bytes;
        this.#written = 0;
        this.#recycle(block.buffer);
      }
    }
    this.#pump();
  }

  #open(): void {
    this.#isBusy = true;
    this.#wantsOpen = false;
    open(this.#file, 'a', (error, descriptor) => {
      if (error) {
        this.#isBusy = false;
        this.#notOpened(error);
        this.#pump();
        return;
      }
      fstat(descriptor, (_, stats) => {
        this.#isBusy = false;
        if (this.#descriptor !== undefined) close(this.#descriptor, ignore);
        this.#descriptor = descriptor;
        this.#pieceBytes = stats?.isFIFO() ? PIPE_BYTES : BLOCK_BYTES;
        this.#pump();
      });
    });
  }

  #notOpened(error: Error): void {
    if (this.#descriptor === undefined) return this.#failed(error);
    const fields = { file: this.#file, error: messageOf(error) };
    this.#log.error(fields, 'access log cannot be opened anew; the old file is written on');
  }

  /** What waits is lost, and counted; the next attempt is after a while. */
  #failed(error: Error): void {
    if (this.#failedMs === undefined)
      this.#log.error(
        { file: this.#file, error: messageOf(error) },
        'access log cannot be written',
      );
    this.#failedMs = performance.now();
    const [first] = this.#queue;
    if (first !== undefined && this.#written > 0) {
      this.#isTorn ||= first.buffer[this.#written - 1] !== NEWLINE;
      if (!first.isRemark) this.#dropped -= linesIn(first.buffer, this.#written);
    }
    for (const { buffer, lines } of this.#queue) {
      this.#dropped += lines;
      this.#recycle(buffer);
    }
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#written = 0;
    if (this.#descriptor !== undefined) close(this.#descriptor, ignore);
    this.#descriptor = undefined;
  }

  #recovered(): void {
    if (this.#failedMs === undefined) return;
    this.#failedMs = undefined;
    this.#log.info({ file: this.#file }, 'access log is written again');
  }

  #end(): void {
    if (this.#descriptor !== undefined) close(this.#descriptor, ignore);
    this.#descriptor = undefined;
    if (this.#dropped > 0)
      this.#log.warn({ file: this.#file, dropped: this.#dropped }, 'access log lines were lost');
    this.#dropped = 0;
    this.#closed.resolve();
  }

  #recycle(buffer: Buffer): void {
    if (buffer.length === BLOCK_BYTES && this.#spare.length < SPARE_MAX) this.#spare.push(buffer);
  }
}

/** The end of the whole lines from `from` on that fit, or of the one line that does not. */
function pieceEnd(buffer: Buffer, from: number, to: number, bytesMax: number): number {
  if (to - from <= bytesMax) return to;
  const last = buffer.lastIndexOf(NEWLINE, from + bytesMax - 1);
  const end = last >= from ? last : buffer.indexOf(NEWLINE, from);
  return end < 0 ? to : end + 1;
}

function linesIn(buffer: Buffer, bytes: number): number {
  let lines = 0;
  for (let at = 0; at < bytes; at += 1) if (buffer[at] === NEWLINE) lines += 1;
  return lines;
}

function ignore(): void {}
