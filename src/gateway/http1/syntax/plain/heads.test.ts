// The scanner of plain heads beside the parser of text: what it accepts, that one accepts, and both read the same.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { seededRandom } from '../../../../../test/support/base/random.ts';
import { assertPlain, SAID } from '../../../../../test/support/gateway/http1-lab.ts';
import {
  codeText,
  compile,
  compilerVersion,
} from '../../../../../test/support/gateway/scan-code.ts';
import { needPeer } from '../../../../../test/support/peers/programs.ts';
import { PLACES, readBuffer, readMemory } from '../../../read-buffer.ts';
import { parseRequestHead } from '../request-head.ts';
import { parseResponseHead } from '../response-head.ts';
import type { HeadLimits, Http1Request, Http1Response, Refusal } from '../types.ts';
import { plainHeads as maybeHeads } from './heads.ts';
import { SCAN_COMPILER } from './scan-code.ts';

const isOff = process.env['SLUICE_SCANNER'] === 'off';
// Else all of this would be skipped where the scanner is broken.
if (maybeHeads === undefined && !isOff) throw new Error('this Node cannot run the scanner');
const needsHeads = { skip: isOff && 'SLUICE_SCANNER=off' };

const LIMITS: HeadLimits = {
  ...{ uriBytesMax: 60, headBytesMax: 700, fieldsMax: 12 },
  ...{ underscoresInHeaders: false, allowTrace: true, takesRequestId: true },
};

/** Of this file alone: one that is skipped has no heads. */
function heads() {
  assert(maybeHeads !== undefined);
  return maybeHeads;
}

// ---- usual heads --------------------------------------------------------------------------------

const BROWSER = [
  'GET /assets/app.js?v=2026 HTTP/1.1',
  'Host: shop.example.com',
  'Connection: keep-alive',
  'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0',
  'Accept: */*',
  'Referer: https://shop.example.com/',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9',
  'Cookie: sid=0123456789abcdef; theme=dark',
];
const REQUESTS: readonly (readonly string[])[] = [
  BROWSER,
  ['POST /orders HTTP/1.1', 'Host: a:8080', 'Content-Length: 65536', 'content-type: x'],
  ['PUT / HTTP/1.1', 'host: [::1]', 'Transfer-Encoding: Chunked', 'Trailer: a', 'TE: trailers'],
  ['HEAD /a HTTP/1.0', 'Host: A.example', 'Connection: Keep-Alive', 'Keep-Alive: 5'],
  ['DELETE /x HTTP/1.1', 'Accept: \xe9', 'Host: b', 'Connection: close', 'X-Request-Id: abc-1'],
  [
    ...['PATCH /x HTTP/1.1', 'Host: b', 'X-Forwarded-For: 1.2.3.4, 5.6.7.8', 'X-Real-IP: 9.9.9.9'],
    ...['X-Forwarded-Proto: https', 'X-Forwarded-Host: shop.example', 'X-Forwarded-Port: 443'],
    ...['Forwarded: for=1', 'X-Forwarded: a', 'Forwarded-For: b', 'Content-Length: 0'],
  ],
  [
    ...['OPTIONS /x HTTP/1.1', 'Host: b', 'Proxy-Authenticate: a', 'Proxy-Authorization: b'],
    ...['Proxy-Connection: c', 'HTTP2-Settings: d', 'X-Forwardeds: not the known one'],
  ],
];
const RESPONSES: readonly (readonly string[])[] = [
  [
    ...['HTTP/1.1 200 OK', 'Date: Mon, 23 Nov 2026 06:00:00 GMT', 'Content-Type: text/html'],
    ...['Content-Length: 1234', 'Set-Cookie: a=b', 'Set-Cookie: c=d', 'Connection: keep-alive'],
    ...['Keep-Alive: timeout=5', 'Host: not ours', 'Expect: nothing', 'X-Forwarded-For: kept'],
  ],
  ['HTTP/1.1 404 Not Found', 'transfer-encoding: chunked', 'Server: x', 'Connection: Close'],
  ['HTTP/1.1 304 Not Modified', 'ETag: "x"', 'Content-Length: 9'],
  ['HTTP/1.1 204', 'Server: x'],
  ['HTTP/1.1 204 No Content', 'Server: x', 'Content-Length: 0'],
  ['HTTP/1.1 500 ', 'Server: x', 'Proxy-Authenticate: a', 'Trailer: b', 'TE: c'],
  ['HTTP/1.1 302 OK', 'Content-Length: 0', 'Location: /'],
];

const textOf = (lines: readonly string[]): string => `${lines.join('\r\n')}\r\n\r\n`;

