// Every failure of a release with two instances, A and then B, and what the service looks like afterwards.
// In process: real instances, a control plane in memory. What is tried elsewhere already is only named here.
//
//   the lock is held                        `two releases of one service at the same time: …` in src/release/run.test.ts,
//                                           `a second runner is refused …` in src/release/run/shared.test.ts, exit 4 in release-cli.test.ts
//   host B is not reached at preflight      here; behind a real sshd in release-hosts.test.ts
//   the upload fails, the disk is full      here; too little space in test/support/release/stage-contract.ts,
//                                           a full disk behind ssh in src/release/hosts/ssh/connection.test.ts
//   B is down before it begins              here (B first); `the last eligible server is never taken out` (B stays down),
//                                           `a guard that refuses …`, `a guard that waits …` in src/release/run.test.ts
//   the drain of A is not over in time      `a drain that is not over in time …`, `with drain.on_timeout halt …` in
//                                           src/release/run.test.ts; what was cut is counted in release-under-load.test.ts
//   B goes down while A drains              here
//   B goes down after A was stopped         here
//   A's new process dies at once            `a version that dies at start is noticed at once …` in src/release/run.test.ts
//   A is never healthy                      here
//   A cannot go back either                 here
//   a wrong version answers                 `an app that answers another version …` in src/release/run.test.ts
//   5xx in verify                           `a version that answers with errors fails at its first instance …` in
//                                           src/release/steps/verify.test.ts, under load in release-verify.test.ts
//   A is done and B fails                   here
//   the rollback of A fails                 here, three ways
//   the control plane goes away             here; src/release/run/control-trouble.test.ts
//   the runner is killed                    release-ways-back.test.ts (goes back by itself), release-resume.test.ts and
//                                           release-crash.test.ts (at its records); 15 s in src/control/shared/releases.test.ts
//   a runner with an old fence              `a runner that has lost its lock …` in src/release/run/shared.test.ts; the gateway:
//                                           `the fence rises …` in src/control/shared/releases.test.ts; a host: `lets in …
//                                           no lower one` in test/support/release/host-contract.ts; whole: release-ways-back.test.ts,
//                                           between its claim and a start: release-frozen.test.ts

import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { resultText } from '../src/cli/show.ts';
import type { ServiceConfig } from '../src/config.ts';
import { Interrupts } from '../src/release.ts';
import { freePort } from './support/base/ports.ts';
import { artifactConfig, writeTree } from './support/release/artifacts.ts';
import {
  buildService,
  type Deployed,
  deploy,
  FakeControl,
  firstOf,
  ids,
  killGroup,
  outcomes,
  pidOf,
  type Scene,
  scene,
  versionOf,
  when,
} from './support/release/builders.ts';

type Afterwards = {
  readonly exit: number;
  readonly outcomes: readonly string[];
  /** What holds the server of A and that of B. */
  readonly pool: readonly [string, string];
  /** Each is a line of what is printed at the end, or its beginning. */
  readonly printed: readonly RegExp[];
};

async function afterwards(
  { control, a, b }: Pick<Scene, 'control' | 'a' | 'b'>,
  deployed: Deployed,
  wanted: Afterwards,
): Promise<void> {
  const text = resultText(deployed.result, (_, word) => word);
  assert.equal(deployed.result.exit, wanted.exit, text);
  assert.deepEqual(outcomes(deployed), wanted.outcomes, text);
  const pool = [a, b].map((id) => {
    const { state, owner } = control.server(id).state;
    return `${state} ${owner}`.trim();
  });
  assert.deepEqual(pool, wanted.pool);
  const answers = await Promise.all([a, b].map(versionOf));
  const said = wanted.outcomes.map((outcome) => outcome.split(' ')[0]);
  assert.deepEqual(
    answers.map((version) => version || '-'),
    said,
  );
  for (const line of wanted.printed) assert.match(text, line);
}

