// One line per exchange, put into a buffer that is written when it is full or twice a second
// (line-output.ts), so that logging costs no system call per request. A line is JSON (json-line.ts), or what a
// template makes of it (line-format.ts); nothing that a client sends can end it. No bodies.

import type { Log } from '../base/log.ts';
import { parseLogFormat } from '../model.ts';
import { jsonWriter } from './access-log/json-line.ts';
import type { LogKeeper } from './access-log/kept-runs.ts';
import { LineBuffer } from './access-log/line-buffer.ts';
import { templateWriter } from './access-log/line-format.ts';
import { LineOutput, type LineOutputOptions } from './access-log/line-output.ts';
import type { Write } from './access-log/line-parts.ts';
import type { RequestHead } from './message.ts';
import type { Connection } from './transport.ts';

export type { LogKeeper, Write };
export { LineBuffer };

/** What a line can tell. What is costly is worked out when a format asks for it. */
export interface AccessLine {
  /** Of the request: docs/requests.md. */
  readonly id: string;
  /** It is `idPrefix` and this number in hexadecimal digits, 8 or more; 0: `id` alone says it. */
  readonly idNumber: number;
  readonly idPrefix: string;
  /** The address of who sent the request, as Forwarding knows it. */
  readonly client: string;
  /** What lasts as long as the client's connection. */
  readonly keeper: LogKeeper;
  /** The id of the listener that it came in by. */
  readonly listener: string;
  readonly scheme: string;
  readonly connection: Pick<Connection, 'tls' | 'serverName'>;
  readonly request: RequestHead;
  /** Of the response; 0 = none. */
  readonly status: number;
  /** The same, or of the answer that refused its body. */
  readonly statusOrRefusal: number;
  /** That the server sent of the body, or through a tunnel. */
  readonly bytes: number;
  /** Of the response, as the server or the gateway wrote them: `Name: value CRLF`. */
  readonly sentFields: string;
  readonly bytesSent: number;
  readonly bodyBytesSent: number;
  readonly ms: number;
  /** When it ended, on the clock of the gateway. */
  readonly endedMs: number;
  readonly upstream: string;
  /** Every server that was tried, in order. */
  readonly servers: readonly string[];
  /** Where only one was tried, it; else ''. */
  readonly onlyServer: string;
  readonly attempts: readonly AttemptFacts[];
  /** `answered`, `cut`, `lost`, `clientGone` or `refused`. */
  readonly result: string;
  /** Why, when the gateway itself answered or cut; else ''. */
  readonly reason: string;
  /** '' = none. */
  readonly traceId: string;
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
  readonly #write: Write;
  readonly #buffer: LineBuffer;
  /** The time for everybody, and when it was read, on the clock of the gateway. */
  #wallMs = 0;
  #readAtMs = Number.NEGATIVE_INFINITY;

  /** `file` is a path, or '-' for standard output. */
  constructor(file: string, log: Log, options: AccessLogOptions = {}) {
    this.#write = writerOf(options.format ?? 'json');
    this.#output = new LineOutput(file, log, options);
    this.#buffer = new LineBuffer(this.#output);
    this.#timer = setInterval(() => this.flush(), FLUSH_MS).unref();
  }

  write(line: AccessLine): void {
    const { endedMs } = line;
    // To the millisecond: that is as often as it is read.
    if (!(endedMs - this.#readAtMs < 1)) {
      this.#readAtMs = endedMs;
      this.#wallMs = Date.now();
    }
    this.#buffer.begin();
    this.#write(line, this.#buffer, this.#wallMs);
    this.#buffer.end();
  }

  flush(): void {
    this.#buffer.flush();
  }

  /** What comes from now on goes into a file of the configured name, also when the old one was renamed. */
  reopen(): void {
    this.flush();
    this.#output.reopen();
  }

  /** Resolves when every line is written or counted lost. */
  close(): Promise<void> {
    clearInterval(this.#timer);
    this.flush();
    return this.#output.close();
  }
}

function writerOf(format: string): Write {
  if (format === 'json') return jsonWriter();
  const parsed = parseLogFormat(format);
  // The configuration has refused it.
  if ('problem' in parsed) throw new Error(`access log format: ${parsed.problem}`);
  return templateWriter(parsed);
}
