// Access control over time: what was granted, changed, revoked, expired, restarted. What a real Consul
// answers to the same requests is compared in acl-conformance.test.ts.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  ask,
  type Embedded,
  header,
  startEmbedded,
  temporaryFolder,
} from '../../../../test/support/registry/builders.ts';
import { HeldClock } from '../../../../test/support/registry/held-clock.ts';
import { TOKENS } from './tokens.ts';

const MANAGER = 'the-management-token';

type Options = Parameters<typeof startEmbedded>[1];

async function start(t: TestContext, options: Options = {}): Promise<Embedded> {
  return startEmbedded(t, { acl: { initialManagementToken: MANAGER }, ...options });
}

async function as(
  secret: string,
  { address }: Embedded,
  line: string,
  body?: string,
): ReturnType<typeof ask> {
  const headers = secret === '' ? [] : [`X-Consul-Token: ${secret}`];
  return ask(address, line, { headers, ...(body === undefined ? {} : { body }) });
}

async function setPolicy(
  registry: Embedded,
  name: string,
  rules: string,
  id = '',
): Promise<string> {
  const body = JSON.stringify({ Name: name, Rules: rules });
  const answer = await as(MANAGER, registry, `PUT /v1/acl/policy${id && `/${id}`}`, body);
  return /"ID":"([^"]+)"/.exec(answer.body)?.[1] ?? assert.fail(answer.body);
}

