// One probe of one server on a connection of its own, a bare socket: an HTTP client would wait for
// heads and bodies, follow its own rules and share connections. Ends exactly once, within the
// timeout, whatever the server does, and leaves no socket behind.
//
// http: send the text, and the class of the first complete status line decides.
// tcp: connect, then look for PEEK_MS: closed or reset at once = dead; data or still open = alive.

import { connect, type Socket } from 'node:net';
import { systemCode } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import type { LoopWatch } from './loop-watch.ts';
import type { CheckSpec, StatusClass } from './spec.ts';
import { readStatusLine, STATUS_LINE_BYTES_MAX } from './status-line.ts';

/** void: the fault was on our side; it says nothing about the server. */
export type ProbeOutcome = 'pass' | 'fail' | 'void';

export type ProbeResult = { readonly outcome: ProbeOutcome; readonly reason: string };

export type ProbeOptions = {
  /** The server's own; the spec may name another port to probe. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly spec: CheckSpec;
  readonly watch: Pick<LoopWatch, 'stalledMs'>;
  readonly now: () => number;
  /** Called once, never before startProbe has returned. */
  readonly onEnd: (result: ProbeResult) => void;
};

/** A probe under way. `close` ends it without a result. */
export type Probe = { close(): void };

/**
 * How long a tcp probe looks at a fresh connection. The check module looks once, at once, and takes
 * a server that accepts and closes for alive when the close is a moment behind. Part of the timeout.
 */
const PEEK_MS = 25;

/** Of the timeout: if our own loop stood still for more than this part of it, it does not count. */
const STALL_PART = 1 / 4;

/** Out of sockets, ports or memory: ours, not the server's. */
const OUR_FAULTS: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'EADDRNOTAVAIL',
  'ENOBUFS',
  'ENOMEM',
]);

export function startProbe(options: ProbeOptions): Probe {
  const running = new RunningProbe(options);
  running.start();
  return running;
}

class RunningProbe implements Probe {
  readonly #options: ProbeOptions;
  readonly #startMs: number;
  readonly #stalledMs: number;
  #socket: Socket | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #peek: NodeJS.Timeout | undefined;
  #isConnected = false;
  #isOver = false;
  #text = '';

  constructor(options: ProbeOptions) {
    this.#options = options;
    this.#startMs = options.now();
    this.#stalledMs = options.watch.stalledMs();
  }

  start(): void {
    const { host, port, spec } = this.#options;
    this.#deadline = afterPoll(spec.timeoutMs, () => this.#timeOut());
    try {
      // connect throws for an argument that it does not like; to a caller that is a failed probe.
      const socket = connect({ host, port: spec.port === 0 ? port : spec.port, noDelay: true });
      this.#socket = socket;
      socket.on('error', (error) => this.#failed(error));
      socket.on('connect', () => this.#connected(socket));
      socket.on('data', (chunk: Buffer) => this.#answered(chunk));
      socket.on('end', () => this.#closed());
      socket.on('close', () => this.#closed());
    } catch (error) {
      setImmediate(() => this.#failed(error));
    }
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#deadline);
    clearTimeout(this.#peek);
    // The error listener stays: a destroyed socket may still report.
    this.#socket?.destroy();
  }

  #connected(socket: Socket): void {
    if (this.#isOver) return;
    this.#isConnected = true;
    if (this.#options.spec.type === 'http') {
      socket.write(requestText(this.#options), 'latin1');
    } else {
      this.#peek = afterPoll(PEEK_MS, () => this.#end('pass', `open ${this.#elapsed()}`));
    }
  }

  #answered(chunk: Buffer): void {
    if (this.#isOver) return;
    if (this.#options.spec.type === 'tcp') {
      this.#end('pass', `data ${this.#elapsed()}`);
      return;
    }
    this.#text += chunk.toString('latin1', 0, STATUS_LINE_BYTES_MAX - this.#text.length);
    const line = readStatusLine(this.#text);
    if (line.kind === 'more') return;
    if (line.kind === 'malformed') {
      this.#end('fail', `no HTTP status line but ${quote(this.#text)}`);
      return;
    }
    const isExpected = this.#options.spec.expect.includes(statusClass(line.status));
    const reason = `${line.status} ${this.#elapsed()}`;
    this.#end(isExpected ? 'pass' : 'fail', isExpected ? reason : `${reason}, not expected`);
  }

  #closed(): void {
    const what =
      this.#options.spec.type === 'http' ? 'before a status line' : 'right after connect';
    this.#end('fail', `closed ${what}`);
  }

  #failed(error: unknown): void {
    const code = systemCode(error) || 'failed';
    if (OUR_FAULTS.has(code))
      this.#end('void', `not counted: no connection possible here, ${code}`);
    else this.#end('fail', `${this.#isConnected ? 'connection' : 'connect'} ${code}`);
  }

  #timeOut(): void {
    const { spec, watch } = this.#options;
    const stalledMs = watch.stalledMs() - this.#stalledMs;
    if (stalledMs > spec.timeoutMs * STALL_PART) {
      this.#end('void', `late, not counted: this process stalled for ${formatDuration(stalledMs)}`);
      return;
    }
    const what = this.#isConnected ? 'no answer' : 'no connection';
    this.#end('fail', `${what} within ${formatDuration(spec.timeoutMs)}`);
  }

  #elapsed(): string {
    return `in ${formatDuration(Math.max(1, this.#options.now() - this.#startMs))}`;
  }

  #end(outcome: ProbeOutcome, reason: string): void {
    if (this.#isOver) return;
    this.close();
    this.#options.onEnd({ outcome, reason });
  }
}

/**
 * A timer whose call comes after the next look at the sockets: when our loop was late, what has
 * arrived meanwhile is seen before the time is declared over.
 */
function afterPoll(ms: number, call: () => void): NodeJS.Timeout {
  return setTimeout(() => setImmediate(call), ms);
}

/** The spec's text with `{host}`, `{port}` and `{id}` of the server filled in. */
function requestText({ spec, host, port, id }: ProbeOptions): string {
  return spec.send.replace(/\{(host|port|id)\}/g, (_, word: string) => {
    if (word === 'id') return id;
    return word === 'host' ? host : String(port);
  });
}

function statusClass(status: number): StatusClass {
  if (status < 200) return 'http_1xx';
  if (status < 300) return 'http_2xx';
  if (status < 400) return 'http_3xx';
  return status < 500 ? 'http_4xx' : 'http_5xx';
}

/** What a server sent instead, short and printable. */
function quote(text: string): string {
  const shown = text.slice(0, 24).replace(/[^\x20-\x7e]/g, '.');
  return `"${shown}${text.length > 24 ? '…' : ''}"`;
}
