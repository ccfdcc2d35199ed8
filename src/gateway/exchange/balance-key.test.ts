// What a balancing key finds in real request heads.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BalanceKey } from '../../model.ts';
import { parseRequestHead } from '../http1/syntax.ts';
import { balanceKey } from './balance-key.ts';

const LIMITS = {
  uriBytesMax: 8192,
  headBytesMax: 32_768,
  fieldsMax: 100,
  underscoresInHeaders: false,
  allowTrace: false,
};

const WHO = { forwarding: { client: () => '192.0.2.1' } };

const HEAD = [
  'GET /a/b%20c?user=7&x=&userid=9&user=8 HTTP/1.1',
  'Host: App.Example:80',
  'X-Tenant:   red  ',
  'x-tenant: blue',
  'X-Ten: no',
  'Cookie: sid2=no; sid=one; theme=dark',
  'COOKIE: sid=two;  last=z=z',
  '',
  '',
].join('\r\n');

const CASES: readonly (readonly [BalanceKey['kind'], string, string])[] = [
  ['path', '', '/a/b%20c'],
  ['uri', '', '/a/b%20c?user=7&x=&userid=9&user=8'],
  ['host', '', 'app.example'],
  ['client', '', '192.0.2.1'],
  ['header', 'x-tenant', 'red'],
  ['header', 'x-ten', 'no'],
  ['header', 'x-tena', ''],
  ['header', 'x', ''],
  ['cookie', 'sid', 'one'],
  ['cookie', 'sid2', 'no'],
  ['cookie', 'theme', 'dark'],
  ['cookie', 'last', 'z=z'],
  ['cookie', 'id', ''],
  ['cookie', 'the', ''],
  ['query', 'user', '7'],
  ['query', 'userid', '9'],
  ['query', 'x', ''],
  ['query', 'ser', ''],
  ['query', 'a', ''],
];

for (const [kind, name, expected] of CASES) {
  test(`${kind}${name && `:${name}`} is ${JSON.stringify(expected)}`, () => {
    const head = parseRequestHead(HEAD, LIMITS);
    assert(head.kind === 'request');
    assert.equal(balanceKey(head, WHO, { kind, name }), expected);
  });
}

test('a request without query, cookies or fields has no such key', () => {
  const head = parseRequestHead('GET / HTTP/1.1\r\nHost: a\r\n\r\n', LIMITS);
  assert(head.kind === 'request');
  for (const kind of ['header', 'cookie', 'query'] as const) {
    assert.equal(balanceKey(head, WHO, { kind, name: 'a' }), '');
  }
});
