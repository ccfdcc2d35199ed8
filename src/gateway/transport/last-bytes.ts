// A server may answer before it has the whole request, and close: a write to it fails then, although the answer is
// here and unread. So it is read first.

import { readSync } from 'node:fs';
import type { ConnectionHandler } from './connection.ts';

/** What is read of a server whose connection broke under a write, at most. */
const LAST_BYTES_MAX = 1024 * 1024;

/** `code`: what the write said. `buffer` is free to use. */
export function readLastBytes(
  fd: unknown,
  code: string,
  buffer: Buffer,
  handlerOf: () => ConnectionHandler | undefined,
): void {
  if (code !== 'EPIPE' && code !== 'ECONNRESET') return;
  // Not public; where a Node has no such thing, the answer is lost.
  if (typeof fd !== 'number' || fd < 0) return;
  try {
    for (let total = 0; total < LAST_BYTES_MAX; ) {
      const bytes = readSync(fd, buffer, 0, buffer.length, null);
      if (bytes === 0) {
        // Linux: a write says EPIPE when the server's FIN came before its reset. After ECONNRESET
        // there was none, and a response without a length must not look complete.
        if (code === 'EPIPE' && process.platform === 'linux') handlerOf()?.onEnd();
        return;
      }
      total += bytes;
      handlerOf()?.onData(buffer, 0, bytes);
    }
  } catch {
    // Nothing more to read.
  }
}
