// Answers that are no success: what they say, and whether another address may do better.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isUnavailable, isUntouched, readError } from './refusal.ts';

const errorOf = (status: number, body: string) =>
  readError({ status, index: undefined, body: Buffer.from(body) });

const message = (text: string): string => JSON.stringify({ code: 3, message: text });

for (const [status, body, wanted] of [
  [500, '', true],
  [503, '<html>', true],
  [501, '', false],
  [499, '', false],
  [400, '{"code":14}', true],
  [400, '{"code":4}', true],
  [400, '{"code":3}', false],
  [400, '{"code":"14"}', false],
  [400, '{"errorCode":300}', true],
  [400, '{"errorCode":301}', true],
  [400, '{"errorCode":100}', false],
  [400, '{"errorCode":"300"}', false],
  [400, 'null', false],
  [400, message('etcdserver: request timed out'), true],
  [400, message('etcdserver: leader changed'), true],
  [400, message('etcdserver: no leader'), true],
  [429, message('etcdserver: too many requests'), true],
  [400, message('etcdserver: server stopped'), true],
  [400, message('etcdserver: permission denied'), false],
] as const) {
  test(`${status} ${body || 'without a body'} is ${wanted ? 'a failure' : 'an answer'}`, () => {
    assert.equal(isUnavailable(errorOf(status, body)), wanted);
  });
}

test('only what was turned away at the door was surely not begun', () => {
  assert.equal(isUntouched(errorOf(503, message('etcdserver: no leader'))), true);
  assert.equal(isUntouched(errorOf(429, message('etcdserver: too many requests'))), true);
  assert.equal(isUntouched(errorOf(503, message('etcdserver: request timed out'))), false);
  assert.equal(isUntouched(errorOf(500, '')), false);
});

test('an error says its status and its words, of both APIs', () => {
  const said = (status: number, body: string): string => errorOf(status, body).said;
  assert.equal(said(404, ''), '404');
  assert.equal(said(404, '404 page not found\n'), '404 "404 page not found"');
  assert.equal(said(403, message('denied')), '403 "denied"');
  assert.equal(
    said(400, '{"errorCode":104,"message":"Not a directory","cause":"/a"}'),
    '400 "Not a directory: /a"',
  );
  assert.equal(said(400, '{"errorCode":104}'), '400 "{"errorCode":104}"');
  const { code, v2Code } = errorOf(400, '{"code":7,"errorCode":104}');
  assert.deepEqual([code, v2Code], [7, 104]);
});
