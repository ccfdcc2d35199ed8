// Field lines of requests: names, values and Host; rules 14 to 24. Each case runs whole, cut at every
// byte and byte by byte.

import { test } from 'node:test';
import {
  assertOutcome,
  type Expected,
  LIMITS,
  post,
  readRequest,
} from '../../../../test/support/gateway/http1-lab.ts';
import type { Http1Request } from './types.ts';

/** The field lines of a post(): see test/support/gateway/http1-lab.ts. */
type Case = readonly [name: string, lines: string, expected: Expected<Http1Request>];

const NAMES: readonly Case[] = [
  ['14 every token sign', "!#$%&'*+-.^`|~aZ9: v\r\n", { fields: "!#$%&'*+-.^`|~aZ9: v\r\n" }],
  ['14 an empty name', ': v\r\n', 400],
  ['14 a space in a name', 'A B: v\r\n', 400],
  ['14 nul in a name', 'A\0B: v\r\n', 400],
  ['14 a control byte in a name', 'A\x01B: v\r\n', 400],
  ['14 del in a name', 'A\x7fB: v\r\n', 400],
  ['14 an 8-bit byte in a name', 'A\xe9B: v\r\n', 400],
  ['14 a byte order mark first', '\xef\xbb\xbfA: v\r\n', 400],
  ...[...'"(),/;<=>?@[\\]{}'].map(
    (sign): Case => [`14 ${sign} in a name`, `A${sign}B: v\r\n`, 400],
  ),
  ['15 a space before the colon', 'A : v\r\n', 400],
  ['15 a tab before the colon', 'A\t: v\r\n', 400],
  ['15 a space before the colon of content-length', 'Content-Length : 5\r\n', 400],
  ['16 no colon', 'abc\r\n', 400],
  ['16 no colon, with a space', 'abc def\r\n', 400],
  [
    '22 object names',
    '__proto__: v\r\nconstructor: v\r\ntoString: v\r\n',
    {
      fields: 'constructor: v\r\ntoString: v\r\n',
    },
  ],
  ['22 numbers', '0: v\r\n4294967295: v\r\n', { fields: '0: v\r\n4294967295: v\r\n' }],
  ['23 an underscore', 'A_B: v\r\nC: d\r\n', { fields: 'C: d\r\n' }],
  ['23 a dot', 'A.B: v\r\n', { fields: 'A.B: v\r\n' }],
  ['23 content_length', 'Content_Length: 5\r\n', { fields: '', framing: 'none' }],
  ['23 transfer_encoding', 'Transfer_Encoding: chunked\r\n', { fields: '', framing: 'none' }],
  ['23 content.length', 'content.length: 5\r\n', { fields: '', framing: 'none' }],
  ['23 transfer.encoding', 'TRANSFER.ENCODING: chunked\r\n', { fields: '', framing: 'none' }],
  ['23 x_forwarded_for', 'X_Forwarded_For: 1\r\n', { fields: '', forwardedFor: '' }],
  ['23 x.forwarded.for', 'X.Forwarded.For: 1\r\n', { fields: '', forwardedFor: '' }],
  ['23 x-forwarded_anything', 'x-forwarded_ssl: on\r\n', { fields: '' }],
  ['23 x~forwarded+for', 'x~forwarded+for: 1\r\n', { fields: '' }],
  ['23 x_real_ip', 'X_Real_IP: 1\r\nX.Real.IP: 2\r\n', { fields: '' }],
];

