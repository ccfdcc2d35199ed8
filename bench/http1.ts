// What a head costs: nanoseconds from the bytes of a read to the text that is written to the other
// side, for a browser's request and a usual response. No peer: it tells how much of a request's CPU
// the parsing is. Run: node bench/http1.ts, or npm run bench -- http1

import {
  BodyReader,
  headEnd,
  parseRequestHead,
  parseResponseHead,
  plainHeads,
  requestHeadText,
  responseHeadText,
} from '../src/gateway/http1/syntax.ts';
import { readBuffer } from '../src/gateway/transport.ts';
import { table } from './lab.ts';

const LIMITS = {
  uriBytesMax: 8192,
  headBytesMax: 32_768,
  fieldsMax: 100,
  underscoresInHeaders: false,
  allowTrace: false,
};

const SMALL_REQUEST =
  'GET /ping HTTP/1.1\r\nHost: app.example\r\nUser-Agent: wrk/4.1.0\r\nAccept: */*\r\n\r\n';

const BROWSER_REQUEST = [
  'GET /assets/app.js?v=20261123 HTTP/1.1',
  'Host: shop.example.com',
  'Connection: keep-alive',
  'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"',
  'sec-ch-ua-mobile: ?0',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'sec-ch-ua-platform: "Linux"',
  'Accept: */*',
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-Mode: no-cors',
  'Sec-Fetch-Dest: script',
  'Referer: https://shop.example.com/',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9',
  'Cookie: sid=0123456789abcdef; theme=dark',
  '\r\n',
].join('\r\n');

const ODD_REQUEST = BROWSER_REQUEST.replace('Accept: */*', 'Accept:*/*\r\nx_trace: 1');

const RESPONSE = [
  'HTTP/1.1 200 OK',
  'Date: Mon, 23 Nov 2026 06:00:00 GMT',
  'Content-Type: application/json; charset=utf-8',
  'Content-Length: 1234',
  'Cache-Control: private, max-age=0',
  'ETag: W/"4d2-0123456789abcdef"',
  'Set-Cookie: sid=0123456789abcdef; Path=/; HttpOnly; SameSite=Lax',
  'Vary: Accept-Encoding',
  'Connection: keep-alive',
  'Keep-Alive: timeout=5',
  '\r\n',
].join('\r\n');

const BEFORE =
  'X-Forwarded-For: 192.0.2.7\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: ';
const SAID = { before: BEFORE, after: '' };

const REPETITIONS = 200_000;
const ROUNDS = 6;
/** Where the heads are written to, so that the texts are really built. */
const output = Buffer.alloc(65_536);
let total = 0;

export function run(): Promise<string> {
  const rows = [
    measure('request, small', SMALL_REQUEST, scanRequest, sendRequest),
    measure('request, small, as text', SMALL_REQUEST, readRequest, writeRequest),
    measure('request, browser', BROWSER_REQUEST, scanRequest, sendRequest),
    measure('request, browser, as text', BROWSER_REQUEST, readRequest, writeRequest),
    measure('request, browser, odd spelling', ODD_REQUEST, readRequest, writeRequest),
    measure('response', RESPONSE, scanResponse, writeResponse),
    measure('response, as text', RESPONSE, readResponse, writeResponse),
    measureChunks(),
  ];
  if (total === 0) throw new Error('nothing was measured');
  return Promise.resolve(
    `Nanoseconds per call, the best of ${ROUNDS - 1} rounds of ${REPETITIONS}.\n\n${table([
      ['head', 'bytes', 'parse', 'parse and write'],
      ...rows,
    ])}`,
  );
}

function measure<Head>(
  name: string,
  input: string,
  read: (buffer: Buffer, bytes: number) => Head,
  write: (head: Head) => string,
): string[] {
  // Where sockets read into.
  const bytes = readBuffer.write(input, 0, 'latin1');
  const both = best(() => {
    total += output.write(write(read(readBuffer, bytes)), 0, 'latin1');
  });
  const parse = best(() => {
    if (read(readBuffer, bytes) === undefined) total += 1;
  });
  return [name, String(bytes), parse.toFixed(0), both.toFixed(0)];
}

function measureChunks(): string[] {
  const body = Buffer.from(`${'400\r\n'.padEnd(1029, 'x')}\r\n`.repeat(60), 'latin1');
  const reader = new BodyReader();
  const limits = {
    chunkExtensionBytesMax: 256,
    trailerBytesMax: 8192,
    bodyBytesMax: 0,
    fieldsMax: 100,
  };
  const sink = {
    take: (_: Buffer, from: number, to: number): void => {
      total += to - from;
    },
  };
  const ns = best(() => {
    reader.reset('chunked', 0, limits);
    reader.read(body, 0, body.length, sink);
  });
  return ['chunk of 1 kB in a body', '1024', (ns / 60).toFixed(0), '–'];
}

/** Nanoseconds per call, the best of five rounds: the machine has other things to do as well. */
function best(call: () => void): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = process.hrtime.bigint();
    for (let index = 0; index < REPETITIONS; index += 1) call();
    const ns = Number(process.hrtime.bigint() - start) / REPETITIONS;
    if (round > 0) lowest = Math.min(lowest, ns);
  }
  return lowest;
}

function readRequest(buffer: Buffer, bytes: number) {
  const text = buffer.toString('latin1', 0, headEnd(buffer, 0, bytes));
  const head = parseRequestHead(text, LIMITS);
  if (head.kind === 'refusal') throw new Error(head.reason);
  return head;
}

/** By the scanner of plain heads, which has what is sent ready. */
function scanRequest(buffer: Buffer, bytes: number) {
  const head = plainHeads?.request(buffer, 0, bytes, LIMITS, SAID);
  if (head === undefined) throw new Error('not plain');
  return head;
}

function sendRequest(head: ReturnType<typeof readRequest>): string {
  return requestHeadText(head, '', head.framing);
}

function scanResponse(buffer: Buffer, bytes: number) {
  const head = plainHeads?.response(buffer, 0, bytes, 'GET', 32_768);
  if (head === undefined) throw new Error('not plain');
  return head;
}

function writeRequest(head: ReturnType<typeof readRequest>): string {
  return requestHeadText(head, `${BEFORE}${head.authority}\r\n`, head.framing);
}

function readResponse(buffer: Buffer, bytes: number) {
  const text = buffer.toString('latin1', 0, headEnd(buffer, 0, bytes));
  const head = parseResponseHead(text, 'GET', 32_768);
  if (head.kind === 'refusal') throw new Error(head.reason);
  return head;
}

function writeResponse(head: ReturnType<typeof readResponse>): string {
  const { framing } = head;
  return responseHeadText(head, { requestMethod: 'GET', clientMinor: 1, framing, keepAlive: true });
}

if (import.meta.main) console.log(await run());