test('usual heads are plain, whatever stands around them', needsHeads, () => {
  const filler = 'GET / HTTP/1.1\r\nHost: other\r\n\r\n';
  for (const lines of REQUESTS) {
    const text = textOf(lines);
    const wide = { ...LIMITS, headBytesMax: 2000, uriBytesMax: 200, fieldsMax: 50 };
    for (const [before, after] of [
      ['', ''],
      [filler, filler],
      ['x', 'x'],
    ] as const) {
      for (const isShared of [false, true]) {
        const at = place(before + text + after, isShared);
        const to = before.length + text.length + after.length;
        const head = heads().request(at, before.length, to, wide, SAID);
        assert(head !== undefined, text);
        assertPlain(head, parseRequestHead(text, wide), text, after);
        assert.equal(heads().stop, before.length + text.length);
      }
    }
  }
  for (const lines of RESPONSES.filter((_, index) => index !== 4)) {
    const text = textOf(lines);
    for (const method of ['GET', 'HEAD']) {
      const at = place(`${text}body`, true);
      const head = heads().response(at, 0, text.length + 4, method, 2000);
      assert(head !== undefined, text);
      assertPlain(head, parseResponseHead(text, method, 2000), text, 'body');
      assert.equal(heads().stop, text.length);
    }
  }
});

test(
  'a head that is not whole is none, whatever lies behind its end in the memory',
  needsHeads,
  () => {
    for (const [lines, isRequest] of [
      ...REQUESTS.map((lines) => [lines, true] as const),
      ...RESPONSES.map((lines) => [lines, false] as const),
    ]) {
      const text = textOf(lines);
      const buffer = place(text + text, true);
      for (let end = 0; end < text.length; end += 1) {
        const head = isRequest
          ? heads().request(buffer, 0, end, { ...LIMITS, headBytesMax: 2000, fieldsMax: 50 })
          : heads().response(buffer, 0, end, 'GET', 2000);
        assert.equal(head, undefined, `${end} of ${text}`);
      }
    }
  },
);

test(
  'of a long head in other memory nothing behind what was brought is looked at',
  needsHeads,
  () => {
    const start = textOf(['GET / HTTP/1.1', 'Host: a', 'X-Long: ']).slice(0, -4);
    const text = start + 'x'.repeat(PLACES.copiedBytesMax - start.length);
    const wide = { ...LIMITS, headBytesMax: 40_000 };
    const answer = text.replace('GET / HTTP/1.1', 'HTTP/1.1 200 OK').slice(1);
    // As a head of somebody else could have left it there.
    const left = PLACES.copied + PLACES.copiedBytesMax;
    const before = Buffer.from(readMemory.subarray(left, left + 500));
    readMemory.write('\r\nCookie: of another one\r\n\r\n', left, 'latin1');
    for (const more of ['', 'x'.repeat(200)]) {
      const request = Buffer.from(text + more, 'latin1');
      const response = Buffer.from(answer + more, 'latin1');
      assert.equal(heads().request(request, 0, request.length, wide), undefined);
      assert.equal(heads().response(response, 0, response.length, 'GET', 40_000), undefined);
    }
    before.copy(readMemory, left);
  },
);

test('every host is its own, also those that share a place', needsHeads, () => {
  const random = seededRandom(7);
  const names = Array.from({ length: 3000 }, (_, index) => {
    const length = 1 + Math.floor(random() * 90);
    return `h${index}-${'x'.repeat(length)}.Example${index % 3 === 0 ? ':80' : ''}`;
  });
  for (let round = 0; round < 12_000; round += 1) {
    const name = names[Math.floor(random() ** 3 * names.length)] ?? '';
    const text = textOf(['GET / HTTP/1.1', `Host: ${name}`]);
    const head = heads().request(Buffer.from(text), 0, text.length, LIMITS);
    assert.equal(head?.authority, name);
    assert.equal(head.host, name.toLowerCase().replace(/:80$/, ''));
  }
  const wrong = textOf(['GET / HTTP/1.1', 'Host: a@b']);
  for (let again = 0; again < 2; again += 1) {
    assert.equal(heads().request(Buffer.from(wrong), 0, wrong.length, LIMITS), undefined);
  }
});

