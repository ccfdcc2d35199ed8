// Prepared queries: beside a real Consul, what they select, and whose they are.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, startEmbedded } from '../../../../test/support/registry/builders.ts';
import { compareWithConsul } from '../../../../test/support/registry/conformance.ts';

const REQUESTS = `
PUT /v1/agent/service/register | {"Name":"web","Port":80,"Tags":["a"]}
PUT /v1/agent/service/register | {"Name":"db","Port":81}
AWAIT "web": GET /v1/catalog/services
AWAIT "db": GET /v1/catalog/services
AWAIT lan_ipv4: GET /v1/catalog/nodes
GET /v1/query
Q = POST /v1/query | {"Name":"q1","Service":{"Service":"web"}}
GET /v1/query
GET /v1/query/$Q
GET /v1/query/nope
GET /v1/query/11111111-1111-1111-1111-111111111111
POST /v1/query | {"Name":"q1","Service":{"Service":"web"}}
POST /v1/query | {"Name":"q2"}
POST /v1/query | {"Service":{"Service":"db","OnlyPassing":true,"Tags":["x"],"Near":"_agent","Failover":{"NearestN":3,"Datacenters":["dc1"]}},"DNS":{"TTL":"10s"},"Session":"","Token":"tok"}
POST /v1/query | {"Name":"q3","Service":{"Service":"web"},"DNS":{"TTL":"x"}}
POST /v1/query | {"Name":"q4","Service":{"Service":"web"},"Session":"11111111-1111-1111-1111-111111111111"}
POST /v1/query | {
POST /v1/query
GET /v1/query/$Q/execute
GET /v1/query/q1/execute
GET /v1/query/none/execute
GET /v1/query/q1/explain
GET /v1/query/none/explain
GET /v1/query/q1/execute?limit=1&near=_agent
GET /v1/query/q1/execute?passing
PUT /v1/query/$Q | {"Name":"q9","Service":{"Service":"db"}}
PUT /v1/query/nope | {"Name":"q9","Service":{"Service":"db"}}
PUT /v1/query/11111111-1111-1111-1111-111111111111 | {"Name":"q10","Service":{"Service":"db"}}
PUT /v1/query/$Q
GET /v1/query/$Q
DELETE /v1/query/$Q
DELETE /v1/query/$Q
DELETE /v1/query/nope
GET /v1/query
GET /v1/query/
DELETE /v1/query
`
  .split('\n')
  .filter((line) => line !== '');

test('queries are kept and carried out as a real Consul does', (t) =>
  compareWithConsul(t, REQUESTS, {
    leaveOut: [
      /"Meta":(\{[^}]*\}|null)/g,
      /"TaggedAddresses":(\{[^{}]*(\{[^}]*\}[^{}]*)*\}|null)/g,
      /"Output":"[^"]*"/g,
    ],
    withoutIndexes: true,
  }));

type Registry = Awaited<ReturnType<typeof startEmbedded>>;

async function serve({ address }: Registry, id: string, more: object = {}): Promise<void> {
  const body = JSON.stringify({ ID: id, Name: 'web', ...more });
  assert.equal((await ask(address, 'PUT /v1/agent/service/register', { body })).status, 200);
}

async function select({ address }: Registry, service: object, limit = ''): Promise<string[]> {
  const body = JSON.stringify({ Name: 'q', Service: { Service: 'web', ...service } });
  const made = await ask(address, 'POST /v1/query', { body });
  const id = /"ID":"([^"]+)"/.exec(made.body)?.[1] ?? assert.fail(made.body);
  const done = await ask(address, `GET /v1/query/q/execute${limit}`);
  await ask(address, `DELETE /v1/query/${id}`);
  const { Nodes } = JSON.parse(done.body) as { Nodes: { Service: { ID: string } }[] };
  return Nodes.map(({ Service }) => Service.ID).sort();
}

test('a query selects by tags, metadata and checks', async (t) => {
  const registry = await startEmbedded(t);
  const check = (Status: string): object => ({ TTL: '60s', Status, CheckID: `check-${Status}` });
  await serve(registry, 'a', { Tags: ['blue'], Meta: { zone: '1' } });
  await serve(registry, 'b', { Tags: ['Green'], Check: check('warning') });
  await serve(registry, 'c', { Check: check('critical') });
  assert.deepEqual(await select(registry, {}), ['a', 'b']);
  assert.deepEqual(await select(registry, { OnlyPassing: true }), ['a']);
  assert.deepEqual(await select(registry, { IgnoreCheckIDs: ['check-critical'] }), ['a', 'b', 'c']);
  assert.deepEqual(await select(registry, { Tags: ['green'] }), ['b']);
  assert.deepEqual(await select(registry, { Tags: ['!green'] }), ['a']);
  assert.deepEqual(await select(registry, { ServiceMeta: { zone: '1' } }), ['a']);
  assert.deepEqual(await select(registry, { NodeMeta: { no: 'such' } }), []);
  assert.equal((await select(registry, {}, '?limit=1')).length, 1);
});

test('a query that is bound to a session ends with it', async (t) => {
  const { address } = await startEmbedded(t);
  const made = await ask(address, 'PUT /v1/session/create', { body: '{}' });
  const session = /"ID":"([^"]+)"/.exec(made.body)?.[1];
  const body = JSON.stringify({ Name: 'q', Session: session, Service: { Service: 'web' } });
  await ask(address, 'POST /v1/query', { body });
  assert.equal((await ask(address, 'GET /v1/query/q/execute')).status, 200);
  await ask(address, `PUT /v1/session/destroy/${session}`);
  assert.equal((await ask(address, 'GET /v1/query/q/execute')).status, 404);
  assert.equal((await ask(address, 'GET /v1/query')).body, '[]');
});

test("queries are their readers', and what they show is that of who asks", async (t) => {
  const registry = await startEmbedded(t, { acl: { initialManagementToken: 'm' } });
  const { address } = registry;
  const manager = { headers: ['X-Consul-Token: m'] };
  await ask(address, 'PUT /v1/agent/service/register', { ...manager, body: '{"Name":"web"}' });
  for (const [name, token] of [
    ['open', 'm'],
    ['plain', ''],
  ]) {
    const body = JSON.stringify({ Name: name, Token: token, Service: { Service: 'web' } });
    assert.equal((await ask(address, 'POST /v1/query', { body })).status, 403);
    await ask(address, 'POST /v1/query', { ...manager, body });
  }
  assert.equal((await ask(address, 'GET /v1/query')).body, '[]');
  assert.match((await ask(address, 'GET /v1/query/open/execute')).body, /"ID":"web"/);
  assert.match((await ask(address, 'GET /v1/query/plain/execute')).body, /"Nodes":\[\]/);
});
