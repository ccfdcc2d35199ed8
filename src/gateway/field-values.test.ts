import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldScan } from './field-values.ts';

test('a scan finds each field in any case, joins several, and leaves others alone', () => {
  const scan = new FieldScan();
  assert.equal(scan.isEmpty, true);
  const names = ['referer', 'x-a', 'x-ab', 'accept', 'range', 'referer', '1st'];
  const places = names.map((name) => scan.add(name));
  assert.equal(scan.isEmpty, false);
  const valuesIn = (fields: string) => {
    scan.read(fields);
    return places.map((place) => scan.valueAt(place));
  };
  assert.deepEqual(
    valuesIn(
      'X-A: 1\r\nREFERER: http://a/?x-ab: 3\r\nx-AB: 2\r\nx-a: \r\nAccept-Language: en\r\n1st: y\r\n',
    ),
    ['http://a/?x-ab: 3', '1, ', '2', undefined, undefined, 'http://a/?x-ab: 3', 'y'],
  );
  // Nothing of the head before it remains.
  assert.deepEqual(valuesIn('Range: r\r\n'), [
    ...[undefined, undefined, undefined, undefined, 'r', undefined, undefined],
  ]);
  assert.deepEqual(new Set(valuesIn('')), new Set([undefined]));
});