async function newToken(
  registry: Embedded,
  options: object,
): Promise<{ readonly id: string; readonly secret: string }> {
  const answer = await as(MANAGER, registry, 'PUT /v1/acl/token', JSON.stringify(options));
  const [, id, secret] = /"AccessorID":"([^"]+)","SecretID":"([^"]+)"/.exec(answer.body) ?? [];
  return { id: id ?? assert.fail(answer.body), secret: secret ?? '' };
}

test('a token is read from the query, the field of Consul, or as a bearer, in this order', async (t) => {
  const registry = await start(t);
  const line = 'PUT /v1/kv/a';
  const field = `X-Consul-Token: ${MANAGER}`;
  const bearer = `Authorization: Bearer ${MANAGER}`;
  const table: readonly (readonly [string, readonly string[], number])[] = [
    [line, [], 403],
    [`${line}?token=${MANAGER}`, [], 200],
    [line, [field], 200],
    [line, [bearer], 200],
    [line, ['Authorization: Basic eDp5'], 403],
    [`${line}?token=x`, [field], 403],
    [line, ['X-Consul-Token: x', bearer], 403],
    [`${line}?token=`, [field], 200],
  ];
  for (const [target, headers, status] of table) {
    const answer = await ask(registry.address, target, { headers, body: 'x' });
    assert.equal(answer.status, status, `${target} ${headers.join()}`);
  }
});

test('a query that waits ends its rights with those of its token', async (t) => {
  const registry = await start(t);
  const policy = await setPolicy(registry, 'p', 'key_prefix "a" { policy = "read" }');
  const { id, secret } = await newToken(registry, { Policies: [{ Name: 'p' }] });
  await as(MANAGER, registry, 'PUT /v1/kv/a', '1');
  await as(MANAGER, registry, 'PUT /v1/kv/b', '1');
  const first = await as(secret, registry, 'GET /v1/kv/?recurse');
  assert.match(first.body, /"Key":"a"/);
  assert.doesNotMatch(first.body, /"Key":"b"/);
  const index = header(first, 'X-Consul-Index');
  const list = as(secret, registry, `GET /v1/kv/?recurse&index=${index}`);
  await setPolicy(registry, 'p', 'key_prefix "b" { policy = "read" }', policy);
  await as(MANAGER, registry, 'PUT /v1/kv/a', '2');
  assert.match((await list).body, /^\[\{[^{]*"Key":"b"[^{]*\}\]$/);
  const record = as(secret, registry, `GET /v1/kv/b?index=${index}`);
  await as(MANAGER, registry, `DELETE /v1/acl/token/${id}`);
  await as(MANAGER, registry, 'PUT /v1/kv/b', '2');
  assert.equal((await record).status, 403);
  assert.equal((await as(secret, registry, 'GET /v1/kv/b')).body, 'ACL not found');
});

test('two tokens that see different keys never share an answer', async (t) => {
  const registry = await start(t);
  const secrets: string[] = [];
  for (const key of ['a', 'b']) {
    await setPolicy(registry, key, `key "${key}" { policy = "read" }`);
    secrets.push((await newToken(registry, { Policies: [{ Name: key }] })).secret);
    await as(MANAGER, registry, `PUT /v1/kv/${key}`, '1');
  }
  const keys = async (secret: string): Promise<string> =>
    (await as(secret, registry, 'GET /v1/kv/?keys')).body;
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(
      [await keys(secrets[0] ?? ''), await keys(MANAGER), await keys(secrets[1] ?? '')],
      ['["a"]', '["a","b"]', '["b"]'],
    );
    assert.equal(await keys(''), '[]');
  }
});

test('the rights of a request without a token are those of the anonymous token', async (t) => {
  const registry = await start(t);
  await setPolicy(registry, 'open', 'key_prefix "open/" { policy = "write" }');
  const anonymous = '00000000-0000-0000-0000-000000000002';
  const body = JSON.stringify({ Policies: [{ Name: 'open' }] });
  assert.equal((await as('', registry, 'PUT /v1/kv/open/a', 'x')).status, 403);
  await as(MANAGER, registry, `PUT /v1/acl/token/${anonymous}`, body);
  assert.equal((await as('', registry, 'PUT /v1/kv/open/a', 'x')).status, 200);
  assert.equal((await as('', registry, 'PUT /v1/kv/other', 'x')).status, 403);
  assert.equal((await as('', registry, 'DELETE /v1/kv/?recurse')).status, 403);
});

test('a token expires at its time and is then nobody', async (t) => {
  const clock = new HeldClock();
  const registry = await start(t, { clock });
  await setPolicy(registry, 'p', 'key_prefix "" { policy = "read" }');
  const options = { Policies: [{ Name: 'p' }], ExpirationTTL: '60s' };
  const { id, secret } = await newToken(registry, options);
  clock.advance(59_999);
  assert.equal((await as(secret, registry, 'GET /v1/kv/a')).status, 404);
  clock.advance(1);
  assert.equal((await as(secret, registry, 'GET /v1/kv/a')).body, 'ACL not found');
  assert.equal((await as(MANAGER, registry, `GET /v1/acl/token/${id}`)).body, 'ACL not found');
  await newToken(registry, {});
  assert.equal(registry.store.table.family('acl-token').size, 1, 'it is swept away');
});

test('tokens and policies outlive a restart; the management token is that of the configuration', async (t) => {
  const dataDir = temporaryFolder(t);
  const first = await start(t, { dataDir });
  await setPolicy(first, 'p', 'key_prefix "" { policy = "write" }');
  const { secret } = await newToken(first, { Policies: [{ Name: 'p' }] });
  await first.api.close();
  first.store.close();
  const registry = await start(t, { dataDir, acl: { initialManagementToken: 'another' } });
  assert.equal((await as(secret, registry, 'PUT /v1/kv/a', 'x')).status, 200);
  assert.equal((await as(MANAGER, registry, 'PUT /v1/kv/a', 'x')).body, 'ACL not found');
  assert.equal((await as('another', registry, 'GET /v1/acl/tokens')).status, 200);
});

test('a deleted policy gives nobody anything', async (t) => {
  const registry = await start(t);
  const policy = await setPolicy(registry, 'p', 'key_prefix "" { policy = "write" }');
  const { id, secret } = await newToken(registry, { Policies: [{ Name: 'p' }] });
  await as(MANAGER, registry, `DELETE /v1/acl/policy/${policy}`);
  assert.equal((await as(secret, registry, 'GET /v1/kv/a')).status, 403);
  assert.doesNotMatch((await as(MANAGER, registry, `GET /v1/acl/token/${id}`)).body, /Policies/);
});

test('who may read tokens sees no secret but its own', async (t) => {
  const registry = await start(t);
  await setPolicy(registry, 'reader', 'acl = "read"');
  const reader = await newToken(registry, { Policies: [{ Name: 'reader' }] });
  const other = await newToken(registry, {});
  const list = await as(reader.secret, registry, 'GET /v1/acl/tokens');
  assert.match(list.body, new RegExp(other.id));
  for (const secret of [other.secret, MANAGER]) assert(!list.body.includes(secret));
  const seen = await as(reader.secret, registry, `GET /v1/acl/token/${other.id}`);
  assert.match(seen.body, /"SecretID":"<hidden>"|"SecretID":"\\u003chidden\\u003e"/);
  const self = await as(reader.secret, registry, 'GET /v1/acl/token/self');
  assert.match(self.body, new RegExp(reader.secret));
  assert.equal((await as(reader.secret, registry, 'PUT /v1/acl/token', '{}')).status, 403);
});

test('identities of services and nodes give what Consul gives them', async (t) => {
  const registry = await start(t, { datacenter: 'here', nodeName: 'n' });
  const { secret } = await newToken(registry, {
    ServiceIdentities: [{ ServiceName: 'elsewhere', Datacenters: ['there'] }],
    NodeIdentities: [{ NodeName: 'n', Datacenter: 'here' }],
  });
  assert.equal((await as(secret, registry, 'GET /v1/kv/a')).status, 403);
  const self = await as(secret, registry, 'GET /v1/acl/token/self?dc=here');
  assert.match(self.body, /"Datacenters":\["there"\]/);
});

test('a token deletes others, not itself nor the one of the configuration', async (t) => {
  const registry = await start(t);
  const list = await as(MANAGER, registry, 'GET /v1/acl/tokens');
  const initial = /"AccessorID":"([^"]+)","Description":"Master/.exec(list.body)?.[1];
  for (const method of ['DELETE', 'PUT']) {
    const answer = await as(MANAGER, registry, `${method} /v1/acl/token/${initial}`, '{}');
    assert.deepEqual([answer.status, /in the configuration/.test(answer.body)], [500, true]);
  }
  const management = [{ ID: '00000000-0000-0000-0000-000000000001' }];
  const { id, secret } = await newToken(registry, { Policies: management });
  const own = await as(secret, registry, `DELETE /v1/acl/token/${id}`);
  assert.match(own.body, /authorization token is not permitted/);
});