test('what is sent on as it came is ready, with a short body that is whole', needsHeads, () => {
  const answer = (length: number, body: string, line = 'HTTP/1.1 200 OK') => {
    const text = textOf([
      line,
      'A: b',
      `Content-Length: 0${length}`,
      'Connection: keep-alive',
      'C: d',
    ]);
    const head = heads().response(
      place(text + body, true),
      0,
      text.length + body.length,
      'GET',
      500,
    );
    return { ready: head?.ready, headBytes: head?.readyHead };
  };
  const head = 'HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nContent-Length: 5\r\n\r\n';
  assert.deepEqual(answer(5, 'hello, next'), { ready: `${head}hello`, headBytes: head.length });
  assert.deepEqual(answer(5, 'hell'), { ready: head, headBytes: head.length });
  assert.equal(answer(1024, 'x'.repeat(1024)).ready?.endsWith('xxxx'), true);
  assert.equal(answer(1025, 'x'.repeat(1025)).ready?.endsWith('xxxx'), false);
  // It would be written with a blank.
  assert.equal(answer(5, 'hello', 'HTTP/1.1 200').ready, '');
  let said = SAID;
  const request = (...lines: string[]) => {
    const text = textOf(lines);
    return heads().request(Buffer.from(text), 0, text.length, LIMITS, said)?.ready;
  };
  assert.equal(
    request('POST /a HTTP/1.1', 'Host: a', 'Connection: close', 'Content-Length: 07', 'A: b'),
    'POST /a HTTP/1.1\r\nHost: a\r\nA: b\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Host: a\r\nVia: us\r\n' +
      'Content-Length: 7\r\n\r\n',
  );
  assert.equal(request('GET /a HTTP/1.0', 'Host: a'), '');
  assert.equal(request('GET /a HTTP/1.1', 'host: a'), '');
  assert.equal(request('GET /a HTTP/1.1', 'A: b', 'Host: a'), '');
  // Each client is told of as itself.
  said = { before: 'X-Forwarded-Host: ', after: '' };
  assert.equal(
    request('GET /a HTTP/1.1', 'Host: a'),
    'GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: a\r\n\r\n',
  );
  said = { before: '', after: 'Via: us\r\n' };
  assert.equal(request('GET /a HTTP/1.1', 'Host: a'), '');
  for (const long of [
    { before: 'x'.repeat(513), after: '' },
    { before: 'x', after: 'x'.repeat(513) },
  ]) {
    said = long;
    assert.equal(request('GET /a HTTP/1.1', 'Host: a'), '');
  }
  said = { before: 'x'.repeat(512), after: 'y'.repeat(512) };
  assert.equal(request('GET /a HTTP/1.1', 'Host: a')?.length, 26 + 512 + 3 + 512 + 2);
});

test('limits are those of the parser of text', needsHeads, () => {
  const text = textOf(BROWSER);
  const fits = { ...LIMITS, headBytesMax: text.length, uriBytesMax: 21, fieldsMax: 9 };
  const read = (limits: HeadLimits) =>
    heads().request(place(text, true), 0, text.length, limits)?.kind;
  assert.equal(read(fits), 'request');
  assert.equal(read({ ...fits, headBytesMax: text.length - 1 }), undefined);
  assert.equal(read({ ...fits, uriBytesMax: 20 }), undefined);
  assert.equal(read({ ...fits, fieldsMax: 8 }), undefined);
  const answer = textOf(['HTTP/1.1 200 OK', ...Array.from({ length: 200 }, () => 'a: b')]);
  const one = answer.replace('a: b', 'a: b\r\na: b');
  const answers = (bytes: string, max: number) =>
    heads().response(Buffer.from(bytes), 0, bytes.length, 'GET', max)?.kind;
  assert.equal(answers(answer, answer.length), 'response');
  assert.equal(answers(answer, answer.length - 1), undefined);
  assert.equal(answers(one, 5000), undefined);
  const large = textOf([...BROWSER, `X-Large: ${'x'.repeat(20_000)}`]);
  const wide = { ...LIMITS, headBytesMax: 40_000 };
  assert.equal(heads().request(place(large, true), 0, large.length, wide)?.kind, 'request');
  assert.equal(
    heads().request(Buffer.from(large), 0, large.length, wide),
    undefined,
    'other memory',
  );
});

// ---- differential -------------------------------------------------------------------------------

