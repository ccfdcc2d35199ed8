// Which registries other gateways can follow.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindOf, type RegistrySettings } from './sources.ts';

const embedded = (host: string, port = 8500): RegistrySettings => ({
  kind: 'embedded',
  listen: { host, port },
  dataDir: '',
  token: '',
  datacenter: 'dc1',
  nodeName: 'n',
});
const consul = (...hosts: readonly string[]): RegistrySettings => ({
  kind: 'consul',
  addresses: hosts.map((host) => ({ host, port: 8500 })),
  ...{ token: '', tokenFile: '', tls: undefined, datacenter: '', namespace: '' },
});

const CASES: readonly (readonly [string, RegistrySettings, string])[] = [
  ['an embedded registry on loopback', embedded('127.0.0.1'), ''],
  ['no registry', { kind: 'none' }, ''],
  ['the whole network', embedded('0.0.0.0'), 'the registry on 0.0.0.0:8500'],
  ['all of IPv6', embedded('::'), 'the registry on [::]:8500'],
  ['a LAN address', embedded('10.0.0.5', 1), 'the registry on 10.0.0.5:1'],
  ['IPv6 loopback', embedded('::1'), ''],
  ['loopback written as IPv6', embedded('::ffff:127.0.0.1'), ''],
  // Its agent here is a door to the same records for everybody.
  ['a Consul on loopback', consul('127.0.0.1'), 'the Consul at 127.0.0.1:8500'],
  ['three Consuls', consul('a', 'b', '::1'), 'the Consul at a:8500, b:8500, [::1]:8500'],
];

for (const [what, settings, registry] of CASES) {
  test(`${what}: ${registry === '' ? 'nobody else follows it' : 'others may follow it'}`, () => {
    assert.equal(kindOf(settings).shared(settings), registry);
  });
}
