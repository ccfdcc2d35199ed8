// The agent beside a real Consul: the same requests, the same answers.

import { test } from 'node:test';
import { compareWithConsul } from '../../../../test/support/registry/conformance.ts';

const REQUESTS = `
GET /v1/agent/services
GET /v1/agent/checks
PUT /v1/agent/service/register | {"Name":"web","ID":"w1","Tags":["a","b"],"Port":80,"Address":"10.0.0.1","Meta":{"k":"v"},"Check":{"TTL":"30s"}}
PUT /v1/agent/service/register | {"name":"api","enable_tag_override":true,"Weights":{"Passing":5,"Warning":2},"Checks":[{"TTL":"1h","Status":"passing"},{"TTL":"1h","Name":"second","Notes":"note","Status":"warning"}]}
PUT /v1/agent/service/register | {"Name":"bad name_!","ID":"odd","Check":{},"tagged_addresses":{"lan":{"address":"10.1.1.1","port":8}}}
PUT /v1/agent/service/register | {}
PUT /v1/agent/service/register |
PUT /v1/agent/service/register | {"Name":"x","Nope":1}
PUT /v1/agent/service/register | {"Name":"x","Port":"80"}
PUT /v1/agent/service/register | {"Name":"x","Address":"0.0.0.0"}
PUT /v1/agent/service/register | {"Name":"x","Weights":{"Passing":0}}
PUT /v1/agent/service/register | {"Name":"x","Weights":{"Passing":1,"Warning":-1}}
PUT /v1/agent/service/register | {"Name":"x","Meta":{"":"v"}}
PUT /v1/agent/service/register | {"Name":"x","Meta":{"a b":"v"}}
PUT /v1/agent/service/register | {"Name":"x","Meta":{"consul-x":"v"}}
PUT /v1/agent/service/register | {"Name":"x","Check":{"HTTP":"http://127.0.0.1:1/"}}
PUT /v1/agent/service/register | {"Name":"x","Check":{"TTL":"1s","Interval":"1s"}}
PUT /v1/agent/service/register | {"Name":"x","Check":{"Name":"x"}}
PUT /v1/agent/service/register | {"Name":"x","Check":{"TTL":"x"}}
PUT /v1/agent/service/register | {"Name":"x","Check":{"TTL":"1s","Status":"nope"}}
PUT /v1/agent/service/register | {"Name":"x","TaggedAddresses":{"lan_ipv4":{"Address":"::1"}}}
PUT /v1/agent/service/register | {"Name":"x","Kind":"connect-proxy"}
PUT /v1/agent/service/register?ns=x | {"Name":"x"}
GET /v1/agent/service/register
GET /v1/agent/services
GET /v1/agent/services?filter=Service==web
GET /v1/agent/services?filter=Meta.k==v
GET /v1/agent/services?filter=b%20in%20Tags
GET /v1/agent/services?filter=Nope==1
GET /v1/agent/services?pretty
GET /v1/agent/checks
GET /v1/agent/checks?filter=Status==passing
GET /v1/agent/service/nope
AWAIT "ServiceID":"odd": GET /v1/catalog/service/bad%20name_!
AWAIT "ServiceID":"w1": GET /v1/health/state/any
AWAIT "CheckID":"service:api:1": GET /v1/health/state/any
AWAIT "CheckID":"service:api:2": GET /v1/health/state/any
GET /v1/catalog/service/web
GET /v1/health/service/web
GET /v1/health/service/api
GET /v1/catalog/service/bad%20name_!
GET /v1/catalog/services
PUT /v1/agent/check/register | {"Name":"mem","TTL":"15m","Notes":"of the node"}
PUT /v1/agent/check/register | {"ID":"t1","Name":"t","service_id":"w1","TTL":"15m","Status":"passing"}
PUT /v1/agent/check/register | {"Name":"x","TTL":"15m","ServiceID":"none"}
PUT /v1/agent/check/register | {"TTL":"15m"}
PUT /v1/agent/check/register | {"Name":"x"}
PUT /v1/agent/check/register | {"Name":"x","TCP":"127.0.0.1:1"}
PUT /v1/agent/check/register | {"Name":"x","TTL":"15m","Status":"nope"}
PUT /v1/agent/check/register | {"Name":"x","Nope":"15m"}
PUT /v1/agent/check/register | {"Name":"x","args":["true"],"interval":"10s"}
PUT /v1/agent/check/pass/mem?note=good
PUT /v1/agent/check/warn/t1
PUT /v1/agent/check/fail/service:w1?note=bad
PUT /v1/agent/check/pass/none
PUT /v1/agent/check/pass/
PUT /v1/agent/check/update/service:api:1 | {"Status":"critical","Output":"out"}
PUT /v1/agent/check/update/service:api:1 | {"Status":"nope"}
PUT /v1/agent/check/update/service:api:1 | {"Nope":"nope"}
PUT /v1/agent/check/update/none | {"Status":"passing"}
GET /v1/agent/checks
AWAIT "Output":"out": GET /v1/health/service/api
AWAIT "CheckID":"t1": GET /v1/health/service/web
AWAIT "Output":"good": GET /v1/health/node/consul0
GET /v1/health/service/api
GET /v1/health/service/web
GET /v1/health/node/consul0
GET /v1/health/state/critical
GET /v1/agent/health/service/id/odd
GET /v1/agent/health/service/id/none
GET /v1/agent/health/service/id/
GET /v1/agent/health/service/name/none
GET /v1/agent/health/service/name/web?format=text
GET /v1/agent/health/service/id/odd?format=text
GET /v1/agent/health/service/id/none?format=text
GET /v1/agent/health/service/name/bad%20name_!
PUT /v1/agent/service/maintenance/w1?enable=true&reason=broken
PUT /v1/agent/service/maintenance/w1?enable=true&reason=other
PUT /v1/agent/service/maintenance/w1
PUT /v1/agent/service/maintenance/w1?enable=nope
PUT /v1/agent/service/maintenance/?enable=true
PUT /v1/agent/service/maintenance/none?enable=true
PUT /v1/agent/maintenance
PUT /v1/agent/maintenance?enable=true
AWAIT _node_maintenance: GET /v1/health/node/consul0
AWAIT _service_maintenance: GET /v1/health/service/web
GET /v1/agent/checks
GET /v1/health/service/web
GET /v1/health/service/web?passing
GET /v1/agent/health/service/id/w1?format=text
PUT /v1/agent/maintenance?enable=false
PUT /v1/agent/service/maintenance/w1?enable=0
PUT /v1/agent/service/maintenance/none?enable=0
GET /v1/agent/checks
PUT /v1/agent/service/register | {"Name":"web","ID":"w1","Port":81,"Tags":["a","b"]}
GET /v1/agent/checks
GET /v1/agent/services
PUT /v1/agent/service/register?replace-existing-checks=true | {"Name":"web","ID":"w1","Port":81,"Tags":["a","b"],"Check":{"CheckID":"only","TTL":"1h"}}
GET /v1/agent/checks
PUT /v1/agent/check/deregister/only
PUT /v1/agent/check/deregister/none
PUT /v1/agent/check/deregister/
PUT /v1/agent/service/deregister/api
PUT /v1/agent/service/deregister/none
PUT /v1/agent/service/deregister/
DELETE /v1/agent/service/deregister/api
GET /v1/agent/checks
GET /v1/agent/services
GET /v1/agent/members?wan=1&segment=x
PUT /v1/agent/reload
`;

test('services and checks are registered, reported and kept as by a real agent', (t) =>
  compareWithConsul(
    t,
    REQUESTS.split('\n').filter((line) => line !== ''),
    { leaveOut: [/Go struct field \S+/g], withoutIndexes: true },
  ));
