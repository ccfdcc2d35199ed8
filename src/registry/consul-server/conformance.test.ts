// The same bytes to a real Consul and to ours; the answers must be equal: status, reason, header
// names in their case, header values and bodies. Indexes are compared as positions (which index it
// is, not its number), since Consul's raft counts things of its own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startConsul } from '../../../test/support/peers/programs.ts';
import { type RawAnswer, sendRaw, startEmbedded } from '../../../test/support/registry/builders.ts';
import { compareWithConsul, Normal } from '../../../test/support/registry/conformance.ts';

/** `a/x` and so on build upon each other. */
const REQUESTS = String.raw`
GET /v1/kv/none
GET /v1/kv/?keys
GET /v1/kv/?recurse
PUT /v1/kv/a | hello
PUT /v1/kv/a | hello
GET /v1/kv/a
GET /v1/kv/a?pretty
GET /v1/kv/a?pretty=false
GET /v1/kv/a?raw
GET /v1/kv/none?raw
GET /v1/kv/a?recurse&raw
GET /v1/kv/a?recurse=false
GET /v1/kv/?recurse&pretty
GET /v1/kv/?keys
GET /v1/kv/zz?keys
GET /v1/kv/zz?recurse
GET /v1/kv/
GET /v1/kv
GET /v1/kv?recurse
PUT /v1/kv/ | x
DELETE /v1/kv/
POST /v1/kv/a | x
PATCH /v1/kv/a | x
HEAD /v1/kv/a
OPTIONS /v1/kv/a
OPTIONS /v1/status/leader
PUT /v1/status/leader | x
GET /v1/status/leader
GET /v1/status/peers
GET /v1/status/peers?pretty
GET /v1/catalog/datacenters
GET /v1/nope
GET /v2
GET /
GET /v1/kv//a
GET //v1/kv/a?raw&x=%20y
PUT /v1/kv//a | x
DELETE /v1/kv/x/./a
GET /v1/kv/x/../a
GET /v1/kv/x/..
GET /v1/kv/%2e%2e/a
GET /v1/kv/b//%C3%A4%20%22
GET /v1/kv/a%01
GET /v1/kv/a%C2%A0b
GET /v1/kv/a%7F
PUT /v1/kv/%EF%BF%BD | x
GET /v1/kv/%EF%BF%BD
PUT /v1/kv/a%2Fb | slash
PUT /v1/kv/a+b%20c%26%3C%3E%C3%A4%F0%9F%98%80 | odd
PUT /v1/kv/a/dir/ |
PUT /v1/kv/a/x?flags=18446744073709551615 | big
PUT /v1/kv/a/x?flags=18446744073709551616 | x
PUT /v1/kv/a/x?flags=xx | x
PUT /v1/kv/a/x?flags= | x
PUT /v1/kv/a/x?flags=007 | x
GET /v1/kv/a/x
PUT /v1/kv/a/x | x
GET /v1/kv/a/x
PUT /v1/kv/a/x?cas= | x
PUT /v1/kv/a/x?cas=-1 | x
PUT /v1/kv/a/x?cas=0 | x
PUT /v1/kv/a/x?cas=99999999 | x
PUT /v1/kv/a/new?cas=0 | x
PUT /v1/kv/a/none?cas=7 | x
PUT /v1/kv/a/x?pretty | x
PUT /v1/kv/a/x?cas=0&acquire=s | x
PUT /v1/kv/a/x?release=b%20c&acquire=a/b&cas=1 | x
DELETE /v1/kv/a/x?cas=0
DELETE /v1/kv/a/x?cas=xx
DELETE /v1/kv/a/x?recurse&cas=1
DELETE /v1/kv/nokey?cas=9
DELETE /v1/kv/nokey
GET /v1/kv/?recurse
GET /v1/kv/?keys&separator=/
GET /v1/kv/a?keys&separator=/
GET /v1/kv/a/?keys&seperator=/
GET /v1/kv/a?keys&separator=
GET /v1/kv/a?keys&separator=%2Fd
GET /v1/kv/a?recurse&keys
GET /v1/kv/a/dir/?raw
GET /v1/kv/a?index=abc
GET /v1/kv/a?index=-1
GET /v1/kv/a?index=0
GET /v1/kv/a?index=18446744073709551616
GET /v1/kv/a?index=1&wait=5
GET /v1/kv/a?index=&wait=
GET /v1/kv/a?wait=1m30s
GET /v1/kv/a?wait=x
PUT /v1/kv/a?wait=x | v
GET /v1/kv/a?wait=2562047h
PUT /v1/kv/a?wait=99999999999h | v
DELETE /v1/kv/a?wait=-2562048h
GET /v1/kv/a?max_stale=99999999999h
GET /v1/kv/a?ns=default
GET /v1/kv/?ns=default
GET /v1/kv/?keys&ns=default
PUT /v1/kv/a?ns=default | v
PUT /v1/kv/?ns=default | v
DELETE /v1/kv/?ns=default&recurse
PUT /v1/kv/a?ns=&ns=x | v
PUT /v1/txn?ns=default | []
GET /v1/status/leader?ns=default
GET /v1/kv/a
GET /v1/kv/a?stale
GET /v1/kv/a?consistent
GET /v1/kv/a?stale&consistent
GET /v1/kv/a?leader
GET /v1/kv/a?max_stale=10s
GET /v1/kv/a?max_stale=xx
GET /v1/kv/a?dc=dc1
GET /v1/kv/a?dc=nope
GET /v1/kv/a?token=x
GET /v1/kv/a&b
GET /v1/kv/a;b
GET http://other/v1/kv/a
PUT /v1/kv/big [524289] | x
PUT /v1/txn | []
PUT /v1/txn | {}
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/a","Value":"aGk="}},{"KV":{"Verb":"set","Key":"t/b","Value":""}}]
PUT /v1/txn | [{"KV":{"Verb":"get","Key":"t/a"}},{"KV":{"Verb":"get-tree","Key":"t"}}]
PUT /v1/txn | [{"KV":{"Verb":"get","Key":"t/z"}},{"KV":{"Verb":"check-not-exists","Key":"t/a"}}]
PUT /v1/txn | [{"KV":{"Verb":"bogus","Key":"t/z"}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":""}}]
PUT /v1/txn | [{"KV":{"Verb":"cas","Key":"t/a","Index":1,"Value":"aaa="}}]
PUT /v1/txn | [{"KV":{"Verb":"delete-cas","Key":"t/a","Index":1}}]
PUT /v1/txn | [{"kv":{"verb":"delete","key":"t/a"}},{"KV":{"Verb":"check-not-exists","Key":"t/a"}}]
PUT /v1/txn | [{"KV":{"Verb":"delete-tree","Key":"t"}}]
PUT /v1/txn |
PUT /v1/txn | {
PUT /v1/txn | 1
PUT /v1/txn [524289] | x
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/new","Value":"bmV3","cas":1}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/new","Value":"bmV3"},"Session":{}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":1}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":[]}}]
PUT /v1/txn | [{"KV":{"Verb":1,"Key":"t/new"}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/new","Flags":"1"}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/new","Flags":1e2}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/new","Flags":-1}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/new","Flags":true}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/new","Flags":18446744073709551616}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/new","Session":1}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/new","Value":1}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/new","Value":"YQ"}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/new","Value":" YQ=="}}]
PUT /v1/txn | [{"KV":1}]
PUT /v1/txn | [1]
PUT /v1/txn | ["x"]
GET /v1/kv/t?recurse
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/\"Flags\": 11111111111111111","Flags":18446744073709551615,"Index":null,"Value":"YWJj\nYQ==\r\n","Session":"","Namespace":"x"},"Node":null}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"t/\ud800x","Value":"YR=="}}]
GET /v1/kv/t?recurse
PUT /v1/txn | [{"KV":{"Verb":"check-index","Key":"t/none","Index":1}}]
PUT /v1/txn | [{"KV":{"Verb":null,"Key":"t/none"}}]
PUT /v1/txn | [{"KV":{}}]
PUT /v1/txn | [{"KV":{"Verb":"get-tree"}},{"KV":{"Verb":"get"}},{"KV":{"Verb":"check-index"}},{"KV":{"Verb":"bogus"}}]
PUT /v1/txn | [{"KV":{"Verb":"set"}},{"KV":{"Verb":"cas"}},{"KV":{"Verb":"delete"}},{"KV":{"Verb":"delete-cas"}},{"KV":{"Verb":"check-not-exists"}},{"KV":{"Verb":"lock"}}]
PUT /v1/txn | [{"KV":{"Verb":"delete-tree"}}]
GET /v1/kv/?keys
PUT /v1/kv/a/x | x
GET /v1/txn
DELETE /v1/kv/a/x
GET /v1/kv/a/x
GET /v1/kv/a/?recurse
DELETE /v1/kv/a?recurse
GET /v1/kv/a?recurse
DELETE /v1/kv/zzz?recurse
DELETE /v1/kv/?recurse
GET /v1/kv/?recurse
`
  .split('\n')
  .filter((line) => line !== '');

