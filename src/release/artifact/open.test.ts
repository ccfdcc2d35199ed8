import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  artifactConfig,
  temporaryFolder,
  writeArchive,
  writeTree,
} from '../../../test/support/release/artifacts.ts';
import { SERVICE } from '../../../test/support/release/surveys.ts';
import type { ServiceConfig } from '../../config.ts';
import { openArtifact, seenArtifact } from './open.ts';
import { inRelease, linkFor, releaseName, releaseOf } from './place.ts';

async function serviceWith(
  t: TestContext,
  source: { readonly kind: 'file' | 'folder'; readonly name: string },
  part: Partial<ServiceConfig> = {},
): Promise<{ readonly folder: string; readonly service: ServiceConfig }> {
  const folder = await temporaryFolder(t);
  const path = join(folder, source.name);
  const artifact = artifactConfig('/srv/app', {
    source: { kind: source.kind, path },
    exclude: ['.git', '*.log', 'tmp/cache'],
  });
  const runDir = join(folder, 'run');
  return { folder, service: { ...SERVICE, runDir, folder, artifact, ...part } };
}

const GIVEN = { version: '', file: '' };
const FILE = { kind: 'file', name: 'a.tgz' } as const;
const FOLDER = { kind: 'folder', name: 'in' } as const;

test('a version is what was given, else the stamp, else the checksum', async (t) => {
  const { folder, service } = await serviceWith(t, FILE);
  await writeArchive(folder, 'a.tgz', { a: '1' });
  const sum = execFileSync('sha256sum', [join(folder, 'a.tgz')]).toString();
  const plain = await openArtifact(service, GIVEN);
  assert.equal(plain?.checksum, sum.slice(0, 64));
  assert.equal(plain?.version, sum.slice(0, 12));
  assert.equal(plain?.release, sum.slice(0, 12));
  await writeArchive(folder, 'a.tgz', { '.sluice-version': ' v7 \nbuilt by ci\n' });
  const stamped = await openArtifact(service, GIVEN);
  assert.equal(stamped?.version, 'v7');
  assert.equal(stamped?.release, `v7-${stamped?.checksum.slice(0, 12)}`);
  assert.equal((await openArtifact(service, { ...GIVEN, version: 'v8' }))?.version, 'v8');
});

test('a stamp that has to prove the version must be there, and be that one', async (t) => {
  const { folder, service } = await serviceWith(t, FILE, { isVersionStamped: true });
  await writeArchive(folder, 'a.tgz', { a: '1' });
  const code = 'preflight_failed';
  await assert.rejects(openArtifact(service, GIVEN), {
    code,
    message: /has no file \.sluice-version with its version/,
  });
  await assert.rejects(seenArtifact(service, { ...GIVEN, version: 'v7' }), { code });
  await writeArchive(folder, 'a.tgz', { '.sluice-version': 'v7' });
  assert.equal((await openArtifact(service, { ...GIVEN, version: 'v7' }))?.version, 'v7');
  await assert.rejects(openArtifact(service, { ...GIVEN, version: 'v8' }), {
    code,
    message: /is v7 by its own stamp, not v8; leave --version out, or build v8/,
  });
  await writeArchive(folder, 'a.tgz', { '.sluice-version': 'no version' });
  await assert.rejects(
    openArtifact(service, GIVEN),
    /stamp \.sluice-version that names no version/,
  );
});

test('another file may stand in for the configured one', async (t) => {
  const { folder, service } = await serviceWith(t, FOLDER);
  const file = await writeArchive(folder, 'other.tgz', { '.sluice-version': 'v9' });
  assert.equal((await openArtifact(service, { version: '', file }))?.version, 'v9');
});

test('a folder is packed without what is left out and without our own files', async (t) => {
  const { folder, service } = await serviceWith(t, FOLDER);
  const root = join(folder, 'in');
  await writeTree(root, {
    'a.js': '1',
    'sub/b.log': '',
    'sub/tmp/cache': '',
    'tmp/cache/x': '',
    '.git/HEAD': '',
    'state/run/app/releases/r1.jsonl': '',
  });
  const own = { ...service, runDir: join(root, 'state/run') };
  const artifact = await openArtifact(own, GIVEN);
  const file = artifact?.archive.file ?? '';
  const listed = execFileSync('tar', ['-tzf', file]).toString().trimEnd().split('\n');
  assert.deepEqual(listed, ['a.js', 'state/', 'sub/', 'sub/tmp/', 'sub/tmp/cache', 'tmp/']);
  await artifact?.discard();
  assert.deepEqual(await readdir(join(own.runDir, 'app/artifacts')), []);
});