const NAMES = [
  ...['Host', 'Connection', 'Content-Length', 'Transfer-Encoding', 'Keep-Alive', 'Upgrade', 'TE'],
  ...[
    'Expect',
    'Trailer',
    'X-Real-IP',
    'Forwarded',
    'X-Forwarded',
    'Forwarded-For',
    'X-Request-Id',
  ],
  ...[
    'HTTP2-Settings',
    'X-Forwarded-For',
    'Proxy-Connection',
    'X-Forwarded-Host',
    'X-Forwarded-Port',
  ],
  ...[
    'X-Forwarded-Proto',
    'Proxy-Authenticate',
    'Proxy-Authorization',
    'Accept',
    'Cookie',
    'X',
    'X-Y',
  ],
  ...['X-Forwarded-', 'Content_Length', 'X.Forwarded.For', 'Content-Lengths', 'Connectio', 'Hosts'],
  ...[
    'Sixteen-Letters-',
    'Seventeen-Letters',
    'Host ',
    '',
    'Proxy-Authentikate',
    'Transfer_Encoding',
  ],
];
const VALUES = [
  ...['a', 'b.example', 'a:80', 'A.example.', '[::1]', 'a@b', 'close', 'keep-alive', 'Keep-Alive'],
  ...['chunked', 'CHUNKED', 'gzip', 'chunked, chunked', 'close, x', 'upgrade', 'websocket', 'h2c'],
  ...[
    '0',
    '5',
    '05',
    '123456789',
    '1234567890',
    '+5',
    '5a',
    '-1',
    '5, 5',
    '',
    ' ',
    'x ',
    'x\t',
    '\tx',
  ],
  ...[
    '100-continue',
    'timeout=5',
    'timeout=5, max=9',
    'exactly 16 bytes',
    'seventeen letters',
    'a b',
  ],
  ...[
    '\x80\xff',
    'tab\there',
    'x\x01',
    'x\x7f',
    'x\x00',
    'close\x1f',
    'k\x45ep-alive',
    'keep\x0dalive',
  ],
  'a value that is longer than two words of sixteen bytes each, as many are',
];
/** Valid ones, each of which has something to do with another one of them. */
const LINES = [
  ...['Content-Length: 5', 'Transfer-Encoding: chunked', 'Connection: close', 'Host: b'],
  ...['Connection: keep-alive', 'X-Forwarded-For: 1.2.3.4', 'Keep-Alive: timeout=9'],
];
const STARTS = [
  ...[
    'GET / HTTP/1.1',
    'POST /a?b=c HTTP/1.1',
    'HEAD /a HTTP/1.0',
    'PUT /exactly-16-byte HTTP/1.1',
  ],
  ...['OPTIONS * HTTP/1.1', 'GET http://a/b HTTP/1.1', 'GET /a#b HTTP/1.1', 'GET / HTTP/1.2'],
  ...[
    'get / HTTP/1.1',
    'TRACE / HTTP/1.1',
    'CONNECT a:1 HTTP/1.1',
    'GET  / HTTP/1.1',
    'GET / HTTP/2.0',
  ],
  ...[
    'PATCH /\x7f HTTP/1.1',
    'GETS / HTTP/1.1',
    'DELETE /\xe9 HTTP/1.1',
    'GET /a b HTTP/1.1',
    'GET /',
  ],
];
const STATUS_LINES = [
  ...[
    'HTTP/1.1 200 OK',
    'HTTP/1.1 404 Not Found',
    'HTTP/1.1 204 No Content',
    'HTTP/1.1 304',
    'HTTP/1.1 500 ',
  ],
  ...[
    'HTTP/1.0 200 OK',
    'HTTP/1.1 101 x',
    'HTTP/1.1 100 Continue',
    'HTTP/1.1 600 x',
    'HTTP/1.1 20 OK',
  ],
  ...[
    'HTTP/1.1 200  OK',
    'HTTP/1.1 200 OK ',
    'HTTP/1.1 200\tOK',
    'HTTP/1.1 2x0 OK',
    'http/1.1 200 OK',
  ],
  ...[
    'HTTP/1.1 200 \xe9',
    'HTTP/1.1 200 a\x00',
    'HTTP/1.1 999 x',
    'HTTP/1.1  200 OK',
    'HTTP/1.1 200 OR',
  ],
];
const ROUNDS = 1_000_000;

test(`${ROUNDS} mutated requests are read as the parser of text reads them`, needsHeads, () => {
  const plain = compare(STARTS, (buffer, from, to, text) => {
    const limits = text.length % 2 === 0 ? LIMITS : { ...LIMITS, takesRequestId: false };
    const head = heads().request(buffer, from, to, limits, SAID);
    return head && [head, parseRequestHead(text.slice(0, heads().stop - from), limits)];
  });
  assert(plain > ROUNDS / 12, `only ${plain} were plain`);
});

test(`${ROUNDS} mutated responses are read as the parser of text reads them`, needsHeads, () => {
  const plain = compare(STATUS_LINES, (buffer, from, to, text) => {
    const method = text.length % 3 === 0 ? 'HEAD' : 'GET';
    const head = heads().response(buffer, from, to, method, 500);
    return head && [head, parseResponseHead(text.slice(0, heads().stop - from), method, 500)];
  });
  assert(plain > ROUNDS / 12, `only ${plain} were plain`);
});

