// A file of servers as people and programs treat it: replaced, written in place, missing, broken, swapped
// by a link. What was known stays until the file is good again.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { recordingLog } from '../../../test/support/base/recording-log.ts';
import { temporaryFolder } from '../../../test/support/registry/builders.ts';
import { Told } from '../../../test/support/registry/source-contract.ts';
import { silentLog } from '../../base/log.ts';
import { readDocument } from '../../config.ts';
import type { MembershipSource } from '../membership-source.ts';
import { fileSource } from './file-source.ts';

function source(path: string, log = silentLog): MembershipSource {
  return fileSource({ path, log, readDocument });
}

function started(t: TestContext, text = 'app: [10.0.0.1:80]') {
  const folder = temporaryFolder(t);
  const path = join(folder, 'servers.yaml');
  writeFileSync(path, text);
  const { log, lines } = recordingLog();
  const followed = source(path, log);
  return { folder, path, lines, source: followed, told: new Told(t, followed) };
}

test('reads YAML as people write it', async (t) => {
  const { told } = started(
    t,
    `# servers of the shop
app:
  - 10.0.0.1:80
  - { address: "[::1]:80", weight: 3 }
  - address: shop.local:8080
    down: on
empty:
none: []
`,
  );
  await told.until('app: 10.0.0.1:80 [::1]:80*3 shop.local:8080-down');
  // YAML 1.2 has true and false; "on" is a text, and a switch that cannot be read stays out.
  assert.match(told.last.problems[0]?.message ?? '', /"on" is neither 0 nor 1/);
  assert.deepEqual([...told.last.services.keys()], ['app']);
});

test('a file that is written in place is read when it rests', async (t) => {
  const { path, told } = started(t);
  await told.until('app: 10.0.0.1:80');
  writeFileSync(path, '');
  writeFileSync(path, 'app: [10.0.0.2:80]\n');
  await told.until('app: 10.0.0.2:80');
  assert.ok(
    told.health.every((reachable) => reachable),
    'the empty file was not judged',
  );
});

test('another file of the same size and time is another file', async (t) => {
  const { path, told } = started(t);
  await told.until('app: 10.0.0.1:80');
  const past = new Date(Date.now() - 60_000);
  utimesSync(path, past, past);
  writeFileSync(`${path}.new`, 'app: [10.0.0.2:80]');
  utimesSync(`${path}.new`, past, past);
  renameSync(`${path}.new`, path);
  await told.until('app: 10.0.0.2:80');
});

test('a link that is turned to another file, and a write behind the link, are seen', async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'one'));
  mkdirSync(join(folder, 'two'));
  writeFileSync(join(folder, 'one', 's.yaml'), 'app: [10.0.0.1:80]');
  writeFileSync(join(folder, 'two', 's.yaml'), 'app: [10.0.0.2:80]');
  mkdirSync(join(folder, 'etc'));
  // As Kubernetes mounts a ConfigMap: the name is a link through a link that is replaced.
  symlinkSync(join(folder, 'one'), join(folder, 'etc', '..data'));
  symlinkSync(join('..data', 's.yaml'), join(folder, 'etc', 's.yaml'));
  const told = new Told(t, source(join(folder, 'etc', 's.yaml')));
  await told.until('app: 10.0.0.1:80');
  symlinkSync(join(folder, 'two'), join(folder, 'etc', '..new'));
  renameSync(join(folder, 'etc', '..new'), join(folder, 'etc', '..data'));
  await told.until('app: 10.0.0.2:80');
  writeFileSync(join(folder, 'two', 's.yaml'), 'app: [10.0.0.3:80]');
  await told.until('app: 10.0.0.3:80');
});

