// The fastest forwarding that undici allows: Pool.dispatch straight into the response, no streams in
// between, no header rewriting but X-Forwarded-For.

import { createServer } from 'node:http';
import { Pool } from 'undici';
import { listenPort, next, origins } from './arguments.ts';

const pools = origins.map((origin) => new Pool(origin, { connections: 128 }));

createServer((request, response) => {
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD';
  next(pools).dispatch(
    {
      path: request.url ?? '/',
      method: request.method ?? 'GET',
      headers: { ...request.headers, 'x-forwarded-for': request.socket.remoteAddress ?? '' },
      body: hasBody ? request : null,
    },
    {
      onRequestStart: () => {},
      onResponseStart: (_controller, status, headers) => {
        response.writeHead(status, headers);
      },
      onResponseData: (controller, chunk) => {
        if (response.write(chunk)) return;
        controller.pause();
        response.once('drain', () => controller.resume());
      },
      onResponseEnd: () => {
        response.end();
      },
      onResponseError: (_controller, error) => {
        response.writeHead(502).end(error.message);
      },
    },
  );
}).listen(listenPort, '127.0.0.1');
