// A socket of Node's that is being shut down cannot be reset; asked for it all the same, Node would never close it.

import type { Socket } from 'node:net';

export function isShuttingDown(socket: Socket): boolean {
  return socket.writableEnded && socket.writableLength === 0 && !socket.writableFinished;
}