/** The app runs `code` first. */
function behaving(service: ServiceConfig, code: string): ServiceConfig {
  const [node = '', app, ...rest] = service.start;
  const script = `const version = process.env.VERSION;
const isOn = (id) => process.argv.includes(id.split(':')[1]);
${code}
await import(${JSON.stringify(app)});`;
  return { ...service, start: [node, '--input-type=module', '-e', script, '--', ...rest] };
}

function diesOn(id: string): string {
  return `if (version === 'v2' && isOn('${id}')) process.exit(3);`;
}

test('host B is not reached at preflight: A old, B old', async (t) => {
  const it = await scene(t);
  const target = { destination: 'nobody@127.0.0.1', identity: '', strict: '' } as const;
  const ssh = { ...target, port: await freePort(), config: '/dev/null' };
  const [first = firstOf(it.service), second = first] = it.service.instances;
  const service: ServiceConfig = {
    ...it.service,
    instances: [first, { ...second, hostName: 'app-2' }],
    hosts: new Map([['app-2', { name: 'app-2', address: '127.0.0.1', ssh }]]),
  };
  await afterwards(it, await deploy(service, it.control, 'v2'), {
    exit: 3,
    outcomes: ['v1 in untouched', 'v1 in untouched'],
    pool: ['ready', 'ready'],
    printed: [/^✖ host "app-2" \(nobody@127\.0\.0\.1\): .+/m, /REFUSED, nothing was changed/],
  });
  assert.deepEqual(it.control.calls, []);
});

test('the upload fails: A old, B old, and nothing of it is left', async (t) => {
  const it = await scene(t);
  const path = join(it.service.folder, 'srv');
  // What is shared is linked in when all is unpacked.
  await writeTree(it.service.folder, { 'dist/app.js': '', 'srv/shared/up': 'a file' });
  const source = { kind: 'folder', path: join(it.service.folder, 'dist') } as const;
  const artifact = artifactConfig(path, { source, shared: ['up/loads'] });
  await afterwards(it, await deploy({ ...it.service, artifact }, it.control, 'v2'), {
    exit: 3,
    outcomes: ['v1 in untouched', 'v1 in untouched'],
    pool: ['ready', 'ready'],
    printed: [/^✖ this machine: cannot link what is shared: .+/m, /REFUSED, nothing was changed/],
  });
  assert.deepEqual(it.control.calls, []);
  assert.deepEqual(await readdir(join(path, 'releases')), []);
});

test('B is down before it begins: B comes first, A serves until B does', async (t) => {
  const it = await scene(t);
  killGroup((await pidOf(it.service, it.b)) ?? 0);
  while ((await versionOf(it.b)) !== '') await new Promise((resolve) => setTimeout(resolve, 10));
  await afterwards(it, await deploy(it.service, it.control, 'v2'), {
    exit: 0,
    outcomes: ['v2 in released', 'v2 in released'],
    pool: ['ready', 'ready'],
    printed: [/SUCCEEDED/],
  });
  const { a, b } = it;
  assert.deepEqual(it.control.calls, [`${b} drain`, `${b} ready`, `${a} drain`, `${a} ready`]);
  assert.equal(it.control.eligibleMin, 1);
});

test('B goes down while A drains: the drain is called off, A serves again', async (t) => {
  const it = await scene(t);
  const { control, a, b } = it;
  const pid = await pidOf(it.service, a);
  control.server(a).inFlight = 1;
  const lose = when(a, 'drain', 'start', () => {
    control.server(b).forced = 'down';
  });
  await afterwards(it, await deploy(it.service, control, 'v2', lose), {
    exit: 5,
    outcomes: ['v1 in untouched', 'v1 out untouched'],
    pool: ['ready', 'ready'],
    printed: [
      /^✖ server .+: leaves 0 eligible/m,
      /out of the pool: down/,
      /bring another server up/,
    ],
  });
  assert.deepEqual(control.calls, [`${a} drain`, `${a} ready`]);
  assert.equal(await pidOf(it.service, a), pid);
});

