// Releases of an artifact by the whole program: built, brought, refused; by one command.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { versionOf } from './support/release/builders.ts';
import { type ReleaseStack, startReleaseStack } from './support/release/stack.ts';

function versions({ instances }: ReleaseStack): Promise<readonly string[]> {
  return Promise.all(instances.map(versionOf));
}

test('deploy builds an artifact and brings it', async (t: TestContext) => {
  const place = await mkdtemp(join(tmpdir(), 'sluice-srv-'));
  t.after(() => rm(place, { recursive: true, force: true, maxRetries: 5 }));
  const it = await startReleaseStack(t, {
    service: `    build: mkdir -p dist && cp next dist/.sluice-version && echo "building $(cat next)"
    test: cat tests && exit $(cat tests)
    artifact: { folder: dist, path: ${place} }
`,
  });
  const { folder } = it.stack;
  const deploy = (...argv: string[]): ReturnType<typeof it.stack.cli> =>
    it.stack.cli(['deploy', 'app', '--plain', ...argv]);
  const next = async (version: string, code = 0): Promise<void> => {
    await writeFile(join(folder, 'next'), version);
    await writeFile(join(folder, 'tests'), String(code));
  };

  await t.test('its stamp is the version, and its folder is there', async () => {
    await next('v1');
    const { code, text } = await deploy();
    assert.equal(code, 0, text);
    assert.match(text, /Z app - - build {4}start {2}mkdir -p dist .*\n {2}building v1\n/);
    assert.match(text, /Z app r1 - upload {3}done .* this machine release=v1-[0-9a-f]{12} sent=/);
    assert.match(text, /Release r1 of app to v1 SUCCEEDED/);
    assert.deepEqual(await versions(it), ['v1', 'v1']);
    assert.match(await readlink(join(place, 'current')), /^releases\/v1-/);
    const log = await readFile(join(folder, 'state/run/app/releases/r1.log'), 'utf8');
    assert.match(log, /^\$ mkdir .*\nbuilding v1\n\$ cat tests.*\n0\n$/);
  });

  await t.test('what fails before the hosts leaves everything as it was', async () => {
    await next('v2', 7);
    const { code, text } = await deploy();
    assert.equal(code, 3, text);
    assert.match(text, /✖ test: "cat tests && exit \$\(cat tests\)" exited with code 7\n {4}7\n/);
    assert.match(text, /Release r2 of app REFUSED, nothing was changed \(exit 3\)/);
    assert.match(text, /next {6}read .*\/r2\.log/);
    assert.deepEqual(await versions(it), ['v1', 'v1']);
    assert.equal((await readdir(join(place, 'releases'))).length, 1);
  });

  await t.test('a plan is of what is there, and says what a deploy does first', async () => {
    const { code, text } = await it.stack.cli(['plan', 'app']);
    assert.equal(code, 0, text);
    assert.match(text, /app {2}v1 -> v2/);
    assert.match(text, /first runs build "mkdir/);
  });

  await t.test('what was built elsewhere is not built again', async () => {
    const skipped = await deploy('--skip-build');
    assert.equal(skipped.code, 0, skipped.text);
    assert.deepEqual(await versions(it), ['v2', 'v2']);
    const { execFileSync } = await import('node:child_process');
    execFileSync('tar', ['-czf', 'other.tgz', 'next'], { cwd: folder });
    const file = join(folder, 'other.tgz');
    const given = await deploy('--artifact', file, '--version', 'v3');
    assert.equal(given.code, 0, given.text);
    assert.doesNotMatch(given.text, /building/);
    assert.deepEqual(await versions(it), ['v3', 'v3']);
  });
});

test('without an artifact a version has to be given', async (t: TestContext) => {
  const it = await startReleaseStack(t);
  for (const [argv, message] of [
    [['deploy', 'app'], /'--version <version>' is required: service "app" has no artifact/],
    [['plan', 'app'], /'--version <version>' is required/],
    [['deploy', 'app', '--artifact', 'x.tgz', '--version', 'v1'], /--artifact means nothing/],
  ] as const) {
    const { code, text } = await it.stack.cli(argv);
    assert.equal(code, 2);
    assert.match(text, message);
  }
});
