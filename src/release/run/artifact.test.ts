import assert from 'node:assert/strict';
import { readdir, readFile, readlink, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startSshd } from '../../../test/support/cli/sshd.ts';
import {
  artifactConfig,
  temporaryFolder,
  writeTree,
} from '../../../test/support/release/artifacts.ts';
import {
  buildService,
  type Deployed,
  deploy,
  FakeControl,
  ids,
  journalOf,
  outcomes,
  pidOf,
} from '../../../test/support/release/builders.ts';
import type { ArtifactConfig, ServiceConfig } from '../../config.ts';
import type { ReleaseOptions } from '../run.ts';
import { Interrupts } from '../wait.ts';

/** An app that answers with the stamp that is in its own folder. */
const APP = `const { readFileSync } = require('node:fs');
const version = readFileSync('.sluice-version', 'utf8').trim();
if (version.startsWith('broken')) process.exit(1);
const headers = { 'x-app-version': process.env.LIE || version };
require('node:http')
  .createServer((_, answer) => answer.writeHead(200, headers).end(version))
  .listen(Number(process.env.PORT), '127.0.0.1');
`;

type Scene = {
  readonly service: ServiceConfig;
  readonly control: FakeControl;
  readonly path: string;
  /** Builds what the next deploy brings. */
  readonly build: (version: string) => Promise<void>;
  readonly deploy: (part?: Partial<ReleaseOptions> & { version?: string }) => Promise<Deployed>;
};

async function scene(
  t: TestContext,
  part: Partial<ServiceConfig> = {},
  artifactPart: Partial<ArtifactConfig> = {},
): Promise<Scene> {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'srv');
  const artifact = artifactConfig(path, {
    source: { kind: 'folder', path: join(folder, 'dist') },
    ...artifactPart,
  });
  const service = await buildService(t, 2, {
    folder,
    artifact,
    isVersionStamped: true,
    cwd: join(path, 'current'),
    start: [process.execPath, 'app.js'],
    env: { PORT: '{port}' },
    ...part,
  });
  const control = new FakeControl(ids(service));
  const build = (version: string): Promise<void> =>
    writeTree(join(folder, 'dist'), { 'app.js': APP, '.sluice-version': version });
  return {
    ...{ service, control, path, build },
    deploy: ({ version = '', ...rest } = {}) => deploy(service, control, version, rest),
  };
}

async function cwdOf(service: ServiceConfig, id = ''): Promise<string> {
  return realpath(`/proc/${await pidOf(service, id)}/cwd`);
}

test('an artifact is brought, started from its own folder, and its stamp answers', async (t) => {
  const { service, path, build, deploy: run } = await scene(t);
  await build('v1');
  const first = await run();
  assert.deepEqual(outcomes(first), ['v1 in released', 'v1 in released'], first.result.reason);
  assert.equal(first.result.version, 'v1');
  const [release = ''] = await readdir(join(path, 'releases'));
  assert.match(release, /^v1-[0-9a-f]{12}$/);
  assert.equal(await readlink(join(path, 'current')), `releases/${release}`);
  for (const id of ids(service)) {
    assert.equal(await cwdOf(service, id), await realpath(join(path, 'releases', release)));
  }
  const uploads = first.events.filter(
    (event) => event.type === 'prepare' && event.part === 'upload',
  );
  assert.deepEqual(
    uploads.map((event) => event.type === 'prepare' && `${event.subject} ${event.phase}`),
    ['this machine start', 'this machine done'],
  );
  const steps = ['guard', 'activate', 'start', 'check', 'admit'].flatMap((step) => [
    `intent ${step}`,
    `done ${step}`,
  ]);
  const records = await journalOf(service, 'r1');
  assert.deepEqual(records, ['begin', 'plan', 'note', ...steps, ...steps, 'end']);
  assert.deepEqual(await readdir(join(service.runDir, 'app/artifacts')), []);
});

