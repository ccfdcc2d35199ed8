import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from './load.ts';

function prefixOf(text: string): string | undefined {
  const service = 'services: { app: { instances: ["127.0.0.1:1"], start: x } }';
  return parseConfig(`${text}\n${service}`, 's.yaml', {}).services[0]?.recordPrefix;
}

test("a service knows where the registry has its upstream's records, or that it has none", () => {
  assert.equal(prefixOf('upstreams: { app: {} }'), 'upstreams/app/');
  assert.equal(prefixOf('registry: { prefix: prod/ }\nupstreams: { app: {} }'), 'prod/app/');
  const own = 'upstreams: { app: { registry: false, servers: ["127.0.0.1:1"] } }';
  assert.equal(prefixOf(own), '');
  const none = 'registry: { none: true }\nupstreams: { app: { servers: ["127.0.0.1:1"] } }';
  assert.equal(prefixOf(none), '');
});