test('answers the same bytes as a real Consul does', async (t) => {
  await compareWithConsul(t, REQUESTS);
});

/** HTTP/1.0 as upsync sends it, and a client that says nothing about closing. */
test('answers HTTP/1.0 as a real Consul does, apart from the version', async (t) => {
  const consul = await startConsul(t);
  if (consul === undefined) return;
  const ours = await startEmbedded(t);
  const theirs = consul.addresses[0] ?? assert.fail();
  const normals = [new Normal(), new Normal()] as const;
  for (const bytes of [
    'PUT /v1/kv/up/127.0.0.1:1 HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}',
    'GET /v1/kv/up?recurse&index=0&pretty HTTP/1.0\r\nHost: x\r\nAccept: */*\r\n\r\n',
    'GET /v1/kv/up/127.0.0.1:1?raw HTTP/1.0\r\n\r\n',
    'GET /v1/kv/none HTTP/1.0\r\nHost: x\r\n\r\n',
  ]) {
    const [expected, actual] = await Promise.all([
      sendRaw(theirs, bytes),
      sendRaw(ours.address, bytes),
    ]);
    // The in-memory server is in debug mode and prettifies everything: bodies are compared above.
    assert.deepEqual(
      { ...normals[1].of(actual), body: '', headers: names(actual) },
      { ...normals[0].of(expected), body: '', headers: names(expected) },
      bytes,
    );
  }
});

function names(answer: RawAnswer): string[] {
  return answer.headers.map((line) => line.split(':')[0] ?? '').sort();
}