test('B goes down after A was stopped: A is finished as soon as it is healthy, and it is said', async (t) => {
  const it = await scene(t);
  const { control, a, b } = it;
  const lose = when(a, 'stop', 'done', () => {
    control.server(b).forced = 'down';
  });
  const back = when(a, 'admit', 'done', () => {
    control.server(b).forced = '';
  });
  // For so long nobody would serve.
  const service = { ...it.service, checkStableMs: 3_600_000 };
  const notes: string[] = [];
  const interrupts = new Interrupts();
  const deployed = await deploy(service, control, 'v2', {
    interrupts,
    onEvent: (event) => {
      lose.onEvent(event);
      back.onEvent(event);
      if (event.type === 'note') notes.push(`${event.instance} ${event.text}`);
      // B has others: it would be looked at for the whole time.
      if (event.type === 'instance' && event.instance === a) interrupts.abort('enough', false);
    },
  });
  await afterwards(it, deployed, {
    exit: 1,
    outcomes: ['v2 in released', 'v1 in untouched'],
    pool: ['ready', 'ready'],
    printed: [/^ {2}mixed {5}v2 on 1, v1 on 1$/m],
  });
  const said = `${a} only 0 other servers eligible (need 1) while it is out: it is admitted as soon as it is healthy`;
  assert.deepEqual(notes, [said]);
});

test('A is never healthy: its old version is brought back', async (t) => {
  const it = await scene(t);
  const env = { ...it.service.env, UNREADY: 'on' };
  const service = { ...it.service, checkDeadlineMs: 3000, env };
  await afterwards(it, await deploy(service, it.control, 'v2'), {
    exit: 1,
    outcomes: ['v1 in reverted', 'v1 in untouched'],
    pool: ['ready', 'ready'],
    printed: [
      /^✖ check failed: not healthy within 3s$/m,
      /^ {4}last probe: 503 in /m,
      /reverted: v2 failed/,
      /fix it and deploy again/,
    ],
  });
});

test('A cannot go back either: it is parked, B serves', async (t) => {
  const it = await scene(t);
  const marker = join(it.service.folder, 'no-v1-any-more');
  const dying = `import { existsSync } from 'node:fs';
if (version === 'v2' || existsSync('${marker}')) process.exit(3);`;
  // Both versions are started with it, so that a revert dies, too.
  const service = behaving(it.service, dying);
  const v1 = behaving(
    it.service,
    `import { existsSync } from 'node:fs';
if (existsSync('${marker}')) process.exit(4);`,
  );
  assert.equal((await deploy(v1, it.control, 'v1', { force: true })).result.exit, 0);
  await writeFile(marker, '');
  await afterwards(it, await deploy(service, it.control, 'v2'), {
    exit: 7,
    outcomes: ['- out parked', 'v1 in untouched'],
    pool: ['maint release:r3', 'ready'],
    printed: [
      /^✖ check failed: process exited with code 3 .+; then v1 could not be brought back: check failed: process exited with code 4 /m,
      /act now: 1 of 2 instances take traffic/,
    ],
  });
});

test('A is done and B fails: mixed, which is said, and both ways on', async (t) => {
  const it = await scene(t);
  const service = behaving(it.service, diesOn(it.b));
  await afterwards(it, await deploy(service, it.control, 'v2'), {
    exit: 1,
    outcomes: ['v2 in released', 'v1 in reverted'],
    pool: ['ready', 'ready'],
    printed: [
      /^✖ check failed: process exited with code 3 after /m,
      /^ {2}mixed {5}v2 on 1, v1 on 1$/m,
      /^ {12}fix it and deploy again\n {12}or go back, every instance: sluice rollback app -m WHY$/m,
    ],
  });
  assert.equal(it.control.eligibleMin, 1);
});

