// fast-proxy in its faster mode (undici), one instance per server.

import { createServer } from 'node:http';
import fastProxy from 'fast-proxy';
import { listenPort, next, origins } from './arguments.ts';

const proxies = origins.map((base) => fastProxy({ base, undici: { connections: 128 } }));

createServer((request, response) => {
  next(proxies).proxy(request, response, request.url ?? '/', {});
}).listen(listenPort, '127.0.0.1');
