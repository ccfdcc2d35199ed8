// What tokens may do with services, checks, nodes and the agent, beside a real Consul.

import { test } from 'node:test';
import { compareWithConsul } from '../../../../test/support/registry/conformance.ts';

const MANAGER = '00000000-0000-0000-0000-0000000000aa';
/** May write the service `web` and read nodes. */
const WEB = '22222222-0000-0000-0000-000000000001';
/** May read services and nodes. */
const READER = '22222222-0000-0000-0000-000000000002';
/** May write the node and the agent. */
const NODE = '22222222-0000-0000-0000-000000000003';
const NOBODY = '22222222-0000-0000-0000-000000000009';

const policy = (name: string, rules: string): string =>
  `PUT /v1/acl/policy?token=${MANAGER} | ${JSON.stringify({ Name: name, Rules: rules })}`;
const token = (secret: string, name: string): string =>
  `PUT /v1/acl/token?token=${MANAGER} | ${JSON.stringify({ SecretID: secret, Policies: [{ Name: name }] })}`;

const SETUP: readonly string[] = [
  policy('web', 'service "web" { policy = "write" } node_prefix "" { policy = "read" }'),
  policy('reader', 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'),
  policy('node', 'node "consul0" { policy = "write" } agent "consul0" { policy = "write" }'),
  token(WEB, 'web'),
  token(READER, 'reader'),
  token(NODE, 'node'),
  `PUT /v1/agent/service/register?token=${MANAGER} | {"Name":"db","Port":1}`,
  `PUT /v1/agent/service/register?token=${MANAGER} | {"Name":"web","Port":80,"Check":{"TTL":"60s","Status":"passing"}}`,
  `PUT /v1/agent/check/register?token=${MANAGER} | {"Name":"disk","TTL":"60s","Status":"passing"}`,
  `AWAIT "web": GET /v1/catalog/services?token=${MANAGER}`,
  `AWAIT "disk": GET /v1/health/state/any?token=${MANAGER}`,
];

/** Of each line, one with every token. */
const LINES = `
PUT /v1/agent/service/register | {"Name":"web","Port":80,"Check":{"TTL":"60s","Status":"passing"}}
PUT /v1/agent/service/register | {"Name":"db","Port":2}
PUT /v1/agent/service/register | {"ID":"web","Name":"other"}
PUT /v1/agent/check/register | {"Name":"c","ServiceID":"db","TTL":"60s"}
PUT /v1/agent/check/register | {"Name":"n","TTL":"60s"}
PUT /v1/agent/check/pass/service:web
PUT /v1/agent/service/maintenance/web?enable=false
PUT /v1/agent/service/maintenance/db?enable=false
PUT /v1/agent/maintenance?enable=false
GET /v1/agent/services
GET /v1/agent/checks
GET /v1/agent/service/db
GET /v1/agent/health/service/id/db
GET /v1/agent/health/service/name/db
GET /v1/agent/members
PUT /v1/catalog/register | {"Node":"consul0","Address":"127.0.0.1","Service":{"Service":"db2"}}
PUT /v1/catalog/register | {"Node":"other","Address":"127.0.0.1"}
PUT /v1/catalog/deregister | {"Node":"other"}
GET /v1/catalog/services
GET /v1/catalog/service/db
GET /v1/catalog/nodes
GET /v1/catalog/node/consul0
GET /v1/catalog/node-services/consul0
GET /v1/health/service/db
GET /v1/health/service/web?passing
GET /v1/health/checks/web
GET /v1/health/node/consul0
GET /v1/health/state/any
PUT /v1/agent/reload
PUT /v1/agent/check/fail/disk
PUT /v1/agent/check/update/disk | {"Status":"passing"}
PUT /v1/agent/check/deregister/disk
PUT /v1/agent/service/deregister/web
PUT /v1/agent/service/deregister/db
`
  .split('\n')
  .filter((line) => line !== '');

const OWN = [
  ...[/"Output":"[^"]*"/g, /"(?:Node)?Meta":(\{[^}]*\}|null)/g],
  /"TaggedAddresses":(\{[^{}]*(\{[^}]*\}[^{}]*)*\}|null)/g,
  ...[/"Tags":\{[^}]*\}/g, /"Port":\d+/g, /"Protocol\w+":\d+|"Delegate\w+":\d+/g],
];

for (const [name, secret] of Object.entries({ '': '', WEB, READER, NODE, NOBODY })) {
  test(`services are closed to the token ${name || 'of nobody'} as a real Consul closes them`, (t) =>
    compareWithConsul(t, [...SETUP, ...LINES.map((line) => withToken(line, secret))], {
      managementToken: MANAGER,
      leaveOut: [...OWN, ...HASHES],
      withoutIndexes: true,
      withoutHeaders: true,
    }));
}

const HASHES = [/"Hash":"[^"]+"/g, /"CreateTime":"[^"]+"/g, /"ContentHash":"[^"]+"/g];

function withToken(line: string, secret: string): string {
  if (secret === '') return line;
  return line.replace(/^(\S+ [^ ?]+)(\??)/, (_, target, mark) =>
    mark === '' ? `${target}?token=${secret}` : `${target}?token=${secret}&`,
  );
}