test('the same artifact again changes nothing; the next one replaces it in turn', async (t) => {
  const { service, control, path, build, deploy: run } = await scene(t);
  await build('v1');
  await run();
  control.calls.length = 0;
  assert.equal((await run()).result.outcome, 'unchanged');
  assert.deepEqual(control.calls, []);
  await build('v2');
  const second = await run();
  assert.deepEqual(outcomes(second), ['v2 in released', 'v2 in released'], second.result.reason);
  const [a = '', b = ''] = ids(service);
  assert.deepEqual(control.calls, [`${a} drain`, `${a} ready`, `${b} drain`, `${b} ready`]);
  assert.match(await readlink(join(path, 'current')), /^releases\/v2-/);
});

test('a version that fails goes back to its folder and link, and is marked as bad', async (t) => {
  const { service, path, build, deploy: run } = await scene(t);
  await build('v1');
  await run();
  const link = await readlink(join(path, 'current'));
  await build('broken');
  const failed = await run();
  assert.deepEqual(outcomes(failed), ['v1 in reverted', 'v1 in untouched']);
  assert.equal(failed.result.exit, 1);
  assert.equal(await readlink(join(path, 'current')), link);
  assert.equal(await cwdOf(service, ids(service)[0]), await realpath(join(path, link)));
  const bad = (await readdir(join(path, 'releases'))).find((name) => name.startsWith('broken'));
  const mark = await readFile(join(path, 'releases', bad ?? '', '.sluice-bad'), 'utf8');
  assert.match(mark, /^release r2: check failed: process exited with code 1/);
});

test('an app that answers another version than its stamp is not the release', async (t) => {
  const { build, deploy: run } = await scene(t, { env: { PORT: '{port}', LIE: 'v1' } });
  await build('v2');
  const { result } = await run();
  assert.match(result.reason, /answers v1, not v2/);
});

test('old versions go after a success, and what a revert needs stays', async (t) => {
  const { path, build, deploy: run } = await scene(t, {}, { keep: 1 });
  for (const version of ['v1', 'v2', 'v3']) {
    await build(version);
    assert.equal((await run()).result.outcome, 'succeeded');
  }
  const left = (await readdir(join(path, 'releases'))).map((name) => name.split('-')[0]);
  assert.deepEqual(left.sort(), ['v2', 'v3']);
});

test('a host on which it fails ends the release before anything is touched', async (t) => {
  const { service, control, path, build, deploy: run } = await scene(t);
  await build('v1');
  await run();
  control.calls.length = 0;
  await build('v2');
  await rm(join(path, 'current'));
  await writeTree(path, { 'current/mine': '' });
  const { result, events } = await run();
  assert.equal(result.exit, 3);
  assert.equal(result.outcome, 'refused');
  assert.match(result.reason, /^this machine: .*current is there and is no link; move it away/);
  assert.deepEqual(control.calls, []);
  assert.equal(result.instances[0]?.version, 'v1');
  assert(events.some((event) => event.type === 'prepare' && event.phase === 'failed'));
  assert.deepEqual((await journalOf(service, 'r2')).slice(-2), ['note', 'end']);
});

test('what cannot be started is found when it is there, before anything is touched', async (t) => {
  const { control, build, deploy: run } = await scene(t, { start: ['./missing', 'app.js'] });
  await build('v1');
  const { result } = await run();
  assert.equal(result.exit, 3);
  assert.match(result.reason, /releases\/v1-[0-9a-f]{12}\/missing is not an executable file/);
  assert.deepEqual(control.calls, []);
});

