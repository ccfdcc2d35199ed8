// One probe of one server on a connection of its own, a bare socket: an HTTP client would wait for
// heads and bodies, follow its own rules and share connections. Ends exactly once, within the
// timeout, whatever the server does, and leaves no socket behind.
//
// http: send the text. Then the class of the first complete status line decides, or, with `reads:
// answer`, that of the final status once the answer is whole. The release's check is this one too.
// https, tls: the same over TLS, or a handshake alone; the server's certificate must be good.
// tcp: connect, then look for PEEK_MS: closed or reset at once = dead; data or still open = alive.

import { connect, isIPv6, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { messageOf, systemCode } from '../base/errors.ts';
import { tlsProblem } from '../base/tls-problem.ts';
import { formatDuration } from '../base/units.ts';
import { AnswerReader, quote } from './answer.ts';
import type { LoopWatch } from './loop-watch.ts';
import { securedBy } from './secured.ts';
import type { CheckType, ProbeSpec, StatusClass } from './spec.ts';
import { readStatusLine, STATUS_LINE_BYTES_MAX } from './status-line.ts';

/** void: the fault was on our side; it says nothing about the server. */
export type ProbeOutcome = 'pass' | 'fail' | 'void';

export type ProbeResult = {
  readonly outcome: ProbeOutcome;
  readonly reason: string;
  /** The system's code when there was no connection, or it failed: `ECONNREFUSED`. */
  readonly code?: string;
  /** Fields of a whole answer by lower-case name; none where the status line alone was read. */
  readonly fields?: ReadonlyMap<string, string>;
};

export type ProbeOptions = {
  /** The server's own; the spec may name another port to probe. */
  readonly id: string;
  readonly host: string;
  /** Of the host, tried in turn; left out: the system is asked. */
  readonly addresses?: readonly string[];
  readonly port: number;
  readonly spec: ProbeSpec;
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

/** Most characters of an unwanted answer's body, or of where it redirects to, that are quoted. */
const BODY_QUOTED = 120;

/** Statuses of applications that do not know the Host that they were asked for. */
const HOST_STATUSES: ReadonlySet<number> = new Set([400, 403, 404, 421]);

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

type Talk = {
  readonly connected: (probe: RunningProbe) => void;
  readonly answered: (probe: RunningProbe, chunk: Buffer) => void;
  readonly tooEarly: string;
};

class RunningProbe implements Probe {
  /** By type: what is done on the open connection, with bytes, and how an early close is told. */
  static readonly #TALK: Readonly<Record<CheckType, Talk>> = {
    http: {
      connected: (probe) => probe.#ask(),
      answered: (probe, chunk) => probe.#readHttp(chunk),
      tooEarly: 'before a status line',
    },
    https: {
      connected: (probe) => probe.#ask(),
      answered: (probe, chunk) => probe.#readHttp(chunk),
      tooEarly: 'before a status line',
    },
    tls: {
      connected: (probe) => probe.#end('pass', `handshake ${probe.#elapsed()}`),
      answered: () => {},
      tooEarly: 'in the handshake',
    },
    tcp: {
      connected: (probe) => {
        probe.#peek = afterPoll(PEEK_MS, () => probe.#end('pass', `open ${probe.#elapsed()}`));
      },
      answered: (probe) => probe.#end('pass', `data ${probe.#elapsed()}`),
      tooEarly: 'right after connect',
    },
  };
  readonly #options: ProbeOptions;
  readonly #startMs: number;
  readonly #stalledMs: number;
  #socket: Socket | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #peek: NodeJS.Timeout | undefined;
  #isConnected = false;
  #isShaking = false;
  #isOver = false;
  #text = '';
  readonly #reader: AnswerReader | undefined;

  constructor(options: ProbeOptions) {
    this.#options = options;
    this.#startMs = options.now();
    this.#stalledMs = options.watch.stalledMs();
    const { type, reads } = options.spec;
    this.#reader = /^https?$/.test(type) && reads === 'answer' ? new AnswerReader() : undefined;
  }

  start(): void {
    const { host, port, spec, addresses } = this.#options;
    this.#deadline = afterPoll(spec.timeoutMs, () => this.#timeOut());
    const secured = this.#secured();
    if (secured === 'unusable') return;
    try {
      // connect throws for an argument that it does not like; to a caller that is a failed probe.
      const where = {
        ...{ host, port: spec.port === 0 ? port : spec.port, noDelay: true },
        ...(addresses === undefined ? {} : { lookup: knownAddresses(addresses) }),
      };
      const socket = secured === undefined ? connect(where) : connectTls({ ...where, ...secured });
      this.#socket = socket;
      socket.on('error', (error) => this.#failed(error));
      socket.on('connect', () => {
        this.#isShaking = secured !== undefined;
      });
      socket.on(secured === undefined ? 'connect' : 'secureConnect', () => this.#connected());
      socket.on('data', (chunk: Buffer) => this.#answered(chunk));
      socket.on('end', () => this.#closed());
      socket.on('close', () => this.#closed());
    } catch (error) {
      setImmediate(() => this.#failed(error));
    }
  }

  /** Undefined: without TLS. */
  #secured(): ReturnType<typeof securedBy> | 'unusable' | undefined {
    const { spec, host, now } = this.#options;
    const isSecured = spec.type === 'https' || spec.type === 'tls';
    if (!isSecured || spec.tls === undefined) return undefined;
    try {
      return securedBy(spec.tls, host, now());
    } catch (error) {
      setImmediate(() => this.#end('void', `not counted: files of tls, ${messageOf(error)}`));
      return 'unusable';
    }
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#deadline);
    clearTimeout(this.#peek);
    // The error listener stays: a destroyed socket may still report.
    this.#socket?.destroy();
  }

  #connected(): void {
    if (this.#isOver) return;
    this.#isShaking = false;
    this.#isConnected = true;
    RunningProbe.#TALK[this.#options.spec.type].connected(this);
  }

  #ask(): void {
    this.#socket?.write(requestText(this.#options), 'latin1');
  }

  #answered(chunk: Buffer): void {
    if (!this.#isOver) RunningProbe.#TALK[this.#options.spec.type].answered(this, chunk);
  }

  #readHttp(chunk: Buffer): void {
    if (this.#reader !== undefined) {
      this.#reader.push(chunk.toString('latin1'));
      this.#judge(this.#reader);
      return;
    }
    this.#text += chunk.toString('latin1', 0, STATUS_LINE_BYTES_MAX - this.#text.length);
    const line = readStatusLine(this.#text);
    if (line.kind === 'more') return;
    if (line.kind === 'malformed') {
      this.#end('fail', `no HTTP status line but ${quote(this.#text)}`);
      return;
    }
    const isExpected = this.#expects(line.status);
    const reason = `${line.status} ${this.#elapsed()}`;
    this.#end(isExpected ? 'pass' : 'fail', isExpected ? reason : `${reason}, not expected`);
  }

  /** Ends as soon as the answer decides: an unwanted status needs no more of its body than is quoted. */
  #judge(reader: AnswerReader): void {
    const { status, fields, body } = reader;
    if (status > 0 && !this.#expects(status)) {
      if (reader.isOver || body.length >= BODY_QUOTED) this.#refuse(reader);
    } else if (reader.broken !== '') {
      const { broken } = reader;
      this.#end('fail', status > 0 ? `${status}, but ${broken}` : broken, { fields });
    } else if (reader.isOver) {
      this.#end('pass', `${status} ${this.#elapsed()}`, { fields });
    }
  }

  /** A status that is not expected, with what helps to see why. */
  #refuse({ status, fields, body }: AnswerReader): void {
    const location = fields.get('location') ?? '';
    const isHtml = /^\s*</.test(body);
    const said = oneLine(location !== '' ? `-> ${location}` : isHtml ? '' : body);
    const host = /^host:[ \t]*(.*?)\r?$/im.exec(requestText(this.#options))?.[1];
    const asked = HOST_STATUSES.has(status) && host !== undefined ? `, asked for Host ${host}` : '';
    const reason = `${status} ${this.#elapsed()}, not expected${asked}${said === '' ? '' : `: ${said}`}`;
    this.#end('fail', reason, { fields });
  }

  #expects(status: number): boolean {
    return this.#options.spec.expect.includes(statusClass(status));
  }

  #closed(): void {
    if (this.#isOver) return;
    if (this.#isShaking) {
      this.#end('fail', `TLS: ${tlsProblem('ECONNRESET')}`);
      return;
    }
    if (this.#reader !== undefined) {
      this.#reader.end();
      this.#judge(this.#reader);
      return;
    }
    this.#end('fail', `closed ${RunningProbe.#TALK[this.#options.spec.type].tooEarly}`);
  }

  #failed(error: unknown): void {
    const code = systemCode(error) || 'failed';
    const reader = this.#reader;
    if (OUR_FAULTS.has(code))
      this.#end('void', `not counted: no connection possible here, ${code}`);
    else if (reader !== undefined && reader.status > 0 && !this.#expects(reader.status))
      this.#refuse(reader);
    else if (this.#isShaking) this.#end('fail', `TLS: ${tlsProblem(code)}`, { code });
    else this.#end('fail', `${this.#isConnected ? 'connection' : 'connect'} ${code}`, { code });
  }

  #timeOut(): void {
    const { spec, watch } = this.#options;
    const stalledMs = watch.stalledMs() - this.#stalledMs;
    if (stalledMs > spec.timeoutMs * STALL_PART) {
      this.#end('void', `late, not counted: this process stalled for ${formatDuration(stalledMs)}`);
      return;
    }
    const status = this.#reader?.status ?? 0;
    if (this.#reader !== undefined && status > 0 && !this.#expects(status)) {
      this.#refuse(this.#reader);
      return;
    }
    const what =
      status > 0
        ? `${status}, but its body did not end`
        : this.#isConnected
          ? 'no answer'
          : this.#isShaking
            ? 'no TLS handshake'
            : 'no connection';
    this.#end('fail', `${what} within ${formatDuration(spec.timeoutMs)}`);
  }

  #elapsed(): string {
    return `in ${formatDuration(Math.max(1, this.#options.now() - this.#startMs))}`;
  }

  #end(outcome: ProbeOutcome, reason: string, more: Partial<ProbeResult> = {}): void {
    if (this.#isOver) return;
    this.close();
    this.#options.onEnd({ outcome, reason, ...more });
  }
}

/**
 * A timer whose call comes after the next look at the sockets: when our loop was late, what has
 * arrived meanwhile is seen before the time is declared over.
 */
function afterPoll(ms: number, call: () => void): NodeJS.Timeout {
  return setTimeout(() => setImmediate(call), ms);
}

/** In the place of a look-up; a host that is an address is not looked up at all. */
function knownAddresses(addresses: readonly string[]): LookupFunction {
  return (_, options, answer) => {
    const found = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
    if (options.all === true) answer(null, found);
    else answer(null, addresses[0] ?? '', found[0]?.family ?? 4);
  };
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

/** Text of a server in one short line that moves no cursor. */
function oneLine(text: string): string {
  return text
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .slice(0, BODY_QUOTED);
}
