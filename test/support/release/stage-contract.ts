// What becomes of an artifact on a host: brought, unpacked, switched to, removed. A new host runs
// this, too.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SluiceError } from '../../../src/base/errors.ts';
import type { ArtifactConfig } from '../../../src/config.ts';
import {
  prune,
  type StageOptions,
  stageOn,
  sweep,
  switchLink,
} from '../../../src/release/artifact.ts';
import type { CommandEnd, Host } from '../../../src/release/hosts.ts';
import {
  artifactConfig,
  artifactOf,
  temporaryFolder,
  writeArchive,
  writeTree,
} from './artifacts.ts';

type Scene = { readonly host: Host; readonly folder: string; readonly path: string };

/** `open` skips the test where it gives none. */
export function stageContract(
  name: string,
  open: (t: TestContext) => Promise<Host | undefined>,
): void {
  const check = (what: string, run: (scene: Scene, t: TestContext) => Promise<void>): void => {
    test(`${name}: ${what}`, async (t) => {
      const folder = await temporaryFolder(t);
      const host = await open(t);
      if (host !== undefined) await run({ host, folder, path: join(folder, 'srv app') }, t);
    });
  };

  for (const [kind, flags] of [
    ['tar', ['-c']],
    ['gzip', ['-cz']],
    ['zstd', ['-c', '--zstd']],
  ] as const) {
    check(`unpacks an archive of ${kind} beside what is there`, async ({ host, folder, path }) => {
      const files = { 'app.js': 'v1', 'sub/b c': 'x' };
      const file = await writeArchive(folder, 'a.bin', files, flags);
      const options = await staging({ host, path, file });
      const { release } = options.artifact;
      const done = await stageOn(options);
      assert.equal(done['release'], release);
      assert.match(release, /^v1-[0-9a-f]{12}$/);
      assert.deepEqual(await readdir(join(path, 'releases')), [release]);
      const own = join(path, 'releases', release);
      assert.equal(await readFile(join(own, 'sub/b c'), 'utf8'), 'x');
      assert.deepEqual((await readdir(own)).sort(), ['.sluice-artifact', 'app.js', 'sub']);
      // What is there is not sent again.
      await writeFile(join(own, 'app.js'), 'touched');
      assert.deepEqual(await stageOn(options), { release, already: true });
      assert.equal(await readFile(join(own, 'app.js'), 'utf8'), 'touched');
    });
  }

  check('removes what a runner that died has left', async ({ host, folder, path }) => {
    await writeTree(path, { 'releases/v0-000000000000.tmp/half': '', 'releases/v0.tmp.tar': '' });
    const file = await writeArchive(folder, 'a.tgz', { a: '1' });
    const { artifact } = await stage({ host, path, file });
    assert.deepEqual(await readdir(join(path, 'releases')), [artifact.release]);
  });

  check('leaves nothing of an upload that was cut off', async ({ host, folder, path }) => {
    const file = await writeArchive(folder, 'a.tgz', { a: '1' });
    const options = await staging({ host, path, file });
    let tries = 0;
    const cut = new Proxy(host, {
      get: (target, name) => {
        if (name !== 'run') return Reflect.get(target, name, target);
        const run: Host['run'] = async (command, timeoutMs) => {
          if (command.stdin === undefined) return target.run(command, timeoutMs);
          tries += 1;
          const [, , , , release = '', , , , own = ''] = command.args;
          const left = join(path, 'releases', `${release}.${own}.tmp`);
          await writeFile(`${left}.tar`, 'a part');
          await mkdir(left);
          throw new SluiceError('host_unreachable', 'the line is gone');
        };
        return run;
      },
    });
    await assert.rejects(stageOn({ ...options, host: cut }), { code: 'host_unreachable' });
    assert.equal(tries, 3);
    assert.deepEqual(await readdir(join(path, 'releases')), []);
  });

  check('an old part of an upload is swept, one that may be under way is not', async (scene) => {
    const { host, folder, path } = scene;
    assert.deepEqual(await sweep(host, path), { removed: 0, young: 0 });
    const file = await writeArchive(folder, 'a.tgz', { a: '1' });
    const { artifact } = await stage({ host, path, file });
    const old = ['v0.tmp/half', 'v1.tmp/half', 'v1.tmp.tar', 'v2.tmp/half', 'v3.tmp.tar'];
    await writeTree(join(path, 'releases'), Object.fromEntries(old.map((name) => [name, ''])));
    const past = new Date(Date.now() - 7_200_000);
    for (const name of ['v0.tmp', 'v1.tmp', 'v1.tmp.tar']) {
      await utimes(join(path, 'releases', name), past, past);
    }
    assert.deepEqual(await sweep(host, path), { removed: 3, young: 2 });
    const kept = [artifact.release, 'v2.tmp', 'v3.tmp.tar'];
    assert.deepEqual((await readdir(join(path, 'releases'))).sort(), kept.sort());
  });

  check('two hosts of a run that are one machine do not disturb each other', async (scene) => {
    const { folder, path } = scene;
    const files = { big: 'x'.repeat(2_000_000), 'up/first': '1' };
    const file = await writeArchive(folder, 'a.tar', files, ['-c']);
    const options = await staging({ ...scene, file, config: { shared: ['up', 'logs'] } });
    const { release } = options.artifact;
    // The second begins while the first is on its way.
    let second: Promise<unknown> | undefined;
    const wait = (): void => {
      second ??= stageOn(options);
    };
    await stageOn({ ...options, wait });
    await second;
    assert.deepEqual(await readdir(join(path, 'releases')), [release]);
    assert.deepEqual((await readdir(join(path, 'releases', release))).sort(), [
      ...['.sluice-artifact', 'big', 'logs', 'up'],
    ]);
    assert.deepEqual(await readdir(join(path, 'shared/up')), ['first']);
    assert.equal((await readFile(join(path, 'releases', release, 'big'))).length, 2_000_000);
  });

  check('links what is shared, and begins it with what is there', async (scene) => {
    const { host, folder, path } = scene;
    const shared = ['uploads', 'config/app.json', 'logs'];
    const first = { 'config/app.json': 'one', 'config/other': '', 'uploads/.keep': '' };
    const one = await writeArchive(folder, 'one.tgz', first);
    const v1 = await stage({ host, path, file: one, config: { shared } });
    assert.equal(await readlink(join(v1.own, 'uploads')), join(path, 'shared/uploads'));
    assert.equal(await readlink(join(v1.own, 'logs')), join(path, 'shared/logs'));
    assert.deepEqual(await readdir(join(path, 'shared/uploads')), ['.keep']);
    await writeFile(join(v1.own, 'uploads', 'photo'), 'p');
    const two = await writeArchive(folder, 'two.tgz', { ...first, 'config/app.json': 'two' });
    const v2 = await stage({ host, path, file: two, version: 'v2', config: { shared } });
    assert.deepEqual((await readdir(join(v2.own, 'uploads'))).sort(), ['.keep', 'photo']);
    assert.equal(await readFile(join(v2.own, 'config/app.json'), 'utf8'), 'one');
    assert.deepEqual((await readdir(join(v2.own, 'config'))).sort(), ['app.json', 'other']);
  });

  check(
    'what is shared is of the user that writes there, as far as root deploys',
    async (scene) => {
      const { folder, path } = scene;
      if (process.getuid?.() !== 0) return; // Nobody else may give it away.
      const file = await writeArchive(folder, 'a.tgz', { 'up/first': '', app: '' });
      const config = { shared: ['up', 'logs'] };
      const { own } = await stage({ ...scene, file, user: 'nobody', config });
      const paths = ['shared/up', 'shared/up/first', 'shared/logs'].map((name) => join(path, name));
      const owners = await Promise.all(
        [...paths, join(own, 'app')].map(async (name) => stat(name)),
      );
      const { uid } = userInfo();
      assert.deepEqual(
        owners.map((found) => found.uid === uid),
        [false, false, false, true],
      );
      // One that could not be given away is not there as root's: the next release would take it so.
      const more = { shared: ['up', 'logs', 'new'] };
      const failed = stage({ ...scene, file, user: 'no-such-user', version: 'v2', config: more });
      await assert.rejects(failed, { message: /cannot link what is shared/ });
      assert.deepEqual((await readdir(join(path, 'shared'))).sort(), ['logs', 'up']);
    },
  );

  check('refuses what arrives with another checksum, and leaves nothing', async (scene) => {
    const { folder, path } = scene;
    const file = await writeArchive(folder, 'a.tgz', { a: '1' });
    const options = await staging({ ...scene, file });
    await writeFile(file, 'replaced');
    await assert.rejects(stageOn(options), {
      code: 'preflight_failed',
      message: /: what arrived has another checksum/,
    });
    assert.deepEqual(await readdir(join(path, 'releases')), []);
  });

  check('says how much space is missing', async ({ host, folder, path }) => {
    const file = await writeArchive(folder, 'a.tgz', { a: '1' });
    const options = await staging({ host, path, file });
    const archive = { ...options.artifact.archive, unpackedBytes: 2 ** 60 };
    await assert.rejects(stageOn({ ...options, artifact: { ...options.artifact, archive } }), {
      message: /: .* has [\d.]+ [GM]B free and needs 2147483648 GB, .* are missing; free some/,
    });
    assert.deepEqual(await readdir(join(path, 'releases')), []);
  });

  check('leaves what is not its own', async ({ host, folder, path }) => {
    const file = await writeArchive(folder, 'a.tgz', { a: '1' });
    await mkdir(join(path, 'current'), { recursive: true });
    const options = await staging({ host, path, file });
    await assert.rejects(stageOn(options), /current is there and is no link; move it away/);
    await rm(join(path, 'current'), { recursive: true });
    await writeTree(path, { [`releases/${options.artifact.release}/a`]: 'mine' });
    await assert.rejects(stageOn(options), /was not unpacked by a release; move it away/);
    await writeFile(join(folder, 'file'), '');
    const elsewhere = await staging({ host, path: join(folder, 'file'), file });
    await assert.rejects(stageOn(elsewhere), /cannot write to .*file \(mkdir: .*\); make it for/);
  });

  check('an interrupt ends it, and leaves nothing that could be taken for whole', async (scene) => {
    const { folder, path } = scene;
    const stop = new AbortController();
    const big = 'x'.repeat(3_000_000);
    const file = await writeArchive(folder, 'a.tar', { big }, ['-c']);
    const options = await staging({ ...scene, file, stop: stop.signal });
    const wait = (): void => stop.abort();
    await assert.rejects(stageOn({ ...options, wait }), /interrupted/);
    const after = await staging({ ...scene, file });
    await stageOn(after);
    assert.deepEqual(await readdir(join(path, 'releases')), [after.artifact.release]);
  });

  check('tries again when the line to the host breaks', async ({ host, folder, path }) => {
    const file = await writeArchive(folder, 'a.tgz', { a: '1' });
    const broken = new Set<string>();
    const run = async (...args: Parameters<Host['run']>): Promise<CommandEnd> => {
      const [{ args: words, stdin }] = args;
      const [, script = ''] = words;
      // Each script breaks once, and then works.
      if (broken.has(script)) return host.run(...args);
      broken.add(script);
      if (typeof stdin === 'object') stdin.resume();
      throw Object.assign(new Error('app-1: connection reset'), { code: 'host_unreachable' });
    };
    // Methods of a class are not own properties.
    const flaky: Host = Object.assign(Object.create(host), { run });
    await stageOn(await staging({ host: flaky, path, file }));
    assert.equal(broken.size, 3, 'looks, sends, and cleans up after what was cut off');
  });

  check('leads the link to a version at once', async ({ host, folder, path }) => {
    const file = await writeArchive(folder, 'a.tgz', { a: '1' });
    const { artifact } = await stage({ host, path, file });
    const link = { path, link: 'current', release: artifact.release };
    assert.equal(await switchLink(host, link), '');
    assert.equal(await readlink(join(path, 'current')), `releases/${artifact.release}`);
    assert.equal(await switchLink(host, link), '');
    assert.match(await switchLink(host, { ...link, release: 'v9-000000000000' }), /is gone$/);
    assert.equal(await readFile(join(path, 'current/a'), 'utf8'), '1');
    assert.deepEqual((await readdir(path)).sort(), ['current', 'releases', 'shared']);
  });

  check('keeps the newest, what runs, what is linked and what is needed', async (scene, t) => {
    const { host, path } = scene;
    const v = await versions(path, 7);
    await symlink(`releases/${v(2)}`, join(path, 'current-9001'));
    await mkdir(join(path, 'releases', v(3), 'deep'));
    const running = spawn('sleep', ['60'], { cwd: join(path, 'releases', v(3), 'deep') });
    t.after(() => running.kill('SIGKILL'));
    const removed = await prune(host, { path, keep: 2, release: v(7), needed: [v(4)] });
    assert.deepEqual(removed, { removed: [v(5), v(1)], trouble: '' });
    const left = await readdir(join(path, 'releases'));
    assert.deepEqual(left.sort(), [v(2), v(3), v(4), v(6), v(7)]);
  });

  check('one that failed counts for nothing, and goes when it is the oldest', async (scene) => {
    const { host, path } = scene;
    const v = await versions(path, 4);
    for (const bad of [v(1), v(3), v(4)])
      await writeFile(join(path, 'releases', bad, '.sluice-bad'), '');
    await prune(host, { path, keep: 2, release: v(4), needed: [] });
    const left = await readdir(join(path, 'releases'));
    assert.deepEqual(left.sort(), [v(2), v(3), v(4)], 'v4 is released and good by now');
  });

  check('says what it could not remove', async ({ host, path }) => {
    if (process.getuid?.() === 0) return; // root removes everything
    const v = await versions(path, 2);
    await writeTree(path, { [`releases/${v(1)}/sub/file`]: '' });
    await chmod(join(path, 'releases', v(1), 'sub'), 0o500);
    const { trouble } = await prune(host, { path, keep: 1, release: v(2), needed: [] });
    assert.match(trouble, /Permission denied/);
    await chmod(join(path, 'releases', `${v(1)}.tmp`, 'sub'), 0o700);
  });
}

