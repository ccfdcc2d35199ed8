// The published package runs: it is packed as npm would publish it, unpacked elsewhere, and its
// command and its library are started from there, on JavaScript alone.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');

/** What the repository has and the package is built from; a copy, so that the build leaves no dist/ here. */
const SOURCES = [
  'src',
  'bin',
  'docs',
  'packaging',
  'dashboard',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
];
const PAGES = ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'LICENSE'];

async function unpacked(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-package-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const copy = join(folder, 'copy');
  await mkdir(copy);
  for (const name of [...SOURCES, ...PAGES]) {
    await cp(join(root, name), join(copy, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  await run('npm', ['pack', '--pack-destination', folder], { cwd: copy });
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
  assert(tarball, 'npm pack left no tarball');
  await run('tar', ['-xzf', tarball], { cwd: folder });
  // Only the runtime dependencies would be installed; linking them all needs no network.
  await symlink(join(root, 'node_modules'), join(folder, 'package', 'node_modules'));
  return join(folder, 'package');
}

test('the packed package runs without its sources', { timeout: 180_000 }, async (t) => {
  const folder = await unpacked(t);
  const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  assert(typeof manifest === 'object' && manifest !== null && 'version' in manifest);

  await t.test('its command knows its version and its help', async () => {
    const sluice = join(folder, 'bin/sluice.js');
    const { stdout } = await run(process.execPath, [sluice, '--version']);
    assert.equal(stdout.trim().split(' ').at(-1), manifest.version);
    const help = await run(process.execPath, [sluice, '--help']);
    assert.match(help.stdout, /serve[\s\S]*deploy/);
  });

  await t.test('it has the files for Prometheus and Grafana', async () => {
    const files = await readdir(join(folder, 'packaging'), { recursive: true });
    for (const name of ['prometheus/alerts.yaml', 'grafana/sluice.json'])
      assert(files.includes(name));
  });

  await t.test('its library can be imported, with types', async () => {
    const { stdout } = await run(process.execPath, [
      ...['--input-type=module', '-e'],
      `import * as sluice from ${JSON.stringify(join(folder, 'dist/index.js'))};
       console.log(Object.keys(sluice).length);`,
    ]);
    assert(Number(stdout) > 0, 'dist/index.js exports nothing');
    await readFile(join(folder, 'dist/index.d.ts'));
  });

  await t.test('a configuration in TypeScript finds its types and functions', async () => {
    const file = join(folder, 'sluice.config.ts');
    const text = `import { defineConfig, secret } from 'sluice/config';
      export default defineConfig({ workers: 2, admin: { token: secret('env:T0') } });`;
    await writeFile(file, text);
    const env = { ...process.env, T0: 'abc' };
    const sluice = join(folder, 'bin/sluice.js');
    await run(process.execPath, [sluice, 'check', file], { env });
    // As an editor sees it: the package by its own name.
    const tsc = join(root, 'node_modules/.bin/tsc');
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'nodenext',
      '--types',
      '',
    ];
    await run(tsc, [...options, file], { cwd: folder });
    await writeFile(file, text.replace('workers', 'worker'));
    await assert.rejects(run(tsc, [...options, file], { cwd: folder }), {
      stdout: /'worker' does not exist/,
    });
    await rm(file);
  });

  await t.test('it holds no sources, tests or leftovers', async () => {
    const files = await readdir(folder, { recursive: true });
    const strangers = files
      .filter((file) => !file.startsWith('node_modules'))
      .filter((file) => /\.test\.|(?<!\.d)\.ts$|^src|^test|^demo|^bench/.test(file));
    assert.deepEqual(strangers, []);
    for (const page of PAGES) assert(files.includes(page), `${page} is not in the package`);
  });
});
