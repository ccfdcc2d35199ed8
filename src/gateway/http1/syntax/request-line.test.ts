// Lines and request lines, rules 1 to 13: what is taken, what is refused and with which status. Each
// case runs whole, cut at every byte and byte by byte.

import { test } from 'node:test';
import {
  assertOutcome,
  type Expected,
  LIMITS,
  readRequest,
} from '../../../../test/support/gateway/http1-lab.ts';
import type { Http1Request } from './types.ts';

type Case = readonly [name: string, input: string, expected: Expected<Http1Request>];

const END = ' HTTP/1.1\r\nHost: a\r\n\r\n';

const LINES: readonly Case[] = [
  ['1 crlf ends each line', `GET /${END}`, { method: 'GET', target: '/', host: 'a' }],
  ['1 lf behind the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', 400],
  ['1 lf behind a field', 'GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n', 400],
  ['1 lf lf', 'GET / HTTP/1.1\r\nHost: a\n\n', 400],
  ['1 lf as the empty line', 'GET / HTTP/1.1\r\nHost: a\r\n\n', 400],
  ['1 lf cr lf', 'GET / HTTP/1.1\r\nHost: a\n\r\n', 400],
  ['2 cr in the request line', 'GET /\rb HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['2 cr behind the version', 'GET / HTTP/1.1\rHost: a\r\n\r\n', 400],
  ['2 cr cr lf behind the version', 'GET / HTTP/1.1\r\r\nHost: a\r\n\r\n', 400],
  ['2 cr in a value', 'GET / HTTP/1.1\r\nHost: a\r\nB: c\rd\r\n\r\n', 400],
  ['2 cr cr lf behind a value', 'GET / HTTP/1.1\r\nHost: a\r\nB: c\r\r\n\r\n', 400],
  ['2 cr in a name', 'GET / HTTP/1.1\r\nHost: a\r\nB\rC: d\r\n\r\n', 400],
  ['2 crlf cr x does not end the head', 'GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n', 400],
  ['2 cr before the request line', `\rGET /${END}`, 400],
  ['3 one empty line first', `\r\nGET /${END}`, { method: 'GET' }],
  ['3 eight empty lines first', `${'\r\n'.repeat(8)}GET /${END}`, { method: 'GET' }],
  ['3 nine empty lines first', `${'\r\n'.repeat(9)}GET /${END}`, 400],
  ['3 lf first', `\nGET /${END}`, 400],
  ['3 only empty lines', '\r\n\r\n', 'incomplete'],
  ['3 half an empty line', '\r\n\r', 'incomplete'],
  ['13 a head without an end', 'GET / HTTP/1.1\r\nHost: a\r\n', 'incomplete'],
];

const METHODS: readonly Case[] = [
  ['4 an unknown method passes', `PURGE /${END}`, { method: 'PURGE' }],
  [
    '4 a method with every kind of token sign',
    `A!#$%&'*+-.^_\`|~9${END.replace(' ', ' / ')}`,
    {
      method: "A!#$%&'*+-.^_`|~9",
    },
  ],
  ['4 methods are case-sensitive', `get /${END}`, { method: 'get' }],
  ['4 a method of 32 bytes', `${'M'.repeat(32)} /${END}`, { method: 'M'.repeat(32) }],
  ['4 a method of 33 bytes', `${'M'.repeat(33)} /${END}`, 400],
  ['4 a method without an end', 'M'.repeat(40), 400],
  ['4 a separator in the method', `GE(T /${END}`, 400],
  ['4 a colon in the method', `GET: /${END}`, 400],
  ['4 nul in the method', `G\0T /${END}`, 400],
  ['4 an 8-bit byte in the method', `G\xc9T /${END}`, 400],
  ['4 no method', ` /${END}`, 400],
  ['47 trace', `TRACE /${END}`, 405],
  ['47 lower-case trace is another method', `trace /${END}`, { method: 'trace' }],
  ['56 connect in authority-form', `CONNECT a:443${END}`, 405],
  ['56 connect with a path', `CONNECT /${END}`, 405],
  [
    '56 connect with a body',
    'CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc',
    405,
  ],
];

const SPACES: readonly Case[] = [
  ['5 two spaces behind the method', `GET  /${END}`, 400],
  ['5 two spaces behind the target', `GET / ${END}`, 400],
  ['5 a space behind the version', 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n', 400],
  ['5 a tab behind the method', `GET\t/${END}`, 400],
  ['5 a tab behind the target', 'GET /\tHTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['5 vt as a separator', `GET\x0b/${END}`, 400],
  ['5 ff as a separator', `GET /\x0cHTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  ['5 a space in the target', `GET /a b${END}`, 400],
];

const TARGETS: readonly Case[] = [
  ['6 every visible byte but #', `GET /${visible()}${END}`, { target: `/${visible()}` }],
  ['6 #', `GET /a#b${END}`, 400],
  ['6 nul', `GET /a\0b${END}`, 400],
  ['6 tab', `GET /a\tb${END}`, 400],
  ['6 del', `GET /a\x7fb${END}`, 400],
  ['6 0x80', `GET /a\x80b${END}`, 400],
  ['6 0xff', `GET /a\xffb${END}`, 400],
  ['6 utf-8', `GET /caf\xc3\xa9${END}`, 400],
  [
    '7 nothing is decoded',
    `GET /%2e%2E/%00/..//./a%zz${END}`,
    { target: '/%2e%2E/%00/..//./a%zz' },
  ],
  ['7 two slashes first', `GET //b/c${END}`, { target: '//b/c', host: 'a' }],
  ['7 a query is kept', `GET /?a=b&c=d?e/f${END}`, { target: '/?a=b&c=d?e/f' }],
  ['10 a relative target', `GET a/b${END}`, 400],
  ['10 a query alone', `GET ?a${END}`, 400],
  ['10 an opaque target', `GET http:a/b${END}`, 400],
  ['10 another scheme', `GET ftp://a/b${END}`, 400],
  ['10 authority-form without connect', `GET a:80${END}`, 400],
  ['10 get *', `GET *${END}`, 400],
  ['10 options *', `OPTIONS *${END}`, { method: 'OPTIONS', target: '*', host: 'a' }],
  ['10 options **', `OPTIONS **${END}`, 400],
  ['10 a backslash first', `GET \\a${END}`, 400],
];

const ABSOLUTE: readonly Case[] = [
  [
    '11 becomes origin-form',
    `GET http://a/b?c${END}`,
    { target: '/b?c', host: 'a', authority: 'a' },
  ],
  ['11 without a path', `GET http://a${END}`, { target: '/' }],
  ['11 a query without a path', `GET http://a?b=/c${END}`, { target: '/?b=/c' }],
  ['11 options without a path', `OPTIONS http://a${END}`, { target: '*' }],
  ['11 options with a path', `OPTIONS http://a/${END}`, { target: '/' }],
  ['11 the scheme in capitals', `GET HTTP://a/${END}`, { target: '/' }],
  ['11 https', `GET https://a/b${END}`, { target: '/b' }],
  [
    '11 with the same port',
    'GET http://a:81/ HTTP/1.1\r\nHost: a:81\r\n\r\n',
    { authority: 'a:81' },
  ],
  ['11 the usual port is no port', 'GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n', { host: 'a' }],
  ['11 the usual port in host', 'GET https://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n', { host: 'a' }],
  ['11 another case', 'GET http://A/ HTTP/1.1\r\nHost: a\r\n\r\n', { host: 'a', authority: 'A' }],
  ['11 another host', `GET http://b/${END}`, 400],
  ['11 another port', `GET http://a:81/${END}`, 400],
  ['11 the other scheme’s port', `GET http://a:443/${END}`, 400],
  ['11 an empty host field', 'GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['11 without a host field', 'GET http://a/ HTTP/1.1\r\n\r\n', 400],
  [
    '11 http/1.0 without a host field',
    'GET http://B:8/ HTTP/1.0\r\n\r\n',
    { host: 'b', authority: 'B:8' },
  ],
  ['11 userinfo', `GET http://u@a/${END}`, 400],
  ['11 userinfo and password', `GET http://u:p@a/${END}`, 400],
  ['11 an empty authority', `GET http:///b${END}`, 400],
  ['11 a port alone', `GET http://:80/${END}`, 400],
  ['11 a backslash in the authority', `GET http://a\\b/${END}`, 400],
  [
    '11 ipv6',
    'GET http://[::1]:8/b HTTP/1.1\r\nHost: [::1]:8\r\n\r\n',
    { host: '[::1]', target: '/b' },
  ],
  ['11 one slash', `GET http:/a/b${END}`, 400],
];

const VERSIONS: readonly Case[] = [
  ['8 1.0', 'GET / HTTP/1.0\r\n\r\n', { minor: 0, host: '', authority: '' }],
  ['8 1.1', `GET /${END}`, { minor: 1 }],
  ['8 1.2 is 1.1', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', { minor: 1 }],
  ['8 1.9 is 1.1', 'GET / HTTP/1.9\r\nHost: a\r\n\r\n', { minor: 1 }],
  ['8 2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
  ['8 3.0', 'GET / HTTP/3.0\r\nHost: a\r\n\r\n', 505],
  ['8 0.9', 'GET / HTTP/0.9\r\n\r\n', 505],
  ['8 without a version', 'GET /\r\n\r\n', 400],
  ['8 without a version, with a space', 'GET / \r\n\r\n', 400],
  ['8 lower case', 'GET / http/1.1\r\nHost: a\r\n\r\n', 400],
  ['8 1.10', 'GET / HTTP/1.10\r\nHost: a\r\n\r\n', 400],
  ['8 01.1', 'GET / HTTP/01.1\r\nHost: a\r\n\r\n', 400],
  ['8 no minor', 'GET / HTTP/1\r\nHost: a\r\n\r\n', 400],
  ['8 2 without minor', 'GET / HTTP/2\r\nHost: a\r\n\r\n', 400],
  ['8 a comma', 'GET / HTTP/1,1\r\nHost: a\r\n\r\n', 400],
  ['8 a letter', 'GET / HTTP/1.x\r\nHost: a\r\n\r\n', 400],
  ['8 bytes behind it', 'GET / HTTP/1.1x\r\nHost: a\r\n\r\n', 400],
  ['8 another protocol', 'GET / ICY/1.1\r\nHost: a\r\n\r\n', 400],
];

const NOISE: readonly Case[] = [
  ['12 the http/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['12 a tls hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['12 a response line', 'HTTP/1.1 200 OK\r\n\r\n', 400],
  ['12 zeros', '\0\0\0\0', 400],
  ['12 bytes of 0xff', '\xff\xff\xff\xff', 400],
  ['12 an ssh banner', 'SSH-2.0-OpenSSH_9.2\r\n', 400],
  ['12 a proxy protocol line', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n', 400],
  ['12 a utf-8 byte order mark', `\xef\xbb\xbfGET /${END}`, 400],
  ['12 json', '{"a":1}\r\n\r\n', 400],
];

/** LIMITS: a target of 200, a head of 1000 bytes, 10 fields. */
const SIZES: readonly Case[] = [
  ['13 a target of 200 bytes', `GET /${'t'.repeat(199)}${END}`, { target: `/${'t'.repeat(199)}` }],
  ['13 a target of 201 bytes', `GET /${'t'.repeat(200)}${END}`, 414],
  ['13 a target without an end', `GET /${'t'.repeat(300)}`, 414],
  ['13 a long target of wrong form', `GET ${'t'.repeat(300)}`, 414],
  ['13 an absolute target of 201 bytes', `GET http://a/${'t'.repeat(192)}${END}`, 414],
  ['13 a head of 1000 bytes', padded(1000), { method: 'GET' }],
  ['13 a head of 1001 bytes', padded(1001), 431],
  ['13 a head without an end', padded(1200).slice(0, -4), 431],
  ['13 999 bytes without an end', padded(1200).slice(0, 999), 'incomplete'],
  ['13 1000 bytes without an end', padded(1200).slice(0, 1000), 431],
  ['13 a wrong byte before the limit', padded(1200).replace('v', '\0'), 400],
  ['13 a wrong byte behind the limit', `${padded(1200).slice(0, -4)}\0\r\n\r\n`, 431],
  ['13 10 fields', fields(9), { fields: 'N: v\r\n'.repeat(9) }],
  ['13 11 fields', fields(10), 431],
  ['13 11 fields, all dropped', fields(10).replaceAll('N:', 'TE:'), 431],
  ['13 11 fields before two hosts', fields(10).replace('N: v', 'Host: b'), 431],
];

for (const cases of [LINES, METHODS, SPACES, TARGETS, ABSOLUTE, VERSIONS, NOISE, SIZES]) {
  for (const [name, input, expected] of cases) {
    test(`request line: ${name}`, () => assertOutcome(readRequest(input), expected));
  }
}

test('request line: trace passes when allowed, never with a body', () => {
  const limits = { ...LIMITS, allowTrace: true };
  assertOutcome(readRequest(`TRACE /${END}`, limits), { method: 'TRACE' });
  const withBody = 'TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx';
  assertOutcome(readRequest(withBody, limits), 400);
});

function visible(): string {
  let text = '';
  for (let byte = 0x21; byte < 0x7f; byte += 1)
    if (byte !== 0x23) text += String.fromCharCode(byte);
  return text;
}

/** A head of so many bytes. */
function padded(bytes: number): string {
  const start = 'GET / HTTP/1.1\r\nHost: a\r\nPad: ';
  return `${start}${'v'.repeat(bytes - start.length - 4)}\r\n\r\n`;
}

function fields(count: number): string {
  return `GET / HTTP/1.1\r\nHost: a\r\n${'N: v\r\n'.repeat(count)}\r\n`;
}
