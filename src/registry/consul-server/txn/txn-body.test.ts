// What a transaction's body may say; texts that equal Consul's are in conformance.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, startEmbedded, temporaryFolder } from '../../../../test/support/registry/builders.ts';
import { silentLog } from '../../../base/log.ts';
import { openStore } from '../../embedded.ts';
import { parseOperations } from './txn-body.ts';

const kv = (members: string): string => `[{"KV":{"Verb":"set","Key":"k"${members}}}]`;

for (const [what, body] of [
  ['a member that is not known', kv(',"cas":1')],
  ['a prototype', kv(',"__proto__":{"verb":"set"}')],
  ['a number as text', kv(',"Index":"1"')],
  ['a number with an exponent', kv(',"Index":1e2')],
  ['a value as a list', kv(',"Value":[97]')],
  ['a value without padding', kv(',"Value":"YQ"')],
  ['an operation without KV', '[{}]'],
  ['an operation on a session', '[{"Session":{"Verb":"delete"}}]'],
  ['a node with a member that is not known', '[{"Node":{"Verb":"get","Nope":1}}]'],
  ['a KV beside a node', '[{"KV":{"Verb":"set","Key":"k"},"Node":{"Verb":"get"}}]'],
  ['a half list', kv('').slice(0, -1)],
  ['bytes behind the list', `${kv('')}x`],
  ['nothing', ' '],
  ['nesting beyond the stack', '['.repeat(250_000) + ']'.repeat(250_000)],
] as const) {
  test(`a transaction is refused whole for ${what}`, () => {
    assert('refused' in parseOperations(body, 'dc1'));
  });
}

test('names match in any case, null is absent, numbers keep all 64 bits', () => {
  const body =
    '[{"kv":{"VERB":"cas","key":"k","FLAGS":18446744073709551615,"index":7,"value":"Y\\r\\nQ==\\n","session":null}}]';
  assert.deepEqual(parseOperations(body, 'dc1'), [
    {
      kind: 'KV',
      verb: 'cas',
      key: 'k',
      flags: '18446744073709551615',
      index: 7,
      value: Buffer.from('a'),
      session: '',
    },
  ]);
});

test('a misspelt guard writes nothing', async (t) => {
  const { address, store } = await startEmbedded(t);
  const answer = await ask(address, 'PUT /v1/txn', { body: kv(',"Value":"bmV3","cas":1') });
  assert.deepEqual(
    [answer.status, answer.body],
    [400, 'Failed to parse body: json: unknown field "cas"'],
  );
  assert.equal(store.index, 1);
});

test('keys with half a surrogate pair are the same in memory and on disk', async (t) => {
  const dataDir = temporaryFolder(t);
  const { address, store, api } = await startEmbedded(t, { dataDir });
  for (const key of ['s\\ud800', 's\\udfff']) {
    const body = `[{"KV":{"Verb":"set","Key":"${key}","Value":"YQ=="}}]`;
    assert.equal((await ask(address, 'PUT /v1/txn', { body })).status, 200);
  }
  const keys = store.list('').entries.map(({ key }) => key);
  await api.close();
  store.close();
  const again = openStore({ dataDir, log: silentLog });
  t.after(() => again.close());
  assert.deepEqual(
    again.list('').entries.map(({ key }) => key),
    keys,
  );
  assert.deepEqual(keys, ['s\ufffd']);
});
