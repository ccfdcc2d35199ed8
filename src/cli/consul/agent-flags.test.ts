// Flags and files of Consul's program as tables.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../../../test/support/registry/builders.ts';
import { readAgentConfig } from './agent-config.ts';
import { type AgentFlags, parseAgentFlags } from './agent-flags.ts';

function flags(...words: string[]): AgentFlags {
  const parsed = parseAgentFlags(words);
  assert.ok('texts' in parsed, JSON.stringify(parsed));
  return parsed;
}

test('flags are taken with one hyphen or two, with = or a word behind', () => {
  const { texts, switches, ignored } = flags(
    ...['-dev', '--node=n', '-http-port', '1', '-config-file', 'a', '-config-file=b'],
    ...['-server', '-bootstrap-expect', '3', '-retry-join=x', '-enable-script-checks=false'],
  );
  assert.deepEqual(texts, { node: ['n'], httpPort: ['1'], configFile: ['a', 'b'] });
  assert.deepEqual([...switches], ['dev']);
  assert.deepEqual(ignored, ['-server', '-bootstrap-expect', '-retry-join']);
});

for (const [words, wrong] of [
  [['-nope'], /unknown flag/],
  [['nope'], /not a flag/],
  [['-node'], /a value is missing/],
] as const) {
  test(`refuses ${words.join(' ')}`, () => {
    const parsed = parseAgentFlags(words);
    assert.ok('wrong' in parsed);
    assert.match(parsed.wrong, wrong);
  });
}

test('files count in their order, a folder by name, flags before both', (t) => {
  const folder = temporaryFolder(t);
  const write = (name: string, content: object): string => {
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  };
  mkdirSync(join(folder, 'd'));
  write('d/2.json', { node_name: 'second', services: [{ name: 'b' }] });
  write('d/1.json', { node_name: 'first', ports: { http: 2 }, services: [{ name: 'a' }] });
  write('d/no.txt', { node_name: 'text' });
  const file = write('own.json', {
    ...{ data_dir: '/tmp/x', datacenter: 'DC7', enable_script_checks: true },
    ports: { http: 1, server: 3 },
    acl: { enabled: true, default_policy: 'deny', tokens: { master: 'm' } },
    service: { name: 'one' },
  });
  const given = flags('-config-file', file, '-config-dir', join(folder, 'd'), '-node-meta=a:b:c');
  const settings = readAgentConfig(given);
  assert.deepEqual(
    [settings.nodeName, settings.port, settings.datacenter, settings.scripts],
    ['second', 2, 'dc7', true],
  );
  assert.deepEqual(settings.serverAddress, { host: '127.0.0.1', port: 3 });
  assert.deepEqual(settings.services, [{ name: 'one' }, { name: 'a' }, { name: 'b' }]);
  assert.deepEqual(settings.acl, { enabled: true, allowByDefault: false, masterToken: 'm' });
  assert.deepEqual(settings.nodeMeta, { a: 'b:c' });
  const flag = flags('-config-file', file, '-http-port=9', '-node=mine', '-client', '127.0.0.2');
  const own = readAgentConfig(flag);
  assert.deepEqual([own.port, own.nodeName, own.host], [9, 'mine', '127.0.0.2']);
});

test('an agent needs a folder for its data, unless it is for trying out', () => {
  assert.throws(() => readAgentConfig(flags('-node=n')), /data_dir cannot be empty/);
  assert.equal(readAgentConfig(flags('-dev')).dataDir, undefined);
});

test('a file that is no JSON is named', (t) => {
  const path = join(temporaryFolder(t), 'x.hcl');
  writeFileSync(path, 'node_name = "x"');
  assert.throws(() => readAgentConfig(flags('-dev', '-config-file', path)), /x\.hcl.*only JSON/s);
});

test('an empty file says nothing', (t) => {
  const path = join(temporaryFolder(t), 'x.json');
  writeFileSync(path, '');
  assert.equal(readAgentConfig(flags('-dev', '-config-file', path)).port, 8500);
});