test('the same folder has the same checksum; what a dead runner packed is removed', async (t) => {
  const { folder, service } = await serviceWith(t, FOLDER);
  await writeTree(join(folder, 'in'), { a: '1' });
  const first = await openArtifact(service, GIVEN);
  const place = join(service.runDir, 'app/artifacts');
  const dead = execFileSync('sh', ['-c', 'echo $$']).toString().trim();
  await writeFile(join(place, `${dead}-x.tar.gz`), '');
  const second = await openArtifact(service, GIVEN);
  assert.equal(first?.checksum, second?.checksum);
  assert.equal((await readdir(place)).length, 2, 'that of a living runner stays');
  await writeFile(join(folder, 'in', 'a'), '2');
  assert.notEqual((await openArtifact(service, GIVEN))?.checksum, first?.checksum);
});

test('refuses what is no whole archive, and says why', async (t) => {
  const { folder, service } = await serviceWith(t, FILE);
  const file = join(folder, 'a.tgz');
  const refused = (message: RegExp): Promise<void> =>
    assert.rejects(openArtifact(service, GIVEN), { code: 'preflight_failed', message });
  await refused(/a\.tgz: does not exist; see that build makes it/);
  await writeFile(file, 'text');
  await refused(/is no tar archive; build it again/);
  await writeFile(file, '');
  await refused(/is no tar archive/);
  const kinds = [['-cz'], ['-c', '--zstd'], ['-c']];
  for (const flags of kinds) {
    await writeArchive(folder, 'a.tgz', { a: 'x'.repeat(100_000), b: `${Math.random()}` }, flags);
    assert.notEqual(await openArtifact(service, GIVEN), null);
    const { length } = await readFile(file);
    await truncate(file, Math.floor(length / 2));
    await refused(/is broken \(.*\); build it again|ends in the middle|is broken at byte/);
  }
  await mkdir(join(folder, 'a.tgz.in/empty'), { recursive: true });
  execFileSync('tar', ['-czf', file, '-C', join(folder, 'a.tgz.in/empty'), '.']);
  await refused(/holds no file/);
  await symlink('/etc/passwd', join(folder, 'a.tgz.in', 'link'));
  execFileSync('tar', ['-czf', file, '-C', join(folder, 'a.tgz.in'), '.']);
  await refused(/must not be unpacked: "\.\/link" is a link that leads out|"link" is a link that/);
  execFileSync('sh', ['-c', 'rm link; mkfifo pipe'], { cwd: join(folder, 'a.tgz.in') });
  execFileSync('tar', ['-czf', file, '-C', join(folder, 'a.tgz.in'), '.']);
  await refused(/must not be unpacked: ".*pipe" is a pipe/);
  execFileSync('tar', ['-czPf', file, join(folder, 'a.tgz.in/a')]);
  await refused(/must not be unpacked: ".*" is a whole path/);
});

test('more after the end of the archive is refused, in whatever way it was added', async (t) => {
  const { folder, service } = await serviceWith(t, FILE);
  const file = await writeArchive(folder, 'a.tgz', { a: '1' });
  const other = await writeArchive(folder, 'b.tgz', { b: '1' });
  await appendFile(file, await readFile(other));
  await assert.rejects(openArtifact(service, GIVEN), /goes on after its end/);
});

test('a plan sees the artifact that is there, and does without one that is not', async (t) => {
  const { folder, service } = await serviceWith(t, FILE);
  const none = await seenArtifact(service, { ...GIVEN, version: 'v1' });
  assert.deepEqual(none, { service, version: 'v1' });
  await assert.rejects(seenArtifact(service, GIVEN), /does not exist/);
  await writeArchive(folder, 'a.tgz', { '.sluice-version': 'v7' });
  const seen = await seenArtifact(service, GIVEN);
  assert.equal(seen.version, 'v7');
  assert.match(seen.service.cwd, /^\/srv\/app\/releases\/v7-[0-9a-f]{12}$/);
});

test('names on a host', () => {
  const sum = '0123456789abcdef';
  assert.equal(releaseName('0123456789ab', sum), '0123456789ab');
  assert.equal(releaseName('a:b@c~1', sum), 'a_b_c_1-0123456789ab');
  assert.equal(releaseOf(`/srv/app/releases/${releaseName('v1', sum)}/dist`), 'v1-0123456789ab');
  assert.equal(releaseOf('/srv/app/releases/0123456789ab'), '0123456789ab');
  assert.equal(releaseOf('/srv/app/current'), '');
  assert.equal(releaseOf('/home/me/releases/v1'), '');
  const config = artifactConfig('/srv/app', { link: 'at-{port}', cwd: 'dist' });
  const instance = { id: 'h:1', address: { host: 'h', port: 1 }, hostName: '' };
  assert.equal(linkFor(config, instance), 'at-1');
  const placed = inRelease({ ...SERVICE, artifact: config }, 'v1-0123456789ab');
  assert.equal(placed.cwd, '/srv/app/releases/v1-0123456789ab/dist');
});
