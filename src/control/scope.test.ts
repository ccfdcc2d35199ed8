import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import type { RegistryConfig } from '../config.ts';
import { scopeOf } from './scope.ts';

const CONFIG: RegistryConfig = {
  kind: 'embedded',
  listen: { host: '127.0.0.1', port: 8500 },
  dataDir: '',
  addresses: [],
  token: '',
  prefix: 'upstreams/',
  strongDependency: false,
};

test('names this process as the gateway', () => {
  assert.equal(scopeOf(CONFIG).gateway, `pid ${process.pid} on ${hostname()}`);
});

for (const [what, change, registry] of [
  ['an embedded registry on loopback', {}, ''],
  ['no registry', { kind: 'none', listen: { host: '0.0.0.0', port: 1 } }, ''],
  [
    'the whole network',
    { listen: { host: '0.0.0.0', port: 8500 } },
    'the registry on 0.0.0.0:8500',
  ],
  ['all of IPv6', { listen: { host: '::', port: 8500 } }, 'the registry on [::]:8500'],
  ['a LAN address', { listen: { host: '10.0.0.5', port: 1 } }, 'the registry on 10.0.0.5:1'],
  ['IPv6 loopback', { listen: { host: '::1', port: 8500 } }, ''],
  ['loopback written as IPv6', { listen: { host: '::ffff:127.0.0.1', port: 8500 } }, ''],
  // Its agent here is a door to the same records for everybody.
  [
    'a Consul on loopback',
    { kind: 'consul', addresses: [{ host: '127.0.0.1', port: 8500 }] },
    'the Consul at 127.0.0.1:8500',
  ],
  [
    'three Consuls',
    { kind: 'consul', addresses: ['a', 'b', '::1'].map((host) => ({ host, port: 1 })) },
    'the Consul at a:1, b:1, [::1]:1',
  ],
] as const) {
  test(`${what}: ${registry === '' ? 'nobody else follows it' : 'others may follow it'}`, () => {
    assert.equal(scopeOf({ ...CONFIG, ...change }).sharedRegistry, registry);
  });
}
