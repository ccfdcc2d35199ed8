import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  buildService,
  deploy,
  FakeControl,
  firstOf,
  ids,
  outcomes,
  versionOf,
} from '../../../../test/support/release/builders.ts';
import type { ServiceConfig } from '../../../config.ts';
import { driverOf } from '../../drivers.ts';
import { localHost } from '../../hosts.ts';
import { makeFolder, serviceFolder } from '../../journal/files.ts';
import type { CommandLaunch } from './command-launch.ts';
import { backProblem, pinned, pinOf } from './pin.ts';

/** An app whose code says its version, as real ones do. */
const app = (version: string): string => `
  if ('${version}' === 'bad') process.exit(1);
  require('http').createServer((_, response) => {
    response.setHeader('x-app-version', '${version}').end('${version}');
  }).listen(process.argv.at(-1), '127.0.0.1');`;

type Layout = {
  readonly service: ServiceConfig;
  readonly control: FakeControl;
  readonly root: string;
  /** As a pipeline does: unpacks the version, and lets `current` lead to it. */
  readonly unpack: (version: string) => Promise<void>;
};

async function layout(t: TestContext, start: readonly string[], cwd: string): Promise<Layout> {
  const built = await buildService(t, 1);
  const root = built.cwd;
  const service = {
    ...built,
    env: {},
    cwd: join(root, cwd),
    start: start.map((word) => word.replace('ROOT', root)),
  };
  const unpack = async (version: string): Promise<void> => {
    await mkdir(join(root, 'releases', version, 'bin'), { recursive: true });
    await writeFile(join(root, 'releases', version, 'app.cjs'), app(version));
    const script = `#!/bin/sh\nexec ${process.execPath} "$(dirname "$0")/../app.cjs" "$1"\n`;
    await writeFile(join(root, 'releases', version, 'bin', 'run'), script, { mode: 0o755 });
    await symlink(join('releases', version), join(root, 'next'));
    await rename(join(root, 'next'), join(root, 'current'));
  };
  return { service, control: new FakeControl(ids(service)), root, unpack };
}

const NODE = process.execPath;
const LINKED: readonly [string, readonly string[], string][] = [
  ['the folder', [NODE, 'app.cjs', '{port}'], 'current'],
  ['the script', [NODE, 'ROOT/current/app.cjs', '{port}'], '.'],
  ['the script, as it is written', [NODE, 'current/app.cjs', '{port}'], '.'],
  ['an option', ['/usr/bin/env', NODE, '--require=ROOT/current/app.cjs', '-e', '0', '{port}'], '.'],
  ['the program', ['ROOT/current/bin/run', '{port}'], '.'],
  ['the program in the folder', ['bin/run', '{port}'], 'current'],
  ["a shell's cd", ['/bin/sh', '-c', `cd 'ROOT/current' && exec ${NODE} app.cjs {port}`], '.'],
  ["a shell's command", ['/bin/sh', '-c', `${NODE} ROOT/current/app.cjs {port}; true`], '.'],
  ['a variable in a word', ['env', 'A=ROOT/current', 'sh', '-c', '$A/bin/run {port}'], '.'],
];

for (const [name, start, cwd] of LINKED) {
  test(`a revert runs the old code when ${name} leads through a link that was switched`, async (t) => {
    const { service, control, unpack } = await layout(t, start, cwd);
    const [id = ''] = ids(service);
    await unpack('v1');
    assert.deepEqual(outcomes(await deploy(service, control, 'v1')), ['v1 in released']);
    assert.equal(await versionOf(id), 'v1');
    await unpack('bad');
    const deployed = await deploy(service, control, 'bad', { allowDowntime: true });
    assert.deepEqual(outcomes(deployed), ['v1 in reverted']);
    assert.equal(await versionOf(id), 'v1');
    // And once more: the way back of what was brought back is the same.
    const again = await deploy(service, control, 'bad', { allowDowntime: true });
    assert.deepEqual(outcomes(again), ['v1 in reverted']);
  });
}

