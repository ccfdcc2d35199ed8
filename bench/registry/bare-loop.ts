// The floor of a wake-up: a server that does nothing but write finished bytes to every socket that
// waits, after the writer has its answer. No parsing, no store, no disk. What it takes is the system's
// calls, Node's sockets and the watchers themselves.

import { createServer, type Socket } from 'node:net';

const BODY =
  '[{"LockIndex":0,"Key":"wake1000/0/app/127.0.0.1:9001","Flags":0,"Value":"eyJkb3duIjoxfQ==","CreateIndex":2,"ModifyIndex":3}]';
const ANSWER = Buffer.from(
  'HTTP/1.1 200 OK\r\nVary: Accept-Encoding\r\nContent-Type: application/json\r\nX-Consul-Index: 3\r\n' +
    'X-Consul-Knownleader: true\r\nX-Consul-Lastcontact: 0\r\n' +
    `Content-Length: ${BODY.length}\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n${BODY}`,
);

/** Tells the port to the parent process. */
export function serveBareLoop(): void {
  const waiting = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {}); // 'close' follows.
    socket.on('close', () => waiting.delete(socket));
    socket.on('data', (chunk) => {
      if (chunk.includes('index=')) waiting.add(socket);
      else socket.write(ANSWER);
      if (!chunk.toString('latin1', 0, 3).startsWith('PUT')) return;
      setImmediate(() => {
        for (const each of waiting) each.write(ANSWER);
        waiting.clear();
      });
    });
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (address !== null && typeof address === 'object') process.send?.(address.port);
  });
}