test('a command that fails ends the release: no host, no instance, exit 3', async (t) => {
  const {
    service,
    control,
    path,
    build,
    deploy: run,
  } = await scene(t, {
    pipeline: [
      { part: 'build', command: 'echo built' },
      { part: 'test', command: 'echo "1 of 2 failed"; exit 4' },
      { part: 'scan', command: 'echo never' },
    ],
  });
  await build('v1');
  const { result, events } = await run();
  assert.deepEqual([result.exit, result.outcome, result.release], [3, 'refused', 'r1']);
  assert.equal(result.reason, 'test: "echo "1 of 2 failed"; exit 4" exited with code 4');
  assert.deepEqual(result.evidence, ['1 of 2 failed']);
  assert.deepEqual([control.calls, result.instances], [[], []]);
  await assert.rejects(readdir(path), { code: 'ENOENT' });
  assert.equal(events.at(-1)?.type, 'result');
  const log = join(service.runDir, 'app/releases/r1.log');
  assert.deepEqual(result.next, [`read ${log}`, 'fix it and deploy again']);
  assert.match(await readFile(log, 'utf8'), /^\$ echo built\nbuilt\n\$ echo .*\n1 of 2 failed\n$/);
  assert.deepEqual(await journalOf(service, 'r1'), ['begin', 'end']);
});

test('what was built elsewhere is brought without building it again', async (t) => {
  const pipeline = [{ part: 'build' as const, command: 'exit 1' }];
  const { build, deploy: run, service } = await scene(t, { pipeline });
  await build('v1');
  const skipped = await run({ skipBuild: true });
  assert.deepEqual(outcomes(skipped), ['v1 in released', 'v1 in released'], skipped.result.reason);
  const { execFileSync } = await import('node:child_process');
  await build('v2');
  const file = join(service.folder, 'other.tar');
  execFileSync('tar', ['-cf', file, '-C', join(service.folder, 'dist'), '.']);
  await build('v3');
  const given = await run({ artifactFile: file });
  assert.deepEqual(outcomes(given), ['v2 in released', 'v2 in released'], given.result.reason);
});

test('an artifact that must not be unpacked is refused before any host is asked', async (t) => {
  const { service, path, build, deploy: run } = await scene(t);
  await build('v1');
  await symlink('/etc', join(service.folder, 'dist', 'etc'));
  const { result } = await run();
  assert.equal(result.exit, 3);
  assert.match(
    result.reason,
    /dist: must not be unpacked: "etc" is a link that leads out of it, to "\/etc"/,
  );
  await assert.rejects(readdir(path), { code: 'ENOENT' });
});

test('a signal while it is built ends it, with the code of the signal', async (t) => {
  const pipeline = [{ part: 'build' as const, command: 'echo begun; sleep 60' }];
  const { build, deploy: run, path } = await scene(t, { pipeline });
  await build('v1');
  const interrupts = new Interrupts();
  const { result } = await run({
    interrupts,
    onEvent: (event) => {
      if (event.type === 'prepare' && event.text === 'begun') interrupts.raise('SIGTERM');
    },
  });
  assert.deepEqual([result.exit, result.outcome], [143, 'interrupted']);
  await assert.rejects(readdir(path), { code: 'ENOENT' });
});

test('a release at work ends another one before it builds anything', async (t) => {
  const built = join(await temporaryFolder(t), 'built');
  const pipeline = [{ part: 'build' as const, command: `echo x >>${built}` }];
  const { build, deploy: run } = await scene(t, { pipeline });
  await build('v1');
  let second: Promise<unknown> | undefined;
  await run({
    onEvent: (event) => {
      if (event.type === 'plan') second ??= assert.rejects(run(), { code: 'locked' });
    },
  });
  await second;
  assert.equal(await readFile(built, 'utf8'), 'x\n');
});

test('a link per instance leads to what that instance runs', async (t) => {
  const { service, path, build, deploy: run } = await scene(t, {}, { link: 'at-{port}' });
  await build('v1');
  await run();
  await build('v2');
  const [a, b] = service.instances;
  const interrupts = new Interrupts();
  await run({
    interrupts,
    onEvent: (event) => {
      if (event.type === 'instance' && event.instance === a?.id) interrupts.raise('SIGINT');
    },
  });
  assert.match(await readlink(join(path, `at-${a?.address.port}`)), /^releases\/v2-/);
  assert.match(await readlink(join(path, `at-${b?.address.port}`)), /^releases\/v1-/);
});

