// What a client is told whose request cannot be read: node:http gives such requests up without an
// answer worth reading. In the order of the connection: what came before is answered first.

import { type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { systemCode } from '../../../base/errors.ts';
import type { Pipeline } from './pipeline.ts';

export const HEAD_BYTES_MAX = 32 * 1024;
export const HEAD_TIMEOUT_MS = 10_000;
export const REQUEST_TIMEOUT_MS = 60_000;
/** How long the client may go on sending, so that it sees the answer and not a reset. */
const LINGER_MS = 500;

const TOO_SLOW = [
  408,
  `Request too slow: its head may take ${HEAD_TIMEOUT_MS / 1000} s, all of it ${REQUEST_TIMEOUT_MS / 1000} s; send it again`,
] as const;

/** Answers requests that the server's parser or its clock refuses. */
export function answerBroken(server: Server, pipeline: Pipeline): void {
  const ended = new WeakSet<Duplex>();
  server.on('clientError', (error: Error, socket) => {
    const refusal = refusalOf(error);
    if (refusal === undefined || !socket.writable) {
      socket.destroy();
      return;
    }
    // The parser says it again for whatever still arrives.
    if (ended.has(socket)) return;
    ended.add(socket);
    pipeline.end(socket, () => end(socket, ...refusal));
  });
}

/** Ends a connection on which no request came in time. */
export function answerSlow(socket: Duplex): void {
  end(socket, ...TOO_SLOW);
}

/** Undefined: the connection itself failed. */
function refusalOf(error: Error): readonly [number, string] | undefined {
  const code = systemCode(error);
  if (code === 'HPE_HEADER_OVERFLOW') {
    return [431, `Request head too large, max size: ${HEAD_BYTES_MAX} bytes`];
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return TOO_SLOW;
  return code.startsWith('HPE_') ? [400, `Malformed request: ${error.message}`] : undefined;
}

function end(socket: Duplex, status: number, text: string): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Connection: close\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
  socket.resume();
}