type Staging = {
  readonly host: Host;
  readonly path: string;
  readonly file: string;
  readonly version?: string;
  readonly config?: Partial<ArtifactConfig>;
  readonly stop?: AbortSignal;
  readonly user?: string;
};

async function staging(given: Staging): Promise<StageOptions> {
  const { host, path, file, version, config, stop, user } = given;
  return {
    host,
    config: artifactConfig(path, config),
    artifact: await artifactOf(file, version ?? 'v1'),
    run: randomUUID(),
    user: user ?? '',
    links: ['current'],
    wait: () => {},
    stop: stop ?? new AbortController().signal,
  };
}

async function stage(given: Staging): Promise<StageOptions & { readonly own: string }> {
  const options = await staging(given);
  await stageOn(options);
  return { ...options, own: join(given.path, 'releases', options.artifact.release) };
}

/** Complete versions, the last one the newest. */
async function versions(path: string, count: number): Promise<(number: number) => string> {
  const names = Array.from({ length: count }, (_, at) => `v${at + 1}-00000000000${at}`);
  for (const [at, name] of names.entries()) {
    const mark = `releases/${name}/.sluice-artifact`;
    await writeTree(path, { [mark]: '' });
    await utimes(join(path, mark), 1000 + at, 1000 + at);
  }
  return (number) => names[number - 1] ?? '';
}
