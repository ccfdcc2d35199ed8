// An app of releases whose clients stay: WebSockets that get a numbered message all the time and whose own
// are echoed, and a stream of numbered events. It goes at TERM without a word, as many do.

import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';

const { values } = parseArgs({
  options: {
    host: { type: 'string', short: 'h', default: '127.0.0.1' },
    port: { type: 'string', short: 'p', default: '9001' },
  },
});
const version = process.env['VERSION'] ?? 'v1';
const EVERY_MS = 5;

const server = createServer((request, response) => {
  response.setHeader('x-app-version', version);
  if (request.url !== '/events') return void response.end(`${version}\n`);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let count = 0;
  const timer = setInterval(() => {
    count += 1;
    response.write(`id: ${count}\ndata: ${version}\n\n`);
  }, EVERY_MS);
  response.on('close', () => clearInterval(timer));
});

const sockets = new WebSocketServer({ server });
sockets.on('connection', (socket) => {
  let count = 0;
  const timer = setInterval(() => {
    // What is given to a socket that still is open counts as sent.
    if (socket.readyState !== socket.OPEN) return;
    count += 1;
    socket.send(`n ${count}`);
  }, EVERY_MS);
  socket.on('message', (data) => socket.send(`echo ${data}`));
  socket.on('close', () => clearInterval(timer));
});

server.listen(Number(values.port), values.host);
process.on('SIGTERM', () => process.exit(0));
