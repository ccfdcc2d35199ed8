// One JSON line per exchange, collected in memory and written twice a second, so that logging costs
// no system call per request. Bounded: when the disk is slower than the traffic, lines are dropped
// and counted, never queued without end; a file that cannot be written (a full disk) is opened again
// every few seconds. No bodies, no header values.

import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

export type AccessLine = {
  /** The address of who sent the request, as Forwarding knows it. */
  readonly client: string;
  readonly request: { readonly method: string; readonly host: string; readonly target: string };
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
const REOPEN_MS = 5000;

export class AccessLog {
  readonly #file: string;
  readonly #log: Log;
  readonly #reopenMs: number;
  readonly #timer: NodeJS.Timeout;
  #output: Writable;
  #lines: string[] = [];
  #dropped = 0;
  #failedMs: number | undefined;

  /** `file` is a path, or '-' for standard output. */
  constructor(file: string, log: Log, reopenMs = REOPEN_MS) {
    this.#file = file;
    this.#log = log;
    this.#reopenMs = reopenMs;
    this.#output = this.#open();
    this.#timer = setInterval(() => this.flush(), FLUSH_MS).unref();
  }

  write({ client, request, ms, ...rest }: AccessLine): void {
    const { method, host, target } = request;
    const time = new Date().toISOString();
    const rounded = Math.round(ms * 10) / 10;
    this.#lines.push(JSON.stringify({ time, client, method, host, target, ms: rounded, ...rest }));
    if (this.#lines.length >= 1000) this.flush();
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    this.#reopenWhenDue();
    if (this.#output.writableLength > QUEUED_BYTES_MAX || this.#output.destroyed) {
      this.#dropped += lines.length;
      return;
    }
    const dropped = this.#dropped;
    const lost = dropped + lines.length;
    if (dropped > 0) lines.unshift(JSON.stringify({ time: new Date().toISOString(), dropped }));
    this.#dropped = 0;
    this.#output.write(`${lines.join('\n')}\n`, (error) => {
      if (error) this.#dropped += lost;
      else this.#recovered();
    });
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
    if (this.#output !== process.stdout) this.#output.end();
  }

  #open(): Writable {
    const file = this.#file;
    const output = file === '-' ? process.stdout : createWriteStream(file, { flags: 'a' });
    output.on('error', (error) => {
      if (this.#failedMs === undefined)
        this.#log.error({ file, error: messageOf(error) }, 'access log cannot be written');
      this.#failedMs = performance.now();
    });
    return output;
  }

  #reopenWhenDue(): void {
    if (this.#file === '-' || this.#failedMs === undefined || !this.#output.destroyed) return;
    if (performance.now() - this.#failedMs < this.#reopenMs) return;
    this.#output = this.#open();
    // Ends the line that may have been cut.
    this.#output.write('\n');
  }

  #recovered(): void {
    if (this.#failedMs === undefined) return;
    this.#failedMs = undefined;
    this.#log.info({ file: this.#file }, 'access log is written again');
  }
}
