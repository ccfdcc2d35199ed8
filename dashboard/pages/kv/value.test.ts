// Values: set out, checked, changed in one field, compared.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffOf, foldersOf, isJsonObject, jsonTrouble, pretty, withField } from './value.ts';

test('objects and lists are set out over lines, anything else is as it is', () => {
  assert.equal(pretty('{"a":1}'), '{\n  "a": 1\n}');
  for (const value of ['text', '', '5', '"x"', '{"a":']) assert.equal(pretty(value), value);
});

test('what is wrong with JSON is said in words', () => {
  assert.equal(jsonTrouble('{"a":1}'), '');
  assert.match(jsonTrouble('{"a":}'), /token|Unexpected/);
  assert.deepEqual(['{}', '[]', '1', 'null', 'x'].map(isJsonObject), [
    true,
    false,
    false,
    false,
    false,
  ]);
});

test('one field changes, the others stay, known or not', () => {
  assert.equal(withField('{"weight":1,"odd":"x"}', 'weight', 5), '{"weight":5,"odd":"x"}');
  assert.equal(withField('{"weight":1}', 'down', 1), '{"weight":1,"down":1}');
  for (const value of ['', 'text', '[]']) assert.equal(withField(value, 'down', 1), '{"down":1}');
});

test('lines that both have stay, in order, and nothing is lost', () => {
  const shown = (one: string, other: string): string =>
    diffOf(one, other)
      .map(({ sign, text }) => `${sign}${text}`)
      .join('|');
  assert.equal(shown('a\nb\nc', 'a\nB\nc'), ' a|-b|+B| c');
  assert.equal(shown('a', 'a'), ' a');
  assert.equal(shown('a\nb', 'b\na'), '-a| b|+a');
  assert.equal(shown('', 'x'), '-|+x');
  assert.equal(shown('a\na', 'a'), ' a|-a');
  const many = Array.from({ length: 2000 }, (_, line) => `line ${line}`).join('\n');
  const lines = diffOf(many, `x\n${many}\ny`);
  assert.equal(lines.filter(({ sign }) => sign !== '+').length, 2000);
  assert.equal(lines.filter(({ sign }) => sign !== '-').length, 2002);
});

test('the folders of a key', () => {
  assert.deepEqual(foldersOf('upstreams/app/a:1'), ['upstreams/', 'upstreams/app/']);
  assert.deepEqual(foldersOf('a'), []);
  assert.deepEqual(foldersOf('//x'), ['/', '//']);
});
