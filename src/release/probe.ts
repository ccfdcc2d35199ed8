// One HTTP request to an instance, past the gateway: is it alive, and which version answers? On a
// connection of its own, so that the answer is that of the process listening now. What comes back
// is a value; nothing here decides what it means for the release.

import { request } from 'node:http';
import { connect } from 'node:net';
import { messageOf, systemCode } from '../base/errors.ts';
import type { Address } from '../base/units.ts';

export type Answer = {
  /** A 2xx within the time. */
  readonly ok: boolean;
  /** What came back, in words: `200 in 4ms`, `503 in 2ms: no database`, `connect ECONNREFUSED`. */
  readonly text: string;
  /** The version header's value; '' when absent or not asked for. */
  readonly version: string;
  /** Nothing listens there (yet). */
  readonly refused: boolean;
};

type ProbeSettings = {
  readonly path: string;
  readonly timeoutMs: number;
  /** '' = do not look for a version. */
  readonly versionHeader: string;
};

/** Most characters of an unhappy response's body that are quoted. */
const BODY_QUOTED = 120;
const VERSION_LENGTH_MAX = 200;

export function probe(address: Address, settings: ProbeSettings): Promise<Answer> {
  const startedMs = performance.now();
  const elapsed = (): string => `${Math.round(performance.now() - startedMs)}ms`;
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(settings.timeoutMs);
    const target = { host: address.host, port: address.port, path: settings.path };
    const exchange = request({ ...target, agent: false, signal, headers: { connection: 'close' } });
    exchange.on('response', (response) => {
      const status = response.statusCode ?? 0;
      const ok = status >= 200 && status < 300;
      const version = headerValue(response.headers[settings.versionHeader.toLowerCase()]);
      const settle = (body: string): void => {
        exchange.destroy();
        const location = headerValue(response.headers.location);
        const quoted = ok ? '' : location === '' ? body : `-> ${location}`;
        const text = `${status} in ${elapsed()}${quoted === '' ? '' : `: ${quoted}`}`;
        resolve({ ok, text, version, refused: false });
      };
      let body = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        body += chunk;
        // The whole body of a happy answer is awaited: an instance that stalls in it is not well.
        if (!ok && body.length > BODY_QUOTED) settle(oneLine(body));
        if (ok) body = '';
      });
      response.on('end', () => settle(oneLine(body)));
      response.on('error', (error) => fail(error));
    });
    const fail = (error: Error): void => {
      const code = systemCode(error);
      const text = signal.aborted
        ? `no answer within ${settings.timeoutMs}ms`
        : code === '' || code.startsWith('HPE')
          ? `broken answer: ${messageOf(error)}`
          : `${code === 'ECONNREFUSED' ? 'connect ' : ''}${code}`;
      resolve({ ok: false, text, version: '', refused: code === 'ECONNREFUSED' });
    };
    exchange.on('error', fail);
    exchange.end();
  });
}

/** True when something accepts connections there. */
export function isListening(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address.host, port: address.port });
    socket.setTimeout(CONNECT_TIMEOUT_MS);
    const settle = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.on('connect', () => settle(true));
    socket.on('error', () => settle(false));
    // A full backlog or a filter: something is there, or nobody can tell. Not closed, in any case.
    socket.on('timeout', () => settle(true));
  });
}

const CONNECT_TIMEOUT_MS = 1000;

function headerValue(value: string | readonly string[] | undefined): string {
  return (typeof value === 'string' ? value : (value?.join(', ') ?? '')).slice(
    0,
    VERSION_LENGTH_MAX,
  );
}

function oneLine(body: string): string {
  return body
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .slice(0, BODY_QUOTED);
}
