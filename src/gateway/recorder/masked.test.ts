import assert from 'node:assert/strict';
import { test } from 'node:test';
import { masked, short } from './masked.ts';

const CASES: readonly (readonly [target: string, shown: string])[] = [
  ['/a/b', '/a/b'],
  ['*', '*'],
  ['/a?', '/a?'],
  ['/a?user=7&token=s3cret&raw', '/a?user=*&token=*&*'],
  ['/a?s3cret', '/a?*'],
  ['/a?t=1=2&&u=', '/a?t=*&&u=*'],
  ['/a?x?y=s3cret', '/a?x?y=*'],
  ['/a?a=1;token=s3cret', '/a?a=*'],
  ['/a%3Ftoken=s3cret', '/a?token=*'],
  ['/a%3ftoken=s3cret?b=s3cret', '/a?token=*'],
];

for (const [target, shown] of CASES) {
  test(`masks ${target}`, () => {
    assert.equal(masked(target), shown);
    assert.doesNotMatch(masked(target), /s3cret/);
  });
}

test('what is huge is cut: the path, the names, and how many there are', () => {
  const path = masked(`/${'p'.repeat(100_000)}?${'n'.repeat(100_000)}=s3cret`);
  assert(path.length < 400, String(path.length));
  const query = Array.from({ length: 5000 }, (_, index) => `name${index}=s3cret`).join('&');
  assert.match(masked(`/?${query}`), /^\/\?name0=\*&.*name19=\*&…$/);
  assert(masked(`/?${'=s3cret&'.repeat(10_000)}`).length < 100);
  // A name that is cut off by the bound on the query is still one, and not the value behind it.
  assert.doesNotMatch(masked(`/?${'a'.repeat(8190)}=s3cret`), /s3/);
});

test('nothing in a text moves a cursor', () => {
  assert.equal(short('a\r\n\x1b[2J\x9b\x7fb', 100), 'a???[2J??b');
  assert.equal(short('abcdef', 4), 'abc…');
});
