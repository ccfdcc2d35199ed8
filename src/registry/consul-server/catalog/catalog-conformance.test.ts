// Catalog and health beside a real Consul: the same requests, the same answers.

import { test } from 'node:test';
import { compareWithConsul } from '../../../../test/support/registry/conformance.ts';

/** Of the nodes' own entries: Consul names ports that we do not have. */
const OWN = [/Go struct field \S+/g, /"ServicePort":\d+/g, /"Port":\d{4,5}/g];

const REQUESTS = `
AWAIT consul-network-segment: GET /v1/catalog/nodes
GET /v1/catalog/nodes
GET /v1/catalog/services
GET /v1/catalog/service/consul
GET /v1/health/node/consul0
GET /v1/health/service/consul
GET /v1/catalog/node/consul0
GET /v1/catalog/node-services/consul0
PUT /v1/catalog/register | {"Node":"web1","Address":"10.0.0.1","Service":{"Service":"web","Port":80,"Tags":["a","B"]}}
PUT /v1/catalog/register | {"Node":"web1","Address":"10.0.0.1","Service":{"ID":"web-2","Service":"web","Port":81,"Meta":{"v":"2","k":"<x>"},"Weights":{"Passing":3,"Warning":1}}}
PUT /v1/catalog/register | {"Node":"web2","Address":"10.0.0.2","NodeMeta":{"rack":"1"},"TaggedAddresses":{"wan":"192.0.2.1","lan":"10.0.0.2"},"ID":"0a0a0a0a-1111-2222-3333-444444444444","Service":{"Service":"web","Address":"10.9.9.9","EnableTagOverride":true,"TaggedAddresses":{"lan":{"Address":"10.9.9.9","Port":90}}}}
PUT /v1/catalog/register | {"Node":"web1","SkipNodeUpdate":true,"Check":{"CheckID":"c1","Name":"c 1","ServiceID":"web","Status":"passing","Output":"fine","Notes":"n"}}
PUT /v1/catalog/register | {"Node":"web1","Address":"10.0.0.1","Checks":[{"Name":"disk","Status":"warning"},{"CheckID":"c2","Name":"c2","ServiceID":"web-2","Definition":{"HTTP":"http://x/","Interval":"10s","Timeout":"1m30s","DeregisterCriticalServiceAfter":"2h","Header":{"A":["b"]},"TLSSkipVerify":true}}]}
PUT /v1/catalog/register | {"Node":"web1","Address":"10.0.0.1","Check":{"Node":"web1","CheckID":"c3","Name":"c3","ServiceID":"none"}}
PUT /v1/catalog/register | {"Node":"web1","Address":"10.0.0.1","Check":{"Node":"other","CheckID":"c3","Name":"c3"}}
PUT /v1/catalog/register | {"Node":"web1"}
PUT /v1/catalog/register | {"Address":"10.0.0.1"}
PUT /v1/catalog/register | {"Node":"x","Address":"y","ID":"nope"}
PUT /v1/catalog/register | {"Node":"x","Address":"y","Datacenter":"nope"}
PUT /v1/catalog/register | {"Node":"x","Address":"y","Nope":1}
PUT /v1/catalog/register | {"Node":1}
PUT /v1/catalog/register | {"Node":"x","Address":"y","Service":{"ID":"z"}}
PUT /v1/catalog/register | {"Node":"x","Address":"y","Service":{"Service":"z","Address":"0.0.0.0"}}
PUT /v1/catalog/register | {"Node":"x","Address":"y","Service":{"Service":"z","Port":"80"}}
PUT /v1/catalog/register | {"Node":"x","Address":"y","Service":{"Kind":"connect-proxy","Service":"z"}}
PUT /v1/catalog/register | []
PUT /v1/catalog/register |
PUT /v1/catalog/register?ns=other | {}
GET /v1/catalog/register
GET /v1/catalog/nodes
GET /v1/catalog/nodes?pretty
GET /v1/catalog/nodes?node-meta=rack:1
GET /v1/catalog/nodes?node-meta=rack:2
GET /v1/catalog/nodes?node-meta=rack
GET /v1/catalog/nodes?filter=Meta.rack==1
GET /v1/catalog/nodes?filter=Node%20matches%20%22%5Eweb%22%20and%20not%20Address==%2210.0.0.2%22
GET /v1/catalog/nodes?filter=Nope==1
GET /v1/catalog/nodes?filter=Meta%20is%20empty
GET /v1/catalog/nodes?near=web1
GET /v1/catalog/nodes?dc=nope
GET /v1/catalog/nodes?stale
GET /v1/catalog/nodes?consistent
GET /v1/catalog/nodes?stale&consistent
GET /v1/catalog/nodes?ns=other
GET /v1/catalog/services?node-meta=rack:1
GET /v1/catalog/service/
GET /v1/catalog/service
GET /v1/catalog/service/none
GET /v1/catalog/service/web
GET /v1/catalog/service/WEB
GET /v1/catalog/service/web?recurse
GET /v1/catalog/service/web?tag=A
GET /v1/catalog/service/web?tag=a&tag=b
GET /v1/catalog/service/web?tag=a&tag=c
GET /v1/catalog/service/web?tag=
GET /v1/catalog/service/web?node-meta=rack:1
GET /v1/catalog/service/web?filter=ServiceMeta.v==2
GET /v1/catalog/service/web?filter=ServiceMeta.v!=2
GET /v1/catalog/service/web?filter=ServicePort==81
GET /v1/catalog/service/web?filter=a%20in%20ServiceTags
GET /v1/catalog/service/web?filter=ServiceTags%20contains%20a%20or%20ServiceTags%20is%20empty
GET /v1/catalog/service/web?filter=ServiceWeights.Passing==3
GET /v1/catalog/service/web?filter=%22lan%22%20in%20TaggedAddresses
GET /v1/catalog/connect/web
GET /v1/catalog/node/
GET /v1/catalog/node/none
GET /v1/catalog/node/web1
GET /v1/catalog/node/0a0a0a0a
GET /v1/catalog/node/web1?filter=Port==81
GET /v1/catalog/node-services/web1
GET /v1/catalog/node-services/none
GET /v1/health/node/
GET /v1/health/node/web1
GET /v1/health/node/none
GET /v1/health/node/web1?filter=Status==warning
GET /v1/health/checks/
GET /v1/health/checks/web
GET /v1/health/checks/web?filter=CheckID==c2
GET /v1/health/checks/web?node-meta=rack:1
GET /v1/health/checks/none
GET /v1/health/state/
GET /v1/health/state/any
GET /v1/health/state/warning
GET /v1/health/state/nope
GET /v1/health/state/any?node-meta=rack:1
GET /v1/health/state/critical?filter=ServiceName==web
GET /v1/health/service/
GET /v1/health/service/none
GET /v1/health/service/web
GET /v1/health/service/web?pretty
GET /v1/health/service/web?passing
GET /v1/health/service/web?passing=false
GET /v1/health/service/web?passing=nope
GET /v1/health/service/web?tag=b
GET /v1/health/service/web?node-meta=rack:1
GET /v1/health/service/web?filter=Checks.Status==critical
GET /v1/health/service/web?filter=Checks.Status!=critical
GET /v1/health/service/web?filter=Checks%20is%20empty
GET /v1/health/service/web?filter=Service.Meta.v==2%20and%20Node.Node==web1
GET /v1/health/service/web?filter=Service.Tags%20not%20contains%20a
GET /v1/health/service/web?filter=Service.ID%20contains%20%222%22
GET /v1/health/service/web?filter=(Service.Port==80%20or%20Service.Port==81)%20and%20not%20(Service.Port==81)
GET /v1/health/service/web?filter=Checks%20contains%20a
GET /v1/health/service/web?filter=Service.Nope==1
GET /v1/health/connect/web
PUT /v1/catalog/register | {"Node":"web2","Address":"10.0.0.2","Service":{"Kind":"connect-proxy","ID":"web-proxy","Service":"web-proxy","Port":9000,"Proxy":{"DestinationServiceName":"web","Config":{"a":1}}}}
PUT /v1/catalog/register | {"Node":"web2","Address":"10.0.0.2","Service":{"ID":"native","Service":"native","Connect":{"Native":true}}}
GET /v1/catalog/connect/web
GET /v1/health/connect/web
GET /v1/catalog/connect/native
GET /v1/catalog/service/web-proxy
PUT /v1/catalog/deregister | {"Node":"web1","CheckID":"c1"}
PUT /v1/catalog/deregister | {"Node":"web1","ServiceID":"web-2"}
PUT /v1/catalog/deregister | {"Node":"web1","ServiceID":"none"}
PUT /v1/catalog/deregister | {"Node":"none"}
PUT /v1/catalog/deregister | {"ServiceID":"web"}
PUT /v1/catalog/deregister | {"Node":"web1","Nope":1}
PUT /v1/catalog/deregister | {"Datacenter":"nope","Node":"web1"}
GET /v1/health/service/web
PUT /v1/catalog/deregister | {"Node":"web1"}
GET /v1/catalog/service/web
GET /v1/health/node/web1
GET /v1/catalog/services
`;

test('nodes, services and checks are registered and listed as by a real Consul', (t) =>
  compareWithConsul(
    t,
    REQUESTS.split('\n').filter((line) => line !== ''),
    { leaveOut: OWN, withoutIndexes: true },
  ));
