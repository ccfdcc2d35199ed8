// Transactions on nodes, services and checks beside a real Consul: the same requests, the same answers.

import { test } from 'node:test';
import { compareWithConsul } from '../../../../test/support/registry/conformance.ts';

const SERVICE = '"Service":{"ID":"s1","Service":"web","Port":80,"Tags":["a"]}';

const REQUESTS = `
PUT /v1/txn | [{"Node":{"Verb":"set","Node":{"Node":"n1","Address":"10.0.0.1","Datacenter":"dc1","Meta":{"a":"b"}}}},{"Service":{"Verb":"set","Node":"n1",${SERVICE}}},{"Check":{"Verb":"set","Check":{"Node":"n1","CheckID":"c1","Name":"c","ServiceID":"s1","Status":"passing"}}}]
PUT /v1/txn | [{"Node":{"Verb":"get","Node":{"Node":"n1"}}},{"Service":{"Verb":"get","Node":"n1","Service":{"ID":"s1"}}},{"Check":{"Verb":"get","Check":{"Node":"n1","CheckID":"c1"}}}]
PUT /v1/txn | [{"Node":{"Verb":"get","Node":{"Node":"none"}}}]
PUT /v1/txn | [{"Service":{"Verb":"get","Node":"n1","Service":{"ID":"none"}}}]
PUT /v1/txn | [{"Check":{"Verb":"get","Check":{"Node":"n1","CheckID":"none"}}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"k","Value":"aQ=="}},{"Service":{"Verb":"set","Node":"none",${SERVICE}}}]
GET /v1/kv/k
PUT /v1/txn | [{"Check":{"Verb":"set","Check":{"Node":"n1","CheckID":"c2","ServiceID":"none"}}}]
PUT /v1/txn | [{"Node":{"Verb":"cas","Node":{"Node":"n1","Address":"10.0.0.2","ModifyIndex":1}}}]
PUT /v1/txn | [{"Service":{"Verb":"cas","Node":"n1","Service":{"ID":"s1","Service":"web","ModifyIndex":1}}}]
PUT /v1/txn | [{"Service":{"Verb":"cas","Node":"n1","Service":{"ID":"s2","Service":"web","ModifyIndex":0}}}]
PUT /v1/txn | [{"Check":{"Verb":"cas","Check":{"Node":"n1","CheckID":"c1","ModifyIndex":1}}}]
PUT /v1/txn | [{"Node":{"Verb":"delete-cas","Node":{"Node":"n1","ModifyIndex":1}}}]
PUT /v1/txn | [{"Service":{"Verb":"delete-cas","Node":"n1","Service":{"ID":"s1","Service":"web","ModifyIndex":1}}}]
PUT /v1/txn | [{"Check":{"Verb":"delete-cas","Check":{"Node":"n1","CheckID":"none","ModifyIndex":1}}}]
PUT /v1/txn | [{"Node":{"Verb":"bogus","Node":{"Node":"n1"}}}]
PUT /v1/txn | [{"Service":{"Verb":"bogus","Node":"n1","Service":{"ID":"s1","Service":"web"}}}]
PUT /v1/txn | [{"Check":{"Verb":"bogus","Check":{"Node":"n1","CheckID":"c1"}}}]
PUT /v1/txn | [{"Node":{"Verb":"set","Node":{"Address":"x"}}}]
PUT /v1/txn | [{"Node":{"Verb":"set","Nope":1}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"k","Value":"aQ=="}},{"Service":{"Verb":"delete","Node":"n1","Service":{"ID":"s2"}}}]
PUT /v1/txn | [{"KV":{"Verb":"set","Key":"k","Value":"aQ=="}},{"Service":{"Verb":"delete","Node":"n1","Service":{"ID":"s2","Service":"web"}}},{"KV":{"Verb":"get","Key":"k"}}]
GET /v1/health/service/web
PUT /v1/txn | [{"Check":{"Verb":"delete","Check":{"Node":"n1","CheckID":"c1"}}}]
GET /v1/health/service/web
PUT /v1/txn | [{"Node":{"Verb":"delete","Node":{"Node":"n1"}}}]
GET /v1/catalog/service/web
GET /v1/catalog/node/n1
`;

test('transactions change nodes, services and checks as in a real Consul', (t) =>
  compareWithConsul(
    t,
    REQUESTS.split('\n').filter((line) => line !== ''),
    { withoutIndexes: true, leaveOut: [/Go struct field \S+/g] },
  ));