test('the rollback of A fails, the old version dies: B serves', async (t) => {
  const it = await scene(t, { onFailure: 'rollback' });
  const { a, b, control } = it;
  const marker = join(it.service.folder, 'no-v1-on-a');
  const v1 = behaving(
    it.service,
    `import { existsSync } from 'node:fs';
if (existsSync('${marker}') && isOn('${a}')) process.exit(4);`,
  );
  assert.equal((await deploy(v1, control, 'v1', { force: true })).result.exit, 0);
  await writeFile(marker, '');
  control.eligibleMin = 2;
  await afterwards(it, await deploy(behaving(it.service, diesOn(b)), control, 'v2'), {
    exit: 7,
    outcomes: ['- out parked', 'v1 in reverted'],
    pool: ['maint release:r3', 'ready'],
    printed: [
      /; then 127\.0\.0\.1:\d+ could not be rolled back: .+ process exited with code 4 /,
      /act now: 1 of 2 instances take traffic/,
    ],
  });
  assert.equal(control.eligibleMin, 1);
});

test('the rollback of A has no way back: A is left in traffic', async (t) => {
  const app = join(import.meta.dirname, '..', 'demo', 'app.ts');
  const built = await buildService(t, 2, { onFailure: 'rollback' });
  const file = (id: string, version: string): string =>
    join(built.runDir, id.split(':')[1] ?? '', `app-${version}.ts`);
  const [a = '', b = ''] = ids(built);
  const start = [
    process.execPath,
    join(built.runDir, '{port}', 'app-{version}.ts'),
    '-p',
    '{port}',
  ];
  const service = { ...built, start };
  for (const id of [a, b]) {
    await mkdir(dirname(file(id, 'v1')));
    await copyFile(app, file(id, 'v1'));
  }
  const control = new FakeControl([a, b]);
  assert.equal((await deploy(service, control, 'v1')).result.exit, 0);
  await copyFile(app, file(a, 'v2'));
  await writeFile(file(b, 'v2'), 'process.exit(3)');
  control.calls.length = 0;
  const lose = when(a, 'admit', 'done', () => void rm(file(a, 'v1')));
  await afterwards({ control, a, b }, await deploy(service, control, 'v2', lose), {
    exit: 7,
    outcomes: ['v2 in released', 'v1 in reverted'],
    pool: ['ready', 'ready'],
    printed: [
      /; then 127\.0\.0\.1:\d+ could not be rolled back: .+app-v1\.ts is gone$/m,
      /act now: 2 of 2 instances take traffic/,
      /^ {2}mixed {5}v2 on 1, v1 on 1$/m,
    ],
  });
  assert.deepEqual(control.calls, [`${a} drain`, `${a} ready`, `${b} drain`, `${b} ready`]);
});

test('the rollback of A would leave nobody: A is left in traffic', async (t) => {
  const it = await scene(t, { onFailure: 'rollback' });
  const { a, b, control } = it;
  // Back at the old version and in the pool, B goes down.
  let isBack = false;
  control.onChange = (id, state) => {
    if (id === a && isBack && state === 'drain') control.server(b).forced = 'down';
    if (id === b && state === 'ready') isBack = true;
  };
  await afterwards(it, await deploy(behaving(it.service, diesOn(b)), control, 'v2'), {
    exit: 7,
    outcomes: ['v2 in released', 'v1 out reverted'],
    pool: ['ready', 'ready'],
    printed: [/could not be rolled back: .+ left in traffic: /, /act now: 1 of 2 instances/],
  });
});

test('the control plane goes away in the middle: nothing is touched any more', async (t) => {
  const it = await scene(t);
  const { a, control } = it;
  const leave = when(a, 'stop', 'done', () => {
    control.isAway = true;
  });
  const deployed = await deploy(it.service, control, 'v2', { ...leave, controlRetryMs: 300 });
  await afterwards(it, deployed, {
    exit: 9,
    outcomes: ['v2 out stuck', 'v1 out untouched'],
    // As the gateway has it, which serves on.
    pool: ['drain release:r2', 'ready'],
    printed: [
      /^✖ control plane .+: away$/m,
      /LEFT HALF-WAY: runs v2, not admitted/,
      /start the control plane again \(sluice serve\), then: sluice deploy app --version v2/,
    ],
  });
  assert.deepEqual(control.calls, [`${a} drain`]);
});
