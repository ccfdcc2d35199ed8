// Every setting of the configuration is either put in force, or kept with a reason, or none of the
// daemon's business; no difference is passed over in silence.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Config, parseConfig } from '../config.ts';
import { compareConfigs } from './config-changes.ts';

const YAML = 'upstreams: { app: { servers: ["127.0.0.1:9001"] } }';

function parse(yaml: string): Config {
  return parseConfig(yaml, '/tmp/sluice/sluice.yaml');
}

/** What the daemon does not go by. */
const IGNORED = ['file', 'folder', 'warnings', 'services', 'registry.strongDependency'];
/** Compared by name. */
const APART = ['upstreams'];

/** Another value for each leaf of the configuration, by its path. */
function* variants(value: Config): Generator<{ readonly path: string; readonly config: Config }> {
  const walk = function* (
    node: Readonly<Record<string, unknown>>,
    path: readonly string[],
  ): Generator<readonly string[]> {
    for (const [name, inner] of Object.entries(node)) {
      const here = [...path, name];
      const isLeaf =
        typeof inner !== 'object' ||
        inner === null ||
        Array.isArray(inner) ||
        ['listen', 'longLived', 'requestBuffering', 'settings'].includes(name);
      if (isLeaf) yield here;
      else yield* walk(inner as Record<string, unknown>, here);
    }
  };
  for (const path of walk(value, [])) {
    const copy = structuredClone(value) as unknown as Record<string, unknown>;
    let node = copy;
    for (const name of path.slice(0, -1)) node = node[name] as Record<string, unknown>;
    // No setting has this value, and nothing here reads it as what it is.
    node[path.at(-1) ?? ''] = ['another value'];
    yield { path: path.join('.'), config: copy as unknown as Config };
  }
}

test('each setting alone is reported once, under a key of the file', () => {
  const base = parse(YAML);
  const seen = new Map<string, string>();
  for (const { path, config } of variants(base)) {
    if (APART.includes(path) || path.startsWith('document.')) continue;
    const { keys, kept } = compareConfigs(base, config);
    const found = [...keys, ...kept.map(({ key }) => key)];
    assert.equal(found.length, IGNORED.includes(path) ? 0 : 1, `${path}: ${found}`);
    const [key] = found;
    if (key === undefined) continue;
    assert.equal(
      seen.has(key) && key !== 'registry',
      false,
      `${key} stands for ${seen.get(key)} and ${path}`,
    );
    seen.set(key, path);
    for (const { reason } of kept) assert.notEqual(reason, '');
  }
  assert.ok(seen.size > 40);
});

test('what is kept keeps its value, all else is in force', () => {
  const base = parse(YAML);
  for (const { path, config } of variants(base)) {
    if (APART.includes(path) || path.startsWith('document.')) continue;
    const { effective, kept } = compareConfigs(base, config);
    const read = (root: unknown): unknown =>
      path.split('.').reduce((node, name) => (node as Record<string, unknown>)[name], root);
    const wanted = kept.length > 0 ? base : config;
    assert.deepEqual(read(effective), read(wanted), path);
  }
});

test('the keys are those that the configuration file knows', () => {
  const known = parse(`
upstreams: { app: { servers: ["127.0.0.1:9001"], request_buffering: 4k } }
state_dir: other
workers: 3
shutdown_timeout: 1s
log_level: warn
listen: ["127.0.0.1:1"]
limits: { max_connections: 9 }
timeouts: { read_timeout: 9s }
proxy: { access_log: log, tries: 7 }
admin: { listen: "127.0.0.1:2" }
registry: { prefix: other/ }
routes: [{ path: /x, upstream: app }]
`);
  const { keys, kept } = compareConfigs(parse(YAML), known);
  assert.deepEqual(keys.toSorted(), [
    'limits.max_connections',
    'listen',
    'log_level',
    'proxy.access_log',
    'proxy.tries',
    'routes',
    'shutdown_timeout',
    'timeouts.read_timeout',
    'upstreams.*.request_buffering',
    'workers',
  ]);
  assert.deepEqual(
    kept.map(({ key }) => key),
    [...['state_dir', 'admin.listen', 'admin.audit_log', 'registry', 'registry.prefix']],
  );
});

test('the first configuration keeps nothing and has all of its upstreams added', () => {
  const config = parse(YAML);
  const { effective, kept, keys, upstreams } = compareConfigs(undefined, config);
  assert.deepEqual(effective, config);
  assert.deepEqual(kept, []);
  assert.ok(keys.includes('listen') && keys.includes('limits.max_connections'));
  assert.deepEqual(upstreams, { added: ['app'], removed: [], changed: [] });
});

test('upstreams are compared by name', () => {
  const routes = 'routes: [{ path: /, upstream: a }]';
  const one = parse(`upstreams: { a: {}, b: {}, c: {} }\n${routes}`);
  const two = parse(`upstreams: { d: {}, c: {}, a: { balance: least_conn } }\n${routes}`);
  assert.deepEqual(compareConfigs(one, two).upstreams, {
    added: ['d'],
    removed: ['b'],
    changed: ['a'],
  });
});
