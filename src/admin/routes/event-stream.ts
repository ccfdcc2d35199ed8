// A stream of events on the response of a request: written as it comes, never compressed or cached.

import type { ServerResponse } from 'node:http';
import type { OpenStream } from '../contract.ts';

export function beginEvents(
  response: Pick<
    ServerResponse,
    | 'writeHead'
    | 'write'
    | 'writableLength'
    | 'end'
    | 'destroy'
    | 'once'
    | 'flushHeaders'
    | 'socket'
  >,
  open: OpenStream,
): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    // nginx in front of it must not gather.
    'x-accel-buffering': 'no',
  });
  response.flushHeaders();
  const close = open({
    write: (text) => void response.write(text),
    queued: () => response.writableLength + (response.socket?.writableLength ?? 0),
    end: () => void response.end(),
    destroy: () => void response.destroy(),
  });
  response.once('close', close);
}