test('a version that is built anew has a folder of its own', async (t) => {
  const { service, path, build, deploy: run } = await scene(t);
  await build('v1');
  await run();
  await writeFile(join(service.folder, 'dist', 'more.js'), '');
  const again = await run();
  assert.equal(again.result.outcome, 'unchanged');
  assert.equal((await readdir(join(path, 'releases'))).length, 1);
  const forced = await run({ force: true });
  assert.deepEqual(outcomes(forced), ['v1 in released', 'v1 in released'], forced.result.reason);
  assert.equal((await readdir(join(path, 'releases'))).length, 2);
});

test('a way back builds and sends nothing: the folder of then, and its link', async (t) => {
  const pipeline = [{ part: 'build' as const, command: 'exit 1' }];
  const { service, path, build, deploy: run } = await scene(t, { pipeline });
  await build('v1');
  await run({ skipBuild: true });
  const link = await readlink(join(path, 'current'));
  await build('v2');
  await run({ skipBuild: true });
  await rm(join(service.folder, 'dist'), { recursive: true });
  const artifactRelease = link.replace('releases/', '');
  const back = await run({ kind: 'rollback', version: 'v1', artifactRelease });
  assert.deepEqual(outcomes(back), ['v1 in released', 'v1 in released'], back.result.reason);
  assert.equal(await readlink(join(path, 'current')), link);
  assert.equal(await cwdOf(service, ids(service)[1]), await realpath(join(path, link)));
  await rm(join(path, link), { recursive: true });
  const gone = await run({ kind: 'rollback', version: 'v1', artifactRelease, force: true });
  assert.equal(gone.result.exit, 3, gone.result.reason);
  assert.match(gone.result.reason, /the folder .*releases\/v1-.* does not exist/);
});

test('over two hosts behind ssh, forth and back', async (t) => {
  const [one, two] = [await startSshd(t), await startSshd(t)];
  if (one === undefined || two === undefined) return;
  const { service: local, build, path } = await scene(t);
  const remoteRunDir = join(await temporaryFolder(t), 'run');
  const hosts = new Map(
    [one, two].map(({ ssh }, at) => {
      const name = `app-${at + 1}`;
      return [name, { name, address: '127.0.0.1', ssh }] as const;
    }),
  );
  const instances = local.instances.map((instance, at) => ({
    ...instance,
    hostName: `app-${at + 1}`,
  }));
  const service = { ...local, hosts, instances, remoteRunDir };
  const control = new FakeControl(ids(service));
  await build('v1');
  const first = await deploy(service, control, '');
  assert.deepEqual(outcomes(first), ['v1 in released', 'v1 in released'], first.result.reason);
  const uploads = first.events.flatMap((event) =>
    event.type === 'prepare' && event.part === 'upload' && event.phase === 'done'
      ? [event.subject.slice(0, 12)]
      : [],
  );
  assert.deepEqual(uploads.sort(), ['host "app-1"', 'host "app-2"']);
  await build('broken');
  const failed = await deploy(service, control, '');
  assert.deepEqual(outcomes(failed), ['v1 in reverted', 'v1 in untouched'], failed.result.reason);
  assert.match(await readlink(join(path, 'current')), /^releases\/v1-/);
  const bad = (await readdir(join(path, 'releases'))).find((name) => name.startsWith('broken'));
  assert.match(
    await readFile(join(path, 'releases', bad ?? '', '.sluice-bad'), 'utf8'),
    /^release/,
  );
  await build('v2');
  const second = await deploy(service, control, '');
  assert.deepEqual(outcomes(second), ['v2 in released', 'v2 in released'], second.result.reason);
});
