import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedRecord } from './lines.ts';

test('a record that is too large for the registry is shared without its largest entries', () => {
  const stamp = { seq: 1, ts: '', kind: 'end' } as const;
  const small = { outcome: 'failed', receipt: { requests: 1 } };
  assert.deepEqual(sharedRecord({ ...stamp, data: small }, 7).data, small);
  const instances = 'x'.repeat(200 * 1024);
  const { shortened, ...rest } = sharedRecord({ ...stamp, data: { ...small, instances } }, 7).data;
  assert.deepEqual(rest, small);
  assert(Number(shortened) > 200 * 1024);
});