test('a file beside the data allows another bootstrap, once', async (t) => {
  const resetFile = join(temporaryFolder(t), 'acl-bootstrap-reset');
  const registry = await start(t, { acl: { initialManagementToken: '', resetFile } });
  const first = await ask(registry.address, 'PUT /v1/acl/bootstrap');
  assert.equal(first.status, 200);
  const refused = await ask(registry.address, 'PUT /v1/acl/bootstrap');
  const index = /reset index: (\d+)/.exec(refused.body)?.[1] ?? assert.fail(refused.body);
  writeFileSync(resetFile, `${Number(index) + 1}\n`);
  assert.equal((await ask(registry.address, 'PUT /v1/acl/bootstrap')).status, 403);
  writeFileSync(resetFile, `${index}\n`);
  assert.equal((await ask(registry.address, 'PUT /v1/acl/bootstrap')).status, 200);
  assert.equal((await ask(registry.address, 'PUT /v1/acl/bootstrap')).status, 403);
});

test('a token has the rights of its roles, until they lose them', async (t) => {
  const registry = await start(t);
  const policy = await setPolicy(registry, 'p', 'key_prefix "" { policy = "read" }');
  const body = JSON.stringify({ Name: 'r', Policies: [{ ID: policy }] });
  const made = await as(MANAGER, registry, 'PUT /v1/acl/role', body);
  const role = /"ID":"([^"]+)"/.exec(made.body)?.[1] ?? assert.fail(made.body);
  const { secret } = await newToken(registry, { Roles: [{ Name: 'r' }] });
  assert.equal((await as(secret, registry, 'GET /v1/kv/a')).status, 404);
  await as(MANAGER, registry, `PUT /v1/acl/role/${role}`, '{"Name":"r"}');
  assert.equal((await as(secret, registry, 'GET /v1/kv/a')).status, 403);
  await as(MANAGER, registry, `PUT /v1/acl/role/${role}`, body);
  assert.equal((await as(secret, registry, 'GET /v1/kv/a')).status, 404);
  await as(MANAGER, registry, `DELETE /v1/acl/policy/${policy}`);
  assert.equal((await as(secret, registry, 'GET /v1/kv/a')).status, 403);
});

