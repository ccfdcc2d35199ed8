// A list of keys as pages of rows: flat, or as the folders of a tree.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KV_ROWS_MAX } from '../../admin.ts';
import { rowsOf } from './rows.ts';

const ALL = { registry: '', prefix: '', after: '', separator: '', find: '' };
const KEYS = ['a', 'up/app/10:1', 'up/app/10:2', 'up/web/10:1', 'up/x', 'z/'];

test('with a separator each folder is one row, with how many keys it has', () => {
  const rows = (prefix: string, more = {}) =>
    rowsOf(
      KEYS.filter((key) => key.startsWith(prefix)),
      { ...ALL, prefix, separator: '/', ...more },
    ).rows.map(({ key, isFolder, keys }) => `${key} ${isFolder ? keys : '-'}`);
  assert.deepEqual(rows(''), ['a -', 'up/ 4', 'z/ 1']);
  assert.deepEqual(rows('up/'), ['up/app/ 2', 'up/web/ 1', 'up/x -']);
  assert.deepEqual(rows('up/app/'), ['up/app/10:1 -', 'up/app/10:2 -']);
  // A key that is a folder as well is shown in it, as the key that it is.
  assert.deepEqual(rows('z/'), ['z/ -']);
  assert.deepEqual(rows('', { find: 'WEB' }), ['up/ 1']);
});

test('without one every key is a row, and a page goes on behind the last', () => {
  const keys = Array.from(
    { length: 2 * KV_ROWS_MAX + 5 },
    (_, at) => `k${String(at).padStart(5, '0')}`,
  );
  const seen: string[] = [];
  let after = '';
  for (let page = 0; page < 3; page += 1) {
    const { rows, more, total } = rowsOf(keys, { ...ALL, after });
    assert.equal(total, keys.length);
    assert.equal(more, page < 2);
    seen.push(...rows.map(({ key }) => key));
    after = seen.at(-1) ?? '';
  }
  assert.deepEqual(seen, keys);
  assert.deepEqual(rowsOf(keys, { ...ALL, after }).rows, []);
  // The last row may be gone when the next page is asked for.
  assert.equal(rowsOf(keys, { ...ALL, after: 'k00000x' }).rows[0]?.key, 'k00001');
});

test('the order is that of the bytes', () => {
  const { rows } = rowsOf(['a', '😀', '\uffee'].toSorted(), { ...ALL, after: 'b' });
  assert.equal(rows.length, 2);
  assert.deepEqual(rowsOf(['\uffee', '😀'], { ...ALL, after: '\uffee' }).rows[0]?.key, '😀');
});
