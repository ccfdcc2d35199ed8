// Events: beside a real Consul, and who waits for them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, header, startEmbedded } from '../../../../test/support/registry/builders.ts';
import { compareWithConsul } from '../../../../test/support/registry/conformance.ts';
import { HeldClock } from '../../../../test/support/registry/held-clock.ts';

const REQUESTS = `
GET /v1/event/list
PUT /v1/event/fire/
PUT /v1/event/fire/deploy | hello
PUT /v1/event/fire/deploy?node=consul&service=web&tag=v1 | x
PUT /v1/event/fire/deploy?tag=v1 | x
PUT /v1/event/fire/nopayload
PUT /v1/event/fire/other?dc=nope | x
PUT /v1/event/fire/other?node=consul0 | x
PUT /v1/event/fire/other?node=zzz | hidden
GET /v1/event/fire/x
PUT /v1/event/list
GET /v1/event/fire
GET /v1/event/list?index=x
GET /v1/event/list?wait=x
GET /v1/event/list
GET /v1/event/list?name=deploy
GET /v1/event/list?name=none
GET /v1/event/list?index=5&wait=10ms
PUT /v1/event/fire/a/b?pretty | x
`
  .split('\n')
  .filter((line) => line !== '');

test('events are fired and listed as a real Consul does', (t) =>
  compareWithConsul(t, REQUESTS, { leaveOut: [/"LTime": ?\d+/g] }));

test('a query for events waits for the next one that it asked for', async (t) => {
  const { address } = await startEmbedded(t, { random: () => 0 });
  await ask(address, 'PUT /v1/event/fire/a', { body: '1' });
  const first = await ask(address, 'GET /v1/event/list?name=a');
  const index = header(first, 'X-Consul-Index');
  assert.match(index ?? '', /^\d{10,20}$/);
  const next = ask(address, `GET /v1/event/list?name=a&index=${index}`);
  await ask(address, 'PUT /v1/event/fire/b', { body: '2' });
  const timed = await ask(address, `GET /v1/event/list?name=a&index=${index}&wait=20ms`);
  assert.equal(timed.body, first.body, 'out of time, what is there');
  await ask(address, 'PUT /v1/event/fire/a', { body: '3' });
  assert.match((await next).body, /"Payload":"MQ==".*"Payload":"Mw=="/);
});

test('the newest 256 are kept, and closing lets nobody wait', async (t) => {
  const { address, api } = await startEmbedded(t);
  for (let at = 0; at < 260; at++) await ask(address, `PUT /v1/event/fire/e${at}`);
  const { body, headers } = await ask(address, 'GET /v1/event/list');
  assert.equal(body.match(/"ID"/g)?.length, 256);
  assert.match(body, /^\[\{"ID":"[^"]+","Name":"e4"/);
  const index = headers.find((line) => line.startsWith('X-Consul-Index'))?.slice(16);
  const waiting = ask(address, `GET /v1/event/list?index=${index}`);
  await ask(address, 'GET /v1/status/leader');
  await api.close();
  assert.equal((await waiting).body, body);
});

test('an event for services reaches the node that has one of them', async (t) => {
  const { address } = await startEmbedded(t);
  const body = '{"Name":"web","Tags":["blue"]}';
  await ask(address, 'PUT /v1/agent/service/register', { body });
  for (const [name, query] of [
    ['name', 'service=^we'],
    ['tag', 'service=web&tag=blue'],
    ['no-tag', 'service=web&tag=green'],
    ['no-name', 'service=db'],
  ]) {
    await ask(address, `PUT /v1/event/fire/${name}?${query}`);
  }
  const list = await ask(address, 'GET /v1/event/list');
  assert.deepEqual(list.body.match(/"Name":"[\w-]+"/g), ['"Name":"name"', '"Name":"tag"']);
});

test('a filter that could run for ever is refused', async (t) => {
  const { address } = await startEmbedded(t);
  for (const filter of ['(a+)+$', '(.*)*', 'a*a*a*a*b', '(a)\\1', '[', 'x'.repeat(129)]) {
    const line = `PUT /v1/event/fire/x?node=${encodeURIComponent(filter)}`;
    assert.equal((await ask(address, line)).status, 500, filter);
  }
});

test('events are seen and fired by those who may', async (t) => {
  const clock = new HeldClock();
  const acl = { initialManagementToken: 'manager' };
  const { address } = await startEmbedded(t, { acl, clock });
  const manager = { headers: ['X-Consul-Token: manager'] };
  const rules = 'event \\"a\\" { policy = \\"read\\" }';
  await ask(address, 'PUT /v1/acl/policy', { ...manager, body: `{"Name":"p","Rules":"${rules}"}` });
  const anonymous = '00000000-0000-0000-0000-000000000002';
  const body = '{"Policies":[{"Name":"p"}]}';
  await ask(address, `PUT /v1/acl/token/${anonymous}`, { ...manager, body });
  for (const name of ['a', 'b']) {
    assert.equal((await ask(address, `PUT /v1/event/fire/${name}`)).status, 403);
    await ask(address, `PUT /v1/event/fire/${name}`, manager);
  }
  const names = (text: string): unknown[] => text.match(/"Name":"\w+"/g) ?? [];
  assert.deepEqual(names((await ask(address, 'GET /v1/event/list')).body), ['"Name":"a"']);
  assert.equal(names((await ask(address, 'GET /v1/event/list', manager)).body).length, 2);
});