/** What leads to the code where only a shell knows from which folder. */
const RELATIVE: readonly [readonly string[], Readonly<Record<string, string>>][] = [
  [['/bin/sh', '-c', `cd current; ${NODE} app.cjs {port}; true`], {}],
  [['/bin/sh', '-c', `exec ${NODE} current/app.cjs {port}`], {}],
  [['env', 'A=current/app.cjs', '/bin/sh', '-c', `exec ${NODE} $A {port}`], {}],
  [['/bin/sh', '-c', `exec ${NODE} $A/app.cjs {port}`], { A: 'current' }],
  [['env', '-Ccurrent', NODE, 'app.cjs', '{port}'], {}],
  [['env', '-CROOT/current', NODE, 'app.cjs', '{port}'], {}],
  [['/bin/sh', '-c', `exec env -Ccurrent ${NODE} app.cjs {port}`], {}],
];

for (const [start, env] of RELATIVE) {
  test(`a link in "${start.join(' ').replace(NODE, 'node')}" that was switched is no way back`, async (t) => {
    const { service: built, control, unpack } = await layout(t, start, '.');
    const service = { ...built, env };
    await unpack('v1');
    await deploy(service, control, 'v1');
    await unpack('bad');
    const deployed = await deploy(service, control, 'bad', { allowDowntime: true });
    const notes = deployed.events.flatMap((event) => (event.type === 'note' ? [event.text] : []));
    assert.match(notes.join('\n'), /no way back to v1: \S*\/current\S* leads to other code now;/);
    assert.equal(deployed.result.exit, 7);
  });
}

for (const start of [
  ['/bin/sh', '-c', 'node main.cjs 80; true'],
  ['python3', '-m', 'parts.main'],
  ['gunicorn', 'parts.main:app'],
  ['npm', 'start'],
]) {
  test(`the code that "${start.join(' ')}" runs is looked at`, async (t) => {
    const { root } = await layout(t, [], '.');
    await mkdir(join(root, 'parts'));
    const files = ['main.cjs', 'parts/main.py', 'parts/other.js'].map((name) => join(root, name));
    for (const file of files) await writeFile(file, 'old');
    await writeFile(join(root, 'package.json'), '{}');
    const launch: CommandLaunch = {
      ...{ version: 'v1', argv: ['/bin/true'], cwd: root, env: {}, inherit: [], path: '/usr/bin' },
    };
    const ran = {
      ...launch,
      pin: await pinOf(localHost, { ...launch, argv: start }, process.env['PATH'] ?? ''),
    };
    const named = start[0] === 'npm' || start[0] === '/bin/sh' ? files[0] : files[1];
    assert(named !== undefined && named in ran.pin.stamps, Object.keys(ran.pin.stamps).join(' '));
  });
}

test('the python of a venv keeps its name, and a link that a text names is followed', async (t) => {
  const { root, unpack } = await layout(t, [], '.');
  await unpack('v1');
  await mkdir(join(root, 'releases/v1/venv'));
  await symlink(process.execPath, join(root, 'releases/v1/venv/python'));
  const argv = [
    'nohup',
    'current/venv/python',
    `${root}/current/app.cjs`,
    `exec ${root}/current/venv/python -u "$0" http:/${root}/current`,
  ];
  const launch: CommandLaunch = {
    ...{ version: 'v1', argv, cwd: root, env: {}, inherit: [], path: '/usr/bin' },
  };
  const real = `${root}/releases/v1`;
  assert.deepEqual((await pinOf(localHost, launch, process.env['PATH'] ?? '')).argv, [
    'nohup',
    `${real}/venv/python`,
    `${real}/app.cjs`,
    `exec ${real}/venv/python -u "$0" http:/${root}/current`,
  ]);
});

const LOST: readonly [string, RegExp, (root: string) => Promise<unknown>][] = [
  [
    'replaced in place',
    /the code was replaced in place \(.*app\.cjs\)/,
    (root) => writeFile(join(root, 'releases/v1/app.cjs'), app('bad')),
  ],
  [
    'moved away and another put there',
    /the code was replaced in place \(.*v1\)|the code was replaced in place/,
    async (root) => {
      await rename(join(root, 'releases/v1'), join(root, 'old'));
      await mkdir(join(root, 'releases/v1'));
      await writeFile(join(root, 'releases/v1/app.cjs'), app('bad'));
    },
  ],
  [
    'deleted',
    /the folder .*releases\/v1 is gone/,
    (root) => rm(join(root, 'releases/v1'), { recursive: true }),
  ],
];

