// Lines of the access log, as exchanges that have ended would tell them, and what a format makes of them.

import { type AccessLine, LineBuffer, type Write } from '../../../src/gateway/access-log.ts';

type RequestHead = AccessLine['request'];

/** Not everything that a head has is asked for. */
const REQUEST = {
  ...{ method: 'GET', target: '/a?b=c', rawTarget: '/a?b=c', protocol: 'HTTP/1.1' },
  ...{ host: 'app.example', authority: 'App.example:80', framing: 'none', contentLength: 0 },
  ...{ fields: 'X-A: 1\r\nCookie: k=v; q="x"\r\nx-a: 2\r\n', forwardedFor: '10.9.9.9' },
} as Partial<RequestHead> as RequestHead;

export type LinePatch = Partial<Omit<AccessLine, 'request'>> & {
  readonly request?: Partial<RequestHead>;
};

/** Of a client connection of its own, unless a `keeper` comes with it. */
export function accessLine({ request, ...patch }: LinePatch = {}): AccessLine {
  return {
    ...{ id: '7f01', idNumber: 0, idPrefix: '', client: '10.0.0.1', listener: '0.0.0.0:80' },
    ...{ keeper: { logged: undefined }, scheme: 'http', request: { ...REQUEST, ...request } },
    connection: { tls: undefined, serverName: '' },
    ...{ status: 200, statusOrRefusal: 200, bytes: 3, ms: 12.6, endedMs: 5, upstream: 'app' },
    ...{ servers: ['a:1', 'b:2'], onlyServer: '', result: 'answered', reason: '', traceId: '' },
    ...{ sentFields: 'Content-Type: a/b\r\n', bytesSent: 99, bodyBytesSent: 3 },
    attempts: [
      { server: 'a:1', status: 502, connectMs: null, headMs: null, tookMs: 1.2 },
      { server: 'b:2', status: 200, connectMs: 0, headMs: 10, tookMs: 1011.6 },
    ],
    ...patch,
  };
}

/** Takes what would be written, in blocks of so many bytes. */
export class Taken {
  text = '';
  /** As it was told: the whole lines in each block. */
  readonly lines: number[] = [];
  readonly #buffer: LineBuffer;

  constructor(blockBytes = 4096) {
    this.#buffer = new LineBuffer({
      block: (bytes) => Buffer.alloc(Math.max(bytes, blockBytes)),
      write: (block, bytes, lines) => {
        this.text += block.toString('latin1', 0, bytes);
        this.lines.push(lines);
      },
    });
  }

  write(write: Write, line: AccessLine): string {
    return this.put((into) => write(line, into, 0));
  }

  /** One line each; what has come of them. */
  put(...lines: readonly ((into: LineBuffer) => void)[]): string {
    const before = this.text.length;
    for (const put of lines) {
      this.#buffer.begin();
      put(this.#buffer);
      this.#buffer.end();
    }
    this.#buffer.flush();
    return this.text.slice(before);
  }
}