test("sessions are their node's: without its right none is made, seen, renewed or ended", async (t) => {
  const registry = await start(t, { nodeName: 'n' });
  await setPolicy(
    registry,
    'p',
    'session "n" { policy = "write" } key_prefix "" { policy = "read" }',
  );
  await setPolicy(registry, 'r', 'session_prefix "" { policy = "read" }');
  const writer = await newToken(registry, { Policies: [{ Name: 'p' }] });
  const reader = await newToken(registry, { Policies: [{ Name: 'r' }] });
  const made = await as(writer.secret, registry, 'PUT /v1/session/create', '{}');
  const session = /"ID":"([^"]+)"/.exec(made.body)?.[1] ?? assert.fail(made.body);
  for (const line of [
    'PUT /v1/session/create',
    `PUT /v1/session/renew/${session}`,
    `PUT /v1/session/destroy/${session}`,
  ]) {
    assert.equal((await as(reader.secret, registry, line)).status, 403, line);
    assert.equal((await as('', registry, line)).status, 403, line);
  }
  assert.match(
    (await as(reader.secret, registry, 'GET /v1/session/list')).body,
    new RegExp(session),
  );
  assert.equal((await as('', registry, 'GET /v1/session/list')).body, '[]');
  const lock = await as(writer.secret, registry, `PUT /v1/kv/a?acquire=${session}`, 'x');
  assert.equal(lock.status, 403, 'a lock is a write of its key');
  assert.equal((await as(writer.secret, registry, `PUT /v1/session/renew/${session}`)).status, 200);
});

test('there is an end to tokens; those that are there can be changed and removed', async (t) => {
  const registry = await start(t);
  const { id } = await newToken(registry, { Description: 'one' });
  const one = TOKENS.find(registry.store.table, id)?.value ?? assert.fail('it is not there');
  await registry.store.transact((writes) => {
    const family = writes.table.family(TOKENS.name);
    for (let at = 0; family.size < 10_000; at += 1) {
      TOKENS.put(writes, `filler-${at}`, { ...one, secretId: `secret-${at}` });
    }
  });
  const refused = await as(MANAGER, registry, 'PUT /v1/acl/token', '{}');
  assert.equal(refused.status, 500);
  assert.match(refused.body, /^acl-token: there are 10000, and this registry keeps no more; /);
  const old = await as(MANAGER, registry, 'PUT /v1/acl/create', '{"Type":"client"}');
  assert.equal(old.status, 500);
  const change = JSON.stringify({ AccessorID: id, Description: 'two' });
  assert.equal((await as(MANAGER, registry, `PUT /v1/acl/token/${id}`, change)).status, 200);
  assert.equal((await as(MANAGER, registry, `DELETE /v1/acl/token/${id}`)).status, 200);
  assert.equal((await as(MANAGER, registry, 'PUT /v1/acl/token', '{}')).status, 200);
});
