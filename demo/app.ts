// The small HTTP service of the demo, the tests and the benches: `node demo/app.ts -h HOST -p PORT`.
// Every answer says who gave it (x-app-server, x-app-pid), in which version (x-app-version), for which
// request (x-request-id, echoed) and when that arrived (x-app-arrived-ns, the machine's monotonic
// clock), so that a load generator can prove where each request went. No dependencies.
//
// Environment: VERSION (default v1; `broken` exits 1 at start). Ways to misbehave, for tests:
// LATE_MS=n listens n ms late, HANG=/path never answers that path, ANSWER_VERSION=v claims another
// version, UNREADY=on answers /ping with 503, ROTTEN=on answers everything else with 500, IGNORE_TERM=on
// does not stop on SIGTERM, EXIT_ON_TERM=on ends at once, with what is in flight.

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    host: { type: 'string', short: 'h', default: '127.0.0.1' },
    port: { type: 'string', short: 'p', default: '9001' },
  },
});
let id = `${values.host}:${values.port}`;
const version = process.env['VERSION'] ?? 'v1';
let stopping = false;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader('x-app-arrived-ns', process.hrtime.bigint().toString());
  response.setHeader('x-app-server', id);
  response.setHeader('x-app-pid', process.pid);
  response.setHeader('x-app-version', process.env['ANSWER_VERSION'] ?? version);
  const requestId = request.headers['x-request-id'];
  if (requestId !== undefined) response.setHeader('x-request-id', requestId);
  if (stopping) response.setHeader('connection', 'close');

  const url = new URL(request.url ?? '/', 'http://app');
  if (url.pathname === process.env['HANG']) return;
  if (url.pathname === '/ping') {
    const ready = process.env['UNREADY'] !== 'on';
    text(response, ready ? 200 : 503, ready ? `pong by ${id}` : `not ready: ${id}`);
  } else if (process.env['ROTTEN'] === 'on') {
    text(response, 500, `rotten: ${id}`);
  } else if (url.pathname === '/version') {
    text(response, 200, version);
  } else if (url.pathname === '/slow') {
    const ms = Math.min(Number(url.searchParams.get('ms')) || 400, 60_000);
    await sleep(ms);
    text(response, 200, `slept ${ms} ms by ${id}`);
  } else if (url.pathname === '/echo' && (request.method === 'POST' || request.method === 'PUT')) {
    await (url.searchParams.get('mirror') === '1' ? mirror : digest)(request, response);
  } else {
    text(response, 200, `hello world by ${id}`);
  }
}

function text(response: ServerResponse, status: number, body: string): void {
  const bytes = Buffer.from(`${body}\n`);
  response.writeHead(status, { 'content-type': 'text/plain', 'content-length': bytes.length });
  response.end(bytes);
}

/** Answers the body's sha256 and length. */
async function digest(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of request) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  text(response, 200, `${hash.digest('hex')} ${bytes}`);
}

/** Streams the body back, chunked. */
async function mirror(request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  for await (const chunk of request) {
    if (!response.write(chunk)) await new Promise((drained) => response.once('drain', drained));
  }
  response.end();
}

const server = createServer((request, response) => {
  // A client that goes away while its body is read is no reason to end the process.
  answer(request, response).catch(() => response.destroy());
  response.on('finish', () => {
    if (stopping) setImmediate(() => server.closeIdleConnections());
  });
});
server.keepAliveTimeout = 65_000;

/** Stops accepting, closes idle connections, lets requests in flight finish, exits 0. */
function stop(): void {
  if (process.env['EXIT_ON_TERM'] === 'on') process.exit(0);
  if (process.env['IGNORE_TERM'] === 'on' || stopping) return;
  stopping = true;
  server.close(() => process.exit(0));
}

if (version === 'broken') {
  console.error(`app ${version} on ${id}: cannot load ./config/prod.json: no such file`);
  process.exit(1);
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
server.on('error', (error) => {
  console.error(`app ${version} on ${id}: ${error.message}`);
  process.exit(1);
});
await sleep(Number(process.env['LATE_MS']) || 0);
server.listen(Number(values.port), values.host, () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) id = `${values.host}:${address.port}`;
  console.log(`app ${version} listens on http://${id} (pid ${process.pid})`);
});
