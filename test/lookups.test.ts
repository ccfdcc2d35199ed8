// Servers that are looked up, for a running gateway: services of a real Consul, names of a real DNS server.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress } from '../src/base/units.ts';
import { temporaryFolder } from './support/cli/process.ts';
import { daemonConfig, get, runDaemon, startServer, until } from './support/daemon/builders.ts';
import { startConsul } from './support/peers/programs.ts';
import { startUnbound } from './support/peers/unbound.ts';
import { ConsulServices } from './support/registry/consul-services.ts';

test('requests go to the services of a Consul as their checks allow, and to names of DNS', async (t) => {
  const [consul, dns] = [await startConsul(t), await startUnbound(t)];
  const [agent] = consul?.addresses ?? [];
  if (agent === undefined || dns === undefined) return;
  const [one, two, three] = [await startServer(t), await startServer(t), await startServer(t)];
  const services = new ConsulServices(agent);
  await services.register({ name: 'app-v2', server: one.id, id: 'one', check: 'passing' });
  await services.register({ name: 'app-v2', server: two.id, id: 'two', check: 'critical' });
  const port = three.id.split(':')[1];
  await dns.set('three.test', ['0 IN A 127.0.0.1']);
  await dns.set('_http._tcp.test', [`0 IN SRV 1 5 ${port} three.test.`]);
  const config = (registry: string): string => `registries:
  east: { consul_health: { addresses: "${formatAddress(agent)}" } }
  names: { dns: { resolvers: "${formatAddress(dns.address)}", ttl_min: 50ms } }
upstreams: { app: { registry: ${registry} } }`;
  const folder = temporaryFolder(t);
  const daemon = await runDaemon(t, daemonConfig(config('{ east: app-v2 }'), folder));
  assert.deepEqual(await get(daemon.gateway), { status: 200, body: one.id });
  await services.setCheck('two', 'passing');
  await services.setCheck('one', 'critical');
  await until('the other serves', async () => (await get(daemon.gateway)).body === two.id);

  await daemon.applyConfig(daemonConfig(config('{ names: _http._tcp.test }'), folder));
  await until('the third serves', async () => (await get(daemon.gateway)).body === three.id);
  const seen = async (): Promise<string> => {
    const answer = await fetch(`${daemon.control}/api/upstreams/app`);
    return JSON.stringify(await answer.json());
  };
  assert.match(await seen(), new RegExp(`"id":"${three.id}".*"weight":5.*"registry":"names"`));
  const weight = await fetch(`${daemon.control}/api/upstreams/app/servers/${three.id}/weight`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"weight":3}',
  });
  assert.match(await weight.text(), /its servers come from DNS, which is only read/);
  await dns.set('_http._tcp.test', []);
  await until('the list is held', async () => (await seen()).includes('"source":"held"'));
  assert.deepEqual(await get(daemon.gateway), { status: 200, body: three.id });
});
