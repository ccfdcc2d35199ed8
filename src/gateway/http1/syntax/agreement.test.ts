// A second opinion: Node's own strict parser reads what this layer writes and must see the same
// messages. All of them go over one connection, back to back, so that one byte of disagreement about
// where a message ends spoils all that follow.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request as sendRequest } from 'node:http';
import { type AddressInfo, connect, createServer as createSocketServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { seededRandom } from '../../../../test/support/base/random.ts';
import { parseRequestHead } from './request-head.ts';
import { parseResponseHead } from './response-head.ts';
import { CHUNK_END, chunkHead, LAST_CHUNK, requestHeadText, responseHeadText } from './text.ts';

const LIMITS = {
  uriBytesMax: 8192,
  headBytesMax: 16_384,
  fieldsMax: 100,
  underscoresInHeaders: true,
  allowTrace: true,
};

const random = seededRandom(7);
const below = (count: number): number => Math.floor(random() * count);
const any = (list: readonly string[]): string => list[below(list.length)] ?? '';

type Seen = { method: string; url: string; fields: readonly string[]; body: string };

test('a strict parser sees the requests that were written', { timeout: 60_000 }, async (t) => {
  const expected: Seen[] = [];
  let bytes = '';
  for (let count = 0; count < 500; count += 1) {
    const { text, body } = randomRequest();
    const head = parseRequestHead(text, LIMITS);
    assert(head.kind === 'request', `${JSON.stringify(head)} ${JSON.stringify(text)}`);
    bytes += requestHeadText(head, 'X-Forwarded-For: 192.0.2.1\r\n', head.framing);
    bytes += head.framing === 'chunked' ? inChunks(body) : body;
    const lines = `Host: ${head.authority}\r\n${head.fields}X-Forwarded-For: 192.0.2.1\r\n`;
    let framing = '';
    if (head.framing === 'length') framing = `Content-Length: ${head.contentLength}\r\n`;
    if (head.framing === 'chunked') framing = 'Transfer-Encoding: chunked\r\n';
    const expect = head.expectContinue ? 'Expect: 100-continue\r\n' : '';
    const fields = pairs(lines + framing + expect);
    expected.push({ method: head.method, url: head.target, fields, body });
  }
  const seen = await readByNode(t, bytes, expected.length);
  assert.deepEqual(seen, expected);
});

test('a strict parser sees the responses that were written', { timeout: 60_000 }, async (t) => {
  const written: { text: string; expected: Seen }[] = [];
  for (let count = 0; count < 200; count += 1) {
    const requestMethod = any(['GET', 'GET', 'GET', 'HEAD']);
    const { text, body } = randomResponse();
    const head = parseResponseHead(text, requestMethod, 16_384);
    assert(head.kind === 'response', `${JSON.stringify(head)} ${JSON.stringify(text)}`);
    const framing = head.framing === 'close' ? 'chunked' : head.framing;
    const options = { requestMethod, clientMinor: 1, framing, keepAlive: true } as const;
    let bytes = responseHeadText(head, options);
    const fields = pairs(bytes.slice(bytes.indexOf('\r\n') + 2, -2));
    const payload = framing === 'none' ? '' : body;
    bytes += framing === 'chunked' ? inChunks(payload) : payload;
    written.push({
      text: bytes,
      expected: {
        method: requestMethod,
        url: `${head.status} ${head.reason}`,
        fields,
        body: payload,
      },
    });
  }
  let connections = 0;
  let next = 0;
  const server = createSocketServer((socket) => {
    connections += 1;
    socket.on('error', () => {});
    // One request per read: the client below waits for each response.
    socket.on('data', () => {
      socket.write(written[next]?.text ?? '', 'latin1');
      next += 1;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const { port } = server.address() as AddressInfo; // An IP server has no other kind.
  for (const { expected } of written) {
    const { method } = expected;
    const request = sendRequest({
      host: '127.0.0.1',
      port,
      method,
      agent,
      insecureHTTPParser: false,
    });
    request.end();
    const [response]: IncomingMessage[] = await once(request, 'response');
    assert(response !== undefined);
    const closed = once(request, 'close');
    const body = await bodyOf(response);
    await closed; // Only now is the connection free for the next request.
    const url = `${response.statusCode} ${response.statusMessage}`;
    assert.deepEqual({ method, url, fields: response.rawHeaders, body }, expected);
  }
  // No byte too many or too few: that would have ended the connection. Node's client ends it itself
  // behind an answer to HEAD that has no length.
  const isEnding = ({ expected: { method, url, fields } }: (typeof written)[number]): boolean =>
    method === 'HEAD' && !/^[23]04/.test(url) && !fields.includes('Content-Length');
  assert.equal(connections, 1 + written.slice(0, -1).filter(isEnding).length);
});

/** What node:http makes of the bytes of `count` requests on one connection. */
async function readByNode(t: TestContext, bytes: string, count: number): Promise<Seen[]> {
  const seen: Seen[] = [];
  const done = Promise.withResolvers<void>();
  const server = createServer({ insecureHTTPParser: false, keepAliveTimeout: 0 });
  server.on('clientError', (error) => done.reject(error));
  server.on('upgrade', () => done.reject(new Error('an upgrade was seen')));
  const onRequest = async (request: IncomingMessage, end: () => void): Promise<void> => {
    const { method = '', url = '', rawHeaders } = request;
    const index = seen.push({ method, url, fields: rawHeaders, body: '' }) - 1;
    const body = await bodyOf(request);
    seen[index] = { method, url, fields: rawHeaders, body };
    end();
    if (index === count - 1) done.resolve();
  };
  for (const event of ['request', 'checkContinue'] as const) {
    server.on(event, (request, response) => {
      onRequest(request, () => response.end()).catch(done.reject);
    });
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo; // An IP server has no other kind.
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', done.reject);
  socket.resume();
  socket.write(bytes, 'latin1');
  await done.promise;
  return seen;
}

async function bodyOf(message: IncomingMessage): Promise<string> {
  let body = '';
  message.setEncoding('latin1');
  message.on('data', (piece: string) => {
    body += piece;
  });
  await once(message, 'end');
  return body;
}

/** `Name: value` lines as node's rawHeaders. */
function pairs(lines: string): string[] {
  return lines
    .split('\r\n')
    .slice(0, -1)
    .flatMap((line) => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)];
    });
}

function inChunks(body: string): string {
  let text = '';
  for (let from = 0; from < body.length; ) {
    const to = Math.min(body.length, from + 1 + below(40));
    text += `${chunkHead(to - from)}${body.slice(from, to)}${CHUNK_END}`;
    from = to;
  }
  return text + LAST_CHUNK;
}

/** A valid request in an odd spelling, and its body. */
function randomRequest(): { readonly text: string; readonly body: string } {
  const method = any(['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PURGE', 'PROPFIND']);
  const target = any([
    '/',
    '/a?b=c&d',
    '//x/../y',
    '/%00%zz',
    '/"<>\\^`{|}~',
    'http://h.example:81/z?',
  ]);
  const body = any([
    '',
    'x',
    'GET / HTTP/1.1\r\nHost: evil\r\n\r\n',
    '0\r\n\r\n',
    '\x00\xff\r\n'.repeat(50),
  ]);
  const framings = [`Content-Length: 00${body.length}\r\n`, 'transfer-ENCODING:\tchunked \r\n'];
  const framing = body === '' ? any(['', ...framings]) : any(framings);
  let lines = randomFields() + framing;
  if (body !== '' && below(4) === 0) lines += 'Expect: 100-continue\r\n';
  const text = `${method} ${target} HTTP/1.1\r\nHost: h.example:81\r\n${lines}\r\n`;
  return { text, body };
}

function randomResponse(): { readonly text: string; readonly body: string } {
  const status = any(['200', '201', '304', '404', '500', '204', '599']);
  const reason = any(['', ' ', ' OK', ' I am a teapot', ' a\tb']);
  const body = any(['', 'x', 'HTTP/1.1 200 OK\r\n\r\n', '0\r\n\r\n', '\x00\xff\r\n'.repeat(50)]);
  const length = body.length;
  const framing = any([
    '',
    `Content-Length: ${length}\r\n`,
    `Content-Length: ${length}, ${length}\r\n`,
    'Transfer-Encoding: CHUNKED\r\n',
  ]);
  return { text: `HTTP/1.1 ${status}${reason}\r\n${randomFields()}${framing}\r\n`, body };
}

function randomFields(): string {
  const names = ['A', 'accept', 'X-B', 'x_c', "D!#$%&'*+-.^`|~", 'Cookie', 'Via', '__proto__'];
  const values = ['', 'b', 'b  c', 'b\tc', '\xe9\x80', 'Content-Length: 5', '"q"', ':', ', ,'];
  let lines = '';
  for (let left = below(8); left > 0; left -= 1) {
    lines += `${any(names)}:${any(['', ' ', '\t', ' \t'])}${any(values)}${any(['', ' ', '\t'])}\r\n`;
  }
  const hop = [
    'Connection: keep-alive, x-hop\r\nX-Hop: 1\r\n',
    'TE: trailers\r\n',
    'Upgrade: h2c\r\n',
  ];
  return lines + any(['', '', ...hop]);
}
