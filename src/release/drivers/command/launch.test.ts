import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  buildService,
  deploy,
  FakeControl,
  firstOf,
  ids,
} from '../../../../test/support/release/builders.ts';
import { versionProblem } from '../../../base/version-name.ts';
import { localHost } from '../../hosts.ts';
import { escapeProblem } from './launch.ts';

test('a version is a name: nothing in it leads out of a folder, or is read as an option', () => {
  const long = 'x'.repeat(129);
  const bad = [
    '',
    '.',
    '..',
    '../../t',
    '/etc',
    'a/b',
    'a\\b',
    '-x',
    '--force',
    'a b',
    'a\0b',
    long,
  ];
  for (const version of [...bad, '~root', '$(id)', 'a;b', 'v1\n', "a'b", '*', 'ä']) {
    assert.match(versionProblem(version), /^version ".*: write 1 to 128 letters, /s, version);
  }
  for (const version of ['v1', '1.2.3-rc.1+build', '_x', 'main@3f2a', 'a:b', 'x'.repeat(128)]) {
    assert.equal(versionProblem(version), '');
  }
});

test('a version that leaves the folder of the releases is refused before anything is touched', async (t) => {
  const service = await buildService(t, 1);
  const control = new FakeControl(ids(service));
  const { result } = await deploy(service, control, '../../t');
  assert.equal(result.exit, 3);
  assert.match(result.reason, /^version "..\/..\/t": /);
  assert.deepEqual(control.calls, []);
});

test('a link in place of the version that leads out of the releases is refused', async (t) => {
  const service = await buildService(t, 1);
  const { address } = firstOf(service);
  const releases = join(service.cwd, 'releases');
  await mkdir(join(releases, 'v1', 'bin'), { recursive: true });
  await mkdir(join(service.cwd, 'elsewhere'));
  await writeFile(join(service.cwd, 'elsewhere', 'app.js'), '');
  await symlink('../elsewhere', join(releases, 'out'));
  await symlink('v1', join(releases, 'alias'));
  await symlink('/bin/sh', join(releases, 'v1', 'bin', 'sh'));
  await symlink(releases, join(service.cwd, 'link'));
  await symlink('../elsewhere/app.js', join(releases, 'app-out.js'));
  const says = (part: Partial<typeof service>, version: string): Promise<string> =>
    escapeProblem(localHost, { ...service, ...part }, address, version);

  const out = `${releases}/out leads out of ${releases}, to ${service.cwd}/elsewhere; put the version itself there`;
  assert.equal(await says({ cwd: join(releases, '{version}') }, 'out'), out);
  assert.equal(await says({ start: ['node', 'releases/{version}/app.js'] }, 'out'), out);
  assert.equal(await says({ start: ['node', `--dir=${releases}/{version}`] }, 'out'), out);
  assert.match(await says({ start: ['node', 'releases/app-{version}.js'] }, 'out'), /leads out of/);
  // Good: itself, another version by another name, below a link, and links inside of the version.
  assert.equal(await says({ cwd: join(releases, '{version}') }, 'v1'), '');
  assert.equal(await says({ cwd: join(releases, '{version}') }, 'alias'), '');
  assert.equal(await says({ cwd: join(service.cwd, 'link', '{version}') }, 'v1'), '');
  assert.equal(await says({ start: ['releases/{version}/bin/sh'] }, 'v1'), '');
  assert.equal(await says({ start: ['node', '--tag={version}', '{version}'] }, 'out'), '');
});
