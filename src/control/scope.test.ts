import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import type { RegistrySettings } from '../registry.ts';
import { scopeOf } from './scope.ts';

const embedded = (host: string, port = 8500): RegistrySettings => ({
  kind: 'embedded',
  listen: { host, port },
  dataDir: '',
});
const consul = (...hosts: readonly string[]): RegistrySettings => ({
  kind: 'consul',
  addresses: hosts.map((host) => ({ host, port: 8500 })),
  token: '',
});

test('names this process as the gateway', () => {
  assert.equal(scopeOf([{ kind: 'none' }]).gateway, `pid ${process.pid} on ${hostname()}`);
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
    assert.equal(scopeOf([settings]).sharedRegistry, registry);
  });
}

test('of several registries all are named that others may follow', () => {
  const { sharedRegistry } = scopeOf([embedded('127.0.0.1'), consul('a'), consul('b')]);
  assert.equal(sharedRegistry, 'the Consul at a:8500 and the Consul at b:8500');
});
