import assert from 'node:assert/strict';
import { test } from 'node:test';
import { opennessOf } from '../../config.ts';
import { welcome } from './registry.ts';

test('a registry beyond loopback is said to be open, one on loopback is not', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) {
    assert.equal(opennessOf({ host, port: 1 }), '', host);
  }
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.example.net']) {
    assert.match(opennessOf({ host, port: 1 }), /:1 can be reached .* has no access control/, host);
  }
});

test('the command to try has an address that can be connected to', () => {
  const text = welcome({ host: '0.0.0.0', port: 8500 }, '/data', 'prod/', false);
  assert.match(text, /^sluice registry: http:\/\/0\.0\.0\.0:8500\/v1\/kv\//);
  assert.match(text, /\ntry: curl .* http:\/\/127\.0\.0\.1:8500\/v1\/kv\/prod\/app\//);
});