type Head = Http1Request | Http1Response;
type Both = readonly [scanned: Head, parsed: Head | Refusal];
type Compare = (buffer: Buffer, from: number, to: number, text: string) => Both | undefined;

/** How many were plain. */
function compare(starts: readonly string[], read: Compare): number {
  const random = seededRandom(20_261_128);
  const below = (count: number): number => Math.floor(random() * count);
  const any = (list: readonly string[]): string => list[below(list.length)] ?? '';
  const often = (list: readonly string[], usual: number): string =>
    below(3) === 0 ? any(list) : (list[below(usual)] ?? '');
  let plain = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    let text = `${often(starts, 4)}\r\n`;
    if (below(8) > 0) text += 'Host: a\r\n';
    for (let lines = below(5); lines > 0; lines -= 1) {
      const name = below(6) === 0 ? otherCase(any(NAMES), below(20)) : any(NAMES);
      const field = `${name}: ${below(2) === 0 ? any(VALUES) : VALUES[below(2)]}\r\n`;
      text += below(3) === 0 ? `${any(LINES)}\r\n` : field;
    }
    text += below(3) === 0 ? '\r\nhello, body' : '\r\n';
    // One byte is another one, is missing, or is there twice.
    const at = below(text.length);
    const kind = below(6);
    if (kind === 0) {
      text = text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1);
    } else if (kind === 1) text = text.slice(0, at) + text.slice(at + 1 - 2 * below(2));
    const from = below(40);
    const isShared = below(2) === 0;
    const buffer = place(
      `${'\n'.repeat(from)}${text}${round % 2 === 0 ? '' : 'a: b\r\n\r\n'}`,
      isShared,
    );
    // Sometimes the end comes too early.
    const to = from + text.length - (below(9) === 0 ? below(Math.min(6, text.length)) : 0);
    const both = read(buffer, from, to, text.slice(0, to - from));
    if (both === undefined) continue;
    plain += 1;
    const [scanned, parsed] = both;
    assertPlain(scanned, parsed, text, text.slice(heads().stop - from));
  }
  return plain;
}

function otherCase(name: string, at: number): string {
  const letter = name.charAt(at);
  const other = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
  return name.slice(0, at) + other + name.slice(at + 1);
}

/** In the memory that sockets read into, or in another one. */
function place(text: string, isShared: boolean): Buffer {
  if (!isShared) return Buffer.from(text, 'latin1');
  readBuffer.write(text, 0, 'latin1');
  return readBuffer;
}

// ---- the code -----------------------------------------------------------------------------------

test('scan-code.ts is what clang makes of scan.c', async (t) => {
  const clang = needPeer(t, 'clang');
  if (clang === undefined || needPeer(t, 'wasm-ld') === undefined) return;
  const version = await compilerVersion(clang);
  if (version !== SCAN_COMPILER && !process.env['CI']) {
    return t.skip(`it was made with clang ${SCAN_COMPILER}, this is ${version}`);
  }
  const kept = readFileSync(join(import.meta.dirname, 'scan-code.ts'), 'utf8');
  assert.equal(
    kept,
    codeText(await compile(clang), version),
    'run test/support/gateway/scan-code.ts',
  );
});

/** What a process of its own prints. */
function said(code: string, env: NodeJS.ProcessEnv = {}): string {
  const args = ['--input-type=module', '-e', code];
  return execFileSync(process.execPath, args, {
    ...{ env: { ...process.env, ...env }, cwd: import.meta.dirname, encoding: 'utf8' },
  }).trim();
}

test('SLUICE_SCANNER=off is without it', () => {
  const code = `import { plainHeads } from './heads.ts'; console.log(plainHeads);`;
  assert.equal(said(code, { SLUICE_SCANNER: 'off' }), 'undefined');
});

test('where this Node gives no such memory, or cannot run the code, heads are read as text', () => {
  for (const broken of ['Memory', 'Module']) {
    // Node reads TypeScript by WebAssembly, too: it has to be ready before.
    const code = `
      await import('./scan-code.ts');
      WebAssembly.${broken} = class { constructor() { throw new RangeError('none'); } };
      const { plainHeads } = await import('./heads.ts');
      const { readBuffer, READ_BYTES } = await import('../../../read-buffer.ts');
      console.log(plainHeads, readBuffer.length === READ_BYTES);`;
    assert.equal(said(code, { SLUICE_SCANNER: '' }), 'undefined true', broken);
  }
});
