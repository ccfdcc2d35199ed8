// One line per exchange, put into a buffer that is written when it is full or twice a second
// (line-output.ts), so that logging costs no system call per request. A line is JSON (json-line.ts), or what a
// template makes of it (line-format.ts); nothing that a client sends can end it. No bodies.

import type { Log } from '../base/log.ts';
import { parseLogFormat } from '../model.ts';
import { jsonLine } from './access-log/json-line.ts';
import { lineMaker, type MakeLine } from './access-log/line-format.ts';
import { LineOutput, type LineOutputOptions } from './access-log/line-output.ts';
import type { RequestHead } from './message.ts';

export type AccessLine = {
  /** Of the request: docs/requests.md. */
  readonly id: string;
  /** The address of who sent the request, as Forwarding knows it. */
  readonly client: string;
  /** The id of the listener that it came in by. */
  readonly listener: string;
  readonly request: Pick<RequestHead, 'method' | 'host' | 'target'>;
  /** 0 = none. */
  readonly status: number;
  /** That the server sent of the body, or through a tunnel. */
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

/** What a template can ask for beside that; it is worked out when it is asked for. */
export interface LineDetails {
  readonly request: RequestHead;
  readonly scheme: string;
  /** 0 = none. */
  readonly status: number;
  /** Of the response, as the server or the gateway wrote them: `Name: value CRLF`. */
  readonly sentFields: string;
  /** '' = none. */
  readonly traceId: string;
  readonly bytesSent: number;
  readonly bodyBytesSent: number;
  readonly attempts: readonly AttemptFacts[];
}

export type AttemptFacts = {
  readonly server: string;
  /** What it would have been for the client, where the attempt failed; 0 = none. */
  readonly status: number;
  /** 0: on a kept connection; null: it did not come to one. */
  readonly connectMs: number | null;
  readonly headMs: number | null;
  readonly tookMs: number;
};

export type AccessLogOptions = LineOutputOptions & {
  /** As it is configured: `json`, `combined` or a template. */
  readonly format?: string;
};

const FLUSH_MS = 500;

export class AccessLog {
  readonly #output: LineOutput;
  readonly #timer: NodeJS.Timeout;
  readonly #make: MakeLine;
  #block: Buffer;
  #bytes = 0;
  #lines = 0;

  /** `file` is a path, or '-' for standard output. */
  constructor(file: string, log: Log, options: AccessLogOptions = {}) {
    this.#make = makerOf(options.format ?? 'json');
    this.#output = new LineOutput(file, log, options);
    this.#block = this.#output.block(0);
    this.#timer = setInterval(() => this.flush(), FLUSH_MS).unref();
  }

  write(line: AccessLine, details: LineDetails): void {
    const text = this.#make(line, details);
    if (this.#bytes + text.length > this.#block.length) {
      this.#seal();
      this.#block = this.#output.block(text.length);
    }
    this.#bytes += this.#block.write(text, this.#bytes, 'latin1');
    this.#lines += 1;
  }

  flush(): void {
    if (this.#lines === 0) return;
    this.#seal();
    this.#block = this.#output.block(0);
  }

  /** What comes from now on goes into a file of the configured name, also when the old one was renamed. */
  reopen(): void {
    this.flush();
    this.#output.reopen();
  }

  /** Resolves when every line is written or counted lost. */
  close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#lines > 0) this.#seal();
    return this.#output.close();
  }

  #seal(): void {
    this.#output.write(this.#block, this.#bytes, this.#lines);
    this.#bytes = 0;
    this.#lines = 0;
  }
}

function makerOf(format: string): MakeLine {
  if (format === 'json') return jsonLine;
  const parsed = parseLogFormat(format);
  // The configuration has refused it.
  if ('problem' in parsed) throw new Error(`access log format: ${parsed.problem}`);
  return lineMaker(parsed);
}
