import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from './load.ts';
import type { Config } from './types.ts';

function configOf(keys: string): Config {
  const service = `services: { app: { instances: ["127.0.0.1:1"], start: x, ${keys} } }`;
  return parseConfig(`upstreams: { app: {} }\n${service}`, '/work/s.yaml', {});
}

test('a service without an artifact starts in the folder of the configuration', () => {
  const [service] = configOf('cwd: sub').services;
  assert.equal(service?.artifact, null);
  assert.equal(service?.cwd, '/work/sub');
  assert.deepEqual(service?.pipeline, []);
});

test('an artifact has whole paths, and instances start in it', () => {
  const keys = 'cwd: dist/, artifact: { file: a.tgz, path: /srv//app/, shared: [up/] }';
  const [service] = configOf(keys).services;
  assert.equal(service?.cwd, '/srv/app/current/dist');
  assert.deepEqual(service?.artifact, {
    source: { kind: 'file', path: '/work/a.tgz' },
    path: '/srv/app',
    keep: 5,
    shared: ['up'],
    link: 'current',
    exclude: ['.git'],
    stamp: '.sluice-version',
    cwd: 'dist',
    release: '',
  });
  const elsewhere = configOf('cwd: /opt, artifact: { folder: dist, path: /srv/app }').services[0];
  assert.equal(elsewhere?.cwd, '/opt');
  assert.deepEqual(elsewhere?.artifact?.source, { kind: 'folder', path: '/work/dist' });
});

test('commands run as build, test and scan, whatever their order in the file', () => {
  const keys = 'scan: npm audit, build: [npm ci, npm run build], test: npm test';
  const commands = configOf(keys).services[0]?.pipeline.map(
    ({ part, command }) => `${part}: ${command}`,
  );
  const wanted = ['build: npm ci', 'build: npm run build', 'test: npm test', 'scan: npm audit'];
  assert.deepEqual(commands, wanted);
});

test('warns of a version that is repeated to the instance that has to prove it', () => {
  const artifact = 'artifact: { file: a.tgz, path: /srv/app }';
  const proof = 'expect_version: { header: x-v, from: artifact }';
  const config = configOf(`${artifact}, ${proof}, env: { V: "{version}", PORT: "{port}" }`);
  assert.equal(config.services[0]?.isVersionStamped, true);
  assert.equal(config.warnings.length, 1);
  assert.match(config.warnings[0] ?? '', /services\.app\.env\.V: repeats the version/);
  assert.deepEqual(configOf(`${artifact}, env: { V: "{version}" }`).warnings, []);
});