test('a folder that comes later, goes and comes again, is followed', async (t) => {
  const folder = join(temporaryFolder(t), 'later');
  const path = join(folder, 'servers.json');
  const followed = source(path);
  const told = new Told(t, followed);
  await told.untilHealth(false);
  assert.match(followed.health().trouble, /does not exist; write it/);
  mkdirSync(folder);
  writeFileSync(path, '{"app":["10.0.0.1:80"]}');
  await told.until('app: 10.0.0.1:80');
  rmSync(folder, { recursive: true });
  await told.untilHealth(false);
  assert.equal(told.shown, 'app: 10.0.0.1:80');
  mkdirSync(folder);
  writeFileSync(path, '{"app":["10.0.0.2:80"]}');
  await told.until('app: 10.0.0.2:80');
  assert.deepEqual(told.health, [false, true, false, true]);
});

for (const [what, text, trouble] of [
  ['is empty', '', /^is empty; write "app: \[/],
  ['is a comment alone', '# nothing\n', /^is empty/],
  ['is no map', '- 10.0.0.1:80\n', /^is not a map of upstreams; write/],
  ['is no YAML', 'app: [10.0.0.1:80\nweb: {', /^line \d+: /],
  ['is cut off', '{"app":["10.0.0.1:80",', /^line 1: /],
  [
    'has an upstream twice',
    'app: [a:1]\napp: [b:1]',
    /^line 2: app is given twice, first in line 1/,
  ],
  ['has no list', 'app: 10.0.0.1:80', /^line 1: app is not a list of servers; write app: \[/],
  ['has a map of servers', 'app: { 10.0.0.1:80: {} }', /^line 1: app is not a list/],
  ['has no port', 'app:\n  - 10.0.0.1:80\n  - 10.0.0.2', /^line 3: app\[1\] is no server; write/],
  ['has a port alone', 'app: [80]', /^line 1: app\[0\] is no server/],
  [
    'has a server twice',
    'app: [a:1, b:1, "a:01"]',
    /^line 1: app\[2\] is the same server as app\[0\]/,
  ],
  ['has several faults', 'app: [1, 2, 3]', /^line 1: app\[0\] .* \(and 2 more\)$/],
  ['has a name with a slash', 'a/b: [a:1]', /is not the name of an upstream/],
  ['expands without end', bomb(), /aliases expand to too much/],
  ['is not UTF-8', Buffer.from([0x61, 0xff, 0x3a]), /not UTF-8; save it/],
  [
    'is too large',
    `app: []\n#${'x'.repeat(1024 * 1024)}`,
    /^has \d+ bytes, at most 1048576 are read/,
  ],
] as const) {
  test(`a file that ${what} changes nothing, and is said`, async (t) => {
    const { path, told, lines, source: followed } = started(t);
    await told.until('app: 10.0.0.1:80');
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
    await told.untilHealth(false);
    assert.equal(told.shown, 'app: 10.0.0.1:80');
    assert.match(followed.health().trouble, trouble);
    assert.ok(followed.health().lastContactMs > 0);
    const warnings = lines.filter(({ message }) =>
      message.startsWith('servers file cannot be used'),
    );
    assert.equal(warnings.length, 1);
    assert.equal(warnings[0]?.fields['reason'], followed.health().trouble);
    writeFileSync(`${path}.new`, 'app: [10.0.0.1:80]');
    renameSync(`${path}.new`, path);
    await told.untilHealth(true);
    assert.equal(followed.health().trouble, '');
  });
}

test('what is no file is not opened', async (t) => {
  const folder = temporaryFolder(t);
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  for (const path of [folder, pipe]) {
    const followed = source(path);
    const told = new Told(t, followed);
    await told.untilHealth(false);
    assert.match(followed.health().trouble, /is not a file; correct registry\.file\.path/);
  }
});

test('a file that may not be read is said', { skip: process.getuid?.() === 0 }, async (t) => {
  const { path, told, source: followed } = started(t);
  await told.until('app: 10.0.0.1:80');
  chmodSync(path, 0);
  await told.untilHealth(false);
  assert.match(followed.health().trouble, /may not be read by this user/);
});

function bomb(): string {
  const rows = Array.from({ length: 9 }, (_, at) => {
    const before = at === 0 ? '"a:1"' : `*a${at - 1}`;
    return `a${at}: &a${at} [${Array.from({ length: 9 }, () => before).join(', ')}]`;
  });
  return rows.join('\n');
}
