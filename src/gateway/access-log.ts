// One JSON line per exchange, put into a buffer that is written when it is full or twice a second
// (line-output.ts), so that logging costs no system call and no object per request. A line is pure
// ASCII: whatever a client may have sent, a quote or a byte beyond ASCII, stands there escaped, so
// that each line is valid JSON in valid UTF-8. No bodies, no header values.

import type { Log } from '../base/log.ts';
import { LineOutput, type LineOutputOptions } from './access-log/line-output.ts';

export type AccessLine = {
  /** Of the request: docs/requests.md. */
  readonly id: string;
  /** The address of who sent the request, as Forwarding knows it. */
  readonly client: string;
  /** The id of the listener that it came in by. */
  readonly listener: string;
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

export class AccessLog {
  readonly #output: LineOutput;
  readonly #timer: NodeJS.Timeout;
  #block: Buffer;
  #bytes = 0;
  #lines = 0;

  /** `file` is a path, or '-' for standard output. */
  constructor(file: string, log: Log, options: LineOutputOptions = {}) {
    this.#output = new LineOutput(file, log, options);
    this.#block = this.#output.block(0);
    this.#timer = setInterval(() => this.flush(), FLUSH_MS).unref();
  }

  write(line: AccessLine): void {
    const text = lineOf(line);
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

function lineOf(line: AccessLine): string {
  const { method, host, target } = line.request;
  const tenths = Math.round(line.ms * 10);
  const fraction = tenths % 10;
  // One expression: V8 joins the pieces once, when they are copied into the block.
  return `{"time":"${timeText()}","client":"${safe(line.client)}","listener":"${safe(line.listener)}","method":"${safe(method)}","host":"${safe(host)}","target":"${safe(target)}","ms":${(tenths - fraction) / 10}${fraction === 0 ? '' : `.${fraction}`},"status":${line.status},"bytes":${line.bytes},"upstream":"${safe(line.upstream)}","servers":[${serversText(line.servers)}],"result":"${safe(line.result)}","reason":"${safe(line.reason)}","id":"${safe(line.id)}"}\n`;
}

function serversText(servers: readonly string[]): string {
  let text = '';
  for (const server of servers) text += text === '' ? `"${safe(server)}"` : `,"${safe(server)}"`;
  return text;
}

const UNSAFE = /["\\\x00-\x1f\x7f-\uffff]/;
const UNSAFE_EACH = new RegExp(UNSAFE, 'g');

/** The text as it stands between the quotes of a JSON string, in ASCII. */
function safe(text: string): string {
  return UNSAFE.test(text) ? text.replace(UNSAFE_EACH, escaped) : text;
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

let nowMs = 0;
let nowText = '';

/** Made once per millisecond: under load many lines have the same. */
function timeText(): string {
  const ms = Date.now();
  if (ms !== nowMs) {
    nowMs = ms;
    nowText = new Date(ms).toISOString();
  }
  return nowText;
}