const VALUES: readonly Case[] = [
  ['17 a folded line', 'A: b\r\n c\r\n', 400],
  ['17 a line folded by a tab', 'A: b\r\n\tc\r\n', 400],
  ['17 a folded content-length', 'Content-Length: 5\r\n 6\r\n', 400],
  ['17 an empty fold', 'A: b\r\n \r\n', 400],
  ['18 nul', 'A: b\0c\r\n', 400],
  ...[1, 7, 8, 0x0b, 0x0c, 0x0e, 0x1b, 0x1f, 0x7f].map(
    (byte): Case => [`18 0x${byte.toString(16)}`, `A: b${String.fromCharCode(byte)}c\r\n`, 400],
  ),
  ['19 no white space', 'A:b\r\n', { fields: 'A: b\r\n' }],
  ['19 tabs and spaces on both sides', 'A: \t b c\t \r\n', { fields: 'A: b c\r\n' }],
  ['19 a tab behind the colon', 'A:\tb\r\n', { fields: 'A: b\r\n' }],
  ['19 white space at the end', 'A: b \r\nC: d\t\r\n', { fields: 'A: b\r\nC: d\r\n' }],
  ['19 white space at the end, known initial', 'Cookie: b \r\n', { fields: 'Cookie: b\r\n' }],
  ['19 a tab inside', 'A: b\tc\r\n', { fields: 'A: b\tc\r\n' }],
  ['19 an empty value', 'A:\r\nB: \r\nC:\t\r\n', { fields: 'A: \r\nB: \r\nC: \r\n' }],
  ['19 nbsp is no white space', 'A: \xa0b\xa0\r\n', { fields: 'A: \xa0b\xa0\r\n' }],
  ['19 nel is no white space', 'A: \x85b\x85\r\n', { fields: 'A: \x85b\x85\r\n' }],
  ['20 8-bit bytes', 'A: \x80\xff\xc3\xa9\r\n', { fields: 'A: \x80\xff\xc3\xa9\r\n' }],
  [
    '21 repeated fields',
    'A: 1\r\nB: 2\r\na: 3\r\nA: 1\r\n',
    {
      fields: 'A: 1\r\nB: 2\r\na: 3\r\nA: 1\r\n',
    },
  ],
  ['21 colons in a value', 'A: b:c: d\r\n', { fields: 'A: b:c: d\r\n' }],
  [
    '19 a value that looks like a field',
    'A: Content-Length: 5\r\n',
    { framing: 'none', fields: 'A: Content-Length: 5\r\n' },
  ],
];

for (const cases of [NAMES, VALUES]) {
  for (const [name, lines, expected] of cases) {
    test(`request: ${name}`, () => assertOutcome(readRequest(post(lines)), expected));
  }
}

/** The value of the one Host field, and the host for routing; undefined: 400. */
const HOSTS: readonly (readonly [value: string, host: string | undefined])[] = [
  ['example.com', 'example.com'],
  ['EXAMPLE.Com', 'example.com'],
  ['example.com:8080', 'example.com'],
  ['example.com:', 'example.com'],
  ['example.com.', 'example.com'],
  ['example.com.:80', 'example.com'],
  ['127.0.0.1:1', '127.0.0.1'],
  ['[::1]', '[::1]'],
  ['[2001:DB8::1]:65535', '[2001:db8::1]'],
  ['[::ffff:192.0.2.1]', '[::ffff:192.0.2.1]'],
  ['a_b-c~d', 'a_b-c~d'],
  ["a!$&'()*+;=b", "a!$&'()*+;=b"],
  ['a%2fb', 'a%2fb'],
  ['0', '0'],
  ['', ''],
  ...[
    'u@a',
    'u:p@a',
    'a/b',
    'a?b',
    'a#b',
    'a\\b',
    'a,b',
    'a<b',
    'a>b',
    'a"b',
    'a b',
    'a\tb',
    'a\x80',
    'a|b',
    'a^b',
    'a`b',
    'a{b}',
  ].map((value): [string, undefined] => [value, undefined]),
  ...[
    'a:b',
    'a:80x',
    'a:-1',
    'a:+1',
    'a:65536',
    'a:999999',
    'a:80:80',
    ':80',
    ':',
    'a: 80',
    '::1',
    '1::2:80',
  ].map((value): [string, undefined] => [value, undefined]),
  ...[
    '[::1',
    '::1]',
    '[]',
    '[::1]x',
    '[::1]]',
    'x[::1]',
    '[::1]:x',
    '[1.2.3.4]',
    '[::g]',
    '[v1.a]',
    '[fe80::1%25eth0]',
    '[::1%eth0]',
    '[[::1]]',
    '[:::1]',
  ].map((value): [string, undefined] => [value, undefined]),
  ...['a%', 'a%2', 'a%zz', '.', '..', 'a..b', 'http://a'].map((value): [string, undefined] => [
    value,
    undefined,
  ]),
];

for (const [value, host] of HOSTS) {
  test(`request: 24 host ${JSON.stringify(value)}`, () => {
    const outcome = readRequest(`GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`);
    assertOutcome(outcome, host === undefined ? 400 : { host, authority: value });
  });
}

test('request: 23 names with _ pass when configured, look-alikes never', () => {
  const fields = 'A_B: 1\r\nContent_Length: 5\r\nX_Forwarded_For: 1\r\n__proto__: 2\r\n';
  const outcome = readRequest(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`, {
    ...LIMITS,
    underscoresInHeaders: true,
  });
  assertOutcome(outcome, { fields: 'A_B: 1\r\n__proto__: 2\r\n', framing: 'none' });
});
