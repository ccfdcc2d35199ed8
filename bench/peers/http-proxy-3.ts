// http-proxy-3 as its README recommends for throughput: one keep-alive agent, plain `web`.

import { Agent, createServer } from 'node:http';
import { createProxyServer } from 'http-proxy-3';
import { listenPort, next, origins } from './arguments.ts';

const agent = new Agent({ keepAlive: true, maxFreeSockets: 1024 });
const proxy = createProxyServer({ agent, xfwd: true });
proxy.on('error', (error) => console.error(error.message));

createServer((request, response) => {
  void proxy.web(request, response, { target: next(origins) });
}).listen(listenPort, '127.0.0.1');
