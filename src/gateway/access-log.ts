// One JSON line per exchange, collected in memory and written twice a second, so that logging costs
// no system call per request. Bounded: when the disk is slower than the traffic, lines are dropped
// and counted, never queued without end. No bodies, no header values.

import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

export type AccessLine = {
  readonly client: string;
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly status: number;
  readonly bytes: number;
  readonly ms: number;
  readonly upstream: string;
  /** Every server that was tried, in order. */
  readonly servers: readonly string[];
  /** `answered`, `cut`, `lost`, `clientGone` or `refused`. */
  readonly result: string;
  /** Why, when the gateway itself answered or cut; else ''. */
  readonly reason: string;
};

const FLUSH_MS = 500;
const QUEUED_BYTES_MAX = 8 * 1024 * 1024;

export class AccessLog {
  readonly #output: Writable;
  readonly #timer: NodeJS.Timeout;
  #lines: string[] = [];
  #dropped = 0;

  /** `file` is a path, or '-' for standard output. */
  constructor(file: string, log: Log) {
    this.#output = file === '-' ? process.stdout : createWriteStream(file, { flags: 'a' });
    this.#output.on('error', (error) => {
      log.error({ file, error: messageOf(error) }, 'access log cannot be written');
    });
    this.#timer = setInterval(() => this.flush(), FLUSH_MS).unref();
  }

  write(line: AccessLine): void {
    this.#lines.push(
      JSON.stringify({
        time: new Date().toISOString(),
        ...line,
        ms: Math.round(line.ms * 10) / 10,
      }),
    );
    if (this.#lines.length >= 1000) this.flush();
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    if (this.#output.writableLength > QUEUED_BYTES_MAX || this.#output.destroyed) {
      this.#dropped += lines.length;
      return;
    }
    if (this.#dropped > 0) {
      lines.unshift(JSON.stringify({ time: new Date().toISOString(), dropped: this.#dropped }));
      this.#dropped = 0;
    }
    this.#output.write(`${lines.join('\n')}\n`);
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
    if (this.#output !== process.stdout) this.#output.end();
  }
}
