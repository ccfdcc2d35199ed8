// Which change wakes which blocking query of the catalog and of health, and whose index rises.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, header, startEmbedded } from '../../../../test/support/registry/builders.ts';
import type { Address } from '../../../base/units.ts';

async function register(address: Address, body: object): Promise<void> {
  const answer = await ask(address, 'PUT /v1/catalog/register', { body: JSON.stringify(body) });
  assert.equal(answer.body, 'true');
}

async function indexOf(address: Address, path: string): Promise<string> {
  return header(await ask(address, `GET ${path}`), 'X-Consul-Index') ?? '';
}

const WEB = { Node: 'n', Address: '10.0.0.1', Service: { Service: 'web', Port: 80 } };
const check = (Status: string): object => ({
  ...WEB,
  Check: { CheckID: 'c', Name: 'c', ServiceID: 'web', Status },
});

/** What happens, and who sees it: the service's health, its instances, all services, all checks, nodes. */
const CASES = [
  ['the same again', WEB, []],
  ['a check that changes', check('passing'), ['health', 'service', 'checks']],
  [
    'another instance',
    { ...WEB, Service: { ID: 'w2', Service: 'web' } },
    ['health', 'service', 'services'],
  ],
  ['another service', { ...WEB, Service: { Service: 'other' } }, ['services']],
  ['another address', { ...WEB, Address: '10.0.0.2' }, ['health', 'service', 'nodes']],
  ['another node', { Node: 'm', Address: '10.0.0.3' }, ['nodes']],
  [
    'a check of the node',
    { Node: 'n', SkipNodeUpdate: true, Check: { Name: 'd' } },
    ['health', 'service', 'checks'],
  ],
] as const;

const PATHS = {
  health: '/v1/health/service/web',
  service: '/v1/catalog/service/web',
  services: '/v1/catalog/services',
  checks: '/v1/health/state/any',
  nodes: '/v1/catalog/nodes',
} as const;

for (const [what, body, expected] of CASES) {
  test(`${what}: raises ${expected.length === 0 ? 'no index' : expected.join(', ')}`, async (t) => {
    const { address } = await startEmbedded(t);
    await register(address, WEB);
    const seen = async (): Promise<Readonly<Record<string, string>>> => {
      const pairs = Object.entries(PATHS).map(
        async ([name, path]) => [name, await indexOf(address, path)] as const,
      );
      return Object.fromEntries(await Promise.all(pairs));
    };
    const before = await seen();
    await register(address, body);
    const after = await seen();
    const risen = Object.keys(PATHS).filter((name) => Number(after[name]) > Number(before[name]));
    assert.deepEqual(risen.sort(), [...expected].sort());
  });
}

test('a blocking query wakes for its own service alone, and when the last instance goes', async (t) => {
  const { address } = await startEmbedded(t);
  await register(address, WEB);
  const index = await indexOf(address, PATHS.health);
  const waiting = ask(address, `GET ${PATHS.health}?index=${index}&wait=60s`);
  await register(address, { ...WEB, Service: { Service: 'other' } });
  await register(address, check('passing'));
  const woken = await waiting;
  assert.match(woken.body, /"Status":"passing"/);
  const next = header(woken, 'X-Consul-Index');
  const last = ask(address, `GET ${PATHS.health}?index=${next}&wait=60s`);
  await ask(address, 'PUT /v1/catalog/deregister', { body: '{"Node":"n","ServiceID":"web"}' });
  const gone = await last;
  assert.equal(gone.body, '[]');
  assert.ok(Number(header(gone, 'X-Consul-Index')) > Number(next));
});

test('a service that nobody has yet is waited for', async (t) => {
  const { address } = await startEmbedded(t);
  await register(address, { ...WEB, Service: { Service: 'other' } });
  const index = await indexOf(address, PATHS.health);
  const waiting = ask(address, `GET ${PATHS.health}?index=${index}&wait=60s`);
  await register(address, WEB);
  assert.match((await waiting).body, /"Service":"web"/);
});

test('an answer that many ask for follows a change', async (t) => {
  const { address } = await startEmbedded(t);
  await register(address, WEB);
  const before = (await ask(address, `GET ${PATHS.service}`)).body;
  assert.equal((await ask(address, `GET ${PATHS.service}?index=1`)).body, before);
  await register(address, { ...WEB, Service: { Service: 'web', Port: 81 } });
  assert.match((await ask(address, `GET ${PATHS.service}`)).body, /"ServicePort":81/);
});

test('a session ends with the check that it names, and with its node', async (t) => {
  const { address } = await startEmbedded(t, { nodeName: 'own' });
  const register = async (body: object): Promise<void> => {
    const answer = await ask(address, 'PUT /v1/agent/check/register', {
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, 200);
  };
  await register({ Name: 'alive', TTL: '1h', Status: 'passing' });
  const created = await ask(address, 'PUT /v1/session/create', {
    body: '{"Checks":["serfHealth","alive"]}',
  });
  assert.equal(created.status, 200, created.body);
  const { ID } = JSON.parse(created.body);
  assert.notEqual((await ask(address, `GET /v1/session/info/${ID}`)).body, '[]');
  await ask(address, 'PUT /v1/agent/check/fail/alive');
  assert.equal((await ask(address, `GET /v1/session/info/${ID}`)).body, '[]');
});