for (const [name, message, lose] of LOST) {
  test(`code that was ${name} is no way back: said before, and never run by the old name`, async (t) => {
    const { service, control, root, unpack } = await layout(
      t,
      [NODE, 'app.cjs', '{port}'],
      'current',
    );
    await unpack('v1');
    await deploy(service, control, 'v1');
    await unpack('bad');
    await lose(root);
    const deployed = await deploy(service, control, 'bad', { allowDowntime: true });
    const notes = deployed.events.flatMap((event) => (event.type === 'note' ? [event.text] : []));
    assert.match(notes.join('\n'), message);
    assert.match(
      notes.join('\n'),
      /: no way back to v1: .*; if bad fails there, the instance is parked/,
    );
    assert.equal(deployed.result.exit, 7);
    assert.match(deployed.result.reason, /; then v1 could not be brought back: /);
    assert.match(deployed.result.reason, message);
    assert.deepEqual(outcomes(deployed), ['- out parked']);
  });
}

test('a module beside the script that was replaced is seen, data and new files are not', async (t) => {
  const { root, service } = await layout(t, [], '.');
  await mkdir(join(root, 'lib'));
  await writeFile(join(root, 'app.js'), '');
  await writeFile(join(root, 'lib', 'a.js'), 'old');
  await writeFile(join(root, 'data.db'), 'old');
  await writeFile(join(root, 'records.json'), '[]');
  const launch: CommandLaunch = {
    ...{ version: 'v1', argv: [NODE, 'app.js'], cwd: root, env: {}, inherit: [] },
    path: process.env['PATH'] ?? '',
  };
  const ran = { ...launch, pin: await pinOf(localHost, launch, process.env['PATH'] ?? '') };
  assert.equal(await backProblem(localHost, ran), '');
  await writeFile(join(root, 'data.db'), 'new data');
  await writeFile(join(root, 'records.json'), '[1]');
  await writeFile(join(root, 'lib', 'b.js'), 'of the next version');
  assert.equal(await backProblem(localHost, ran), '');
  await writeFile(join(root, 'lib', 'a.js'), 'new code');
  assert.match(
    await backProblem(localHost, ran),
    /^the code was replaced in place \(.*lib\/a\.js\)$/,
  );
  assert.match(
    await backProblem(localHost, {
      ...ran,
      env: { X: 'env:NOT_SET_HERE' },
      pin: { ...ran.pin, env: { X: 'env:NOT_SET_HERE' } },
    }),
    /NOT_SET_HERE is not set/,
  );
  assert.equal(service.runDir, root);
});

test('links in variables are followed, addresses are not touched', async (t) => {
  const { root, unpack } = await layout(t, [], '.');
  await unpack('v1');
  const env = {
    HOME_DIR: `${root}/current`,
    LIBS: `${root}/current/bin:/nowhere:${root}`,
    URL: 'http://tmp/x',
    REF: 'env:X_Y',
  };
  const launch: CommandLaunch = {
    version: 'v1',
    argv: ['sh'],
    cwd: root,
    env,
    inherit: ['X_Y'],
    path: '/bin',
  };
  process.env['X_Y'] = 'set';
  t.after(() => delete process.env['X_Y']);
  assert.deepEqual(
    (
      await pinned(localHost, {
        ...launch,
        pin: await pinOf(localHost, launch, process.env['PATH'] ?? ''),
      })
    ).launch.env,
    {
      HOME_DIR: `${root}/releases/v1`,
      LIBS: `${root}/releases/v1/bin:/nowhere:${root}`,
      URL: 'http://tmp/x',
      REF: 'env:X_Y',
    },
  );
});

test('a start that fails names what is missing: the folder, the program, its interpreter', async (t) => {
  const service = await buildService(t, 1);
  await makeFolder(serviceFolder(service));
  const script = join(service.cwd, 'script');
  await writeFile(script, '#!/no/such/shell\n', { mode: 0o755 });
  await copyFile('/bin/true', join(service.cwd, 'true'));
  const fails = async (cwd: string, program: string, message: RegExp): Promise<void> => {
    const launch = { version: 'v1', argv: [program], cwd, env: {}, inherit: [], path: '/bin' };
    const start = driverOf(service, firstOf(service)).start(launch, 'r1');
    await assert.rejects(start, { code: 'release_failed', message });
  };
  await fails(
    '/no/such/folder',
    '/bin/true',
    /: the folder \/no\/such\/folder \(cwd\) does not exist$/,
  );
  await fails(
    service.cwd,
    'no-such-program',
    /: the program "no-such-program" is not on the PATH$/,
  );
  await fails(service.cwd, script, /: its interpreter does not exist$/);
  assert.match(await readFile(script, 'utf8'), /no\/such/);
});
