// Forwarding with undici as a proxy has to do it, and no more: the fields of one hop stay on their hop
// (both ways), the client's address is added to X-Forwarded-For, a client that goes away ends its
// request at the server, a server that fails in mid-answer cuts the client off. Still Pool.dispatch
// without streams in between. undici.ts leaves all of that out.

import { createServer } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
import { listenPort, next, origins } from './arguments.ts';

type Fields = Record<string, string | string[]>;

const HOP_BY_HOP = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const pools = origins.map((origin) => new Pool(origin, { connections: 128 }));

createServer((request, response) => {
  const { method = 'GET', url = '/', socket } = request;
  const headers = endToEnd(request.headers);
  const earlier = headers['x-forwarded-for'];
  const address = socket.remoteAddress ?? '';
  headers['x-forwarded-for'] = earlier === undefined ? address : `${earlier}, ${address}`;
  const hasBody =
    request.headers['content-length'] !== undefined ||
    request.headers['transfer-encoding'] !== undefined;
  let exchange: Dispatcher.DispatchController | undefined;
  let isOver = false;
  response.on('close', () => {
    if (!isOver) exchange?.abort(new Error('the client is gone'));
  });
  next(pools).dispatch(
    { path: url, method: method as Dispatcher.HttpMethod, headers, body: hasBody ? request : null },
    {
      onRequestStart: (controller) => {
        exchange = controller;
        if (response.destroyed) controller.abort(new Error('the client is gone'));
      },
      onResponseStart: (_controller, status, fields) => {
        if (status >= 200) response.writeHead(status, endToEnd(fields));
      },
      onResponseData: (controller, chunk) => {
        if (response.write(chunk)) return;
        controller.pause();
        response.once('drain', () => controller.resume());
      },
      onResponseEnd: () => {
        isOver = true;
        response.end();
      },
      onResponseError: () => {
        isOver = true;
        if (response.headersSent) response.destroy();
        else response.writeHead(502).end();
      },
    },
  );
}).listen(listenPort, '127.0.0.1');

/** The fields that go on to the next hop. */
function endToEnd(fields: Readonly<Record<string, string | string[] | undefined>>): Fields {
  const { connection } = fields;
  const named =
    typeof connection === 'string' && connection !== 'keep-alive' && connection !== 'close'
      ? connection.toLowerCase().split(/[\t ]*,[\t ]*/)
      : [];
  const kept: Fields = {};
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined && !HOP_BY_HOP.has(name) && !named.includes(name)) kept[name] = value;
  }
  return kept;
}
