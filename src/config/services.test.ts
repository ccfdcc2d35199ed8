import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageOf } from '../base/errors.ts';
import { parseConfig } from './load.ts';
import type { ServersIn } from './types.ts';

function placeOf(text: string): ServersIn | undefined {
  const service = 'services: { app: { instances: ["127.0.0.1:1"], start: x } }';
  return parseConfig(`${text}\n${service}`, 's.yaml', {}).services[0]?.serversIn;
}

function problemOf(env: string): string {
  try {
    const services = `services: { app: { instances: ["127.0.0.1:1"], start: x, ${env} } }`;
    parseConfig(`upstreams: { app: {} }\n${services}`, 's.yaml', {});
    return '';
  } catch (error) {
    return messageOf(error);
  }
}

test('a reference in env is read when somebody deploys, but is one from the beginning', () => {
  assert.equal(problemOf('env: { A: "env:NOT_SET", B: "file:./dev.db" }'), '');
  assert.match(problemOf('env: { A: "env:no name" }'), /"env:no name" does not name a variable/);
  assert.match(problemOf('inherit_env: [A-B]'), /"A-B" is not a variable name/);
  assert.equal(problemOf('inherit_env: all'), '');
});

test('a service knows where people add a server of its upstream', () => {
  const at = (recordPrefix: string): ServersIn => ({ recordPrefix });
  assert.deepEqual(placeOf('upstreams: { app: {} }'), at('upstreams/app/'));
  const prod = 'registry: { prefix: prod/ }\nupstreams: { app: {} }';
  assert.deepEqual(placeOf(prod), at('prod/app/'));
  const inFile = { place: "upstreams.app.servers of the gateway's configuration" };
  const own = 'upstreams: { app: { registry: false, servers: ["127.0.0.1:1"] } }';
  assert.deepEqual(placeOf(own), inFile);
  const none = 'registry: { none: true }\nupstreams: { app: { servers: ["127.0.0.1:1"] } }';
  assert.deepEqual(placeOf(none), inFile);
});
