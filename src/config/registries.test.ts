// Which registries a configuration has, and which of them an upstream follows.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from './load.ts';

const EAST = 'east: { consul: { addresses: 127.0.0.1:8500 }, prefix: east/ }';
const LIST = 'list: { file: { path: servers.yaml }, strong_dependency: on }';

function followed(registry: string, more = ''): readonly string[] {
  const text = `registries: { ${EAST}, ${LIST} }\nupstreams: { app: { servers: 127.0.0.1:1${registry} } }\n${more}`;
  const { upstreams } = parseConfig(text, '/etc/sluice.yaml');
  return upstreams.flatMap(({ follows }) => follows.map((one) => `${one.registry} ${one.service}`));
}

const CASES: readonly (readonly [string, readonly string[]])[] = [
  ['', ['default app']],
  [', registry: on', ['default app']],
  [', registry: true', ['default app']],
  [', registry: default', ['default app']],
  [', registry: off', []],
  [', registry: []', []],
  [', registry: east', ['east app']],
  [', registry: [list, on]', ['list app', 'default app']],
];

for (const [registry, wanted] of CASES) {
  test(`an upstream with "${registry}" follows ${wanted.join(' and ') || 'none'}`, () => {
    assert.deepEqual(followed(registry), wanted);
  });
}

test('an upstream may have another name there', () => {
  const text = `registries: { names: { dns: { resolvers: [127.0.0.1:53] } }, east: { consul_health: { addresses: 127.0.0.1:8500 } } }
upstreams: { app: { registry: [east, { names: "app.internal:80" }] }, web: { registry: { names: _http._tcp.web.internal., east: web-v2 } } }
routes: [{ path: /, upstream: app }]`;
  const { upstreams } = parseConfig(text, '/etc/sluice.yaml');
  assert.deepEqual(
    upstreams.map(({ follows }) => follows.map((one) => `${one.registry} ${one.service}`)),
    [
      ['east app', 'names app.internal:80'],
      ['names _http._tcp.web.internal.', 'east web-v2'],
    ],
  );
});

test('a registry that is none is not followed', () => {
  assert.deepEqual(followed(', registry: [on, east]', 'registry: { none: on }'), ['east app']);
});

test('reads the registries with their names', () => {
  const text = `registries: { ${EAST}, ${LIST} }`;
  const { registry, registries } = parseConfig(text, '/etc/sluice.yaml');
  assert.deepEqual([registry.name, registry.settings.kind], ['default', 'embedded']);
  const shown = registries.map(({ name, settings, prefix, strongDependency, serversIn }) => [
    ...[name, settings.kind, prefix, strongDependency, serversIn],
  ]);
  assert.deepEqual(shown, [
    ['east', 'consul', 'east/', false, undefined],
    ['list', 'file', 'upstreams/', true, 'the file /etc/servers.yaml'],
  ]);
});

test('our own store is not opened where all upstreams follow others and nobody asks for it', () => {
  const kind = (text: string): string =>
    parseConfig(`registries: { ${EAST} }\n${text}`, '/etc/sluice.yaml').registry.settings.kind;
  assert.equal(kind('upstreams: { app: { registry: east } }'), 'none');
  assert.equal(kind('upstreams: { app: { registry: [east, on] } }'), 'embedded');
  assert.equal(
    kind('upstreams: { app: { registry: east } }\nregistry: { embedded: {} }'),
    'embedded',
  );
});

test('a release is told the place of the first registry that its upstream follows', () => {
  const serversIn = (registry: string): unknown => {
    const text = `registries: { ${EAST}, ${LIST} }
upstreams: { app: { servers: 127.0.0.1:1, registry: ${registry} } }
services: { app: { instances: ["127.0.0.1:1"], start: [node, app.js] } }`;
    return parseConfig(text, '/etc/sluice.yaml').services[0]?.serversIn;
  };
  assert.deepEqual(serversIn('[east, list]'), { recordPrefix: 'east/app/' });
  assert.deepEqual(serversIn('[list, east]'), { place: 'the file /etc/servers.yaml' });
  assert.deepEqual(serversIn('on'), { recordPrefix: 'upstreams/app/' });
  assert.deepEqual(serversIn('off'), {
    place: "upstreams.app.servers of the gateway's configuration",
  });
});
