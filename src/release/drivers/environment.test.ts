import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import {
  buildService,
  deploy,
  FakeControl,
  ids,
  outcomes,
  pidOf,
} from '../../../test/support/release/builders.ts';
import type { ServiceConfig } from '../../config.ts';
import { logFile, serviceFolder } from '../journal/files.ts';
import { masked } from '../masking.ts';
import { environmentOf, type LaunchEnvironment, secretsOf } from './environment.ts';

const LAUNCH: LaunchEnvironment = {
  env: {},
  inherit: [],
  path: '/bin',
};
const SHELL = {
  PATH: '/usr/bin',
  HOME: '/home/a',
  LC_TIME: 'C',
  TZ: 'UTC',
  CI_JOB_TOKEN: 'hush',
  AWS_SECRET_ACCESS_KEY: 'hush',
  NODE_ENV: 'test',
  NODE_OPTIONS: '--inspect',
  BUILD_ID: '7',
  JENKINS_NODE_COOKIE: 'c',
  RUNNER_TRACKING_ID: 'r',
  SLUICE_TOKEN: 'hush',
};
const FEW = { HOME: '/home/a', LC_TIME: 'C', TZ: 'UTC', PATH: '/bin' };

test('an instance gets the usual few variables, what is named, and what is configured', async () => {
  const values = async (part: Partial<LaunchEnvironment>): Promise<unknown> =>
    (await environmentOf({ ...LAUNCH, ...part }, { own: SHELL })).values;
  assert.deepEqual(await values({}), FEW);
  assert.deepEqual(await values({ inherit: ['NODE_ENV', 'NOT_SET'] }), {
    ...FEW,
    NODE_ENV: 'test',
  });
  assert.deepEqual(await values({ env: { PATH: '/own', A: '1' } }), {
    ...FEW,
    PATH: '/own',
    A: '1',
  });
  const { BUILD_ID: _, JENKINS_NODE_COOKIE: __, RUNNER_TRACKING_ID: ___, ...most } = SHELL;
  const { SLUICE_TOKEN: ____, ...all } = most;
  assert.deepEqual(await values({ inherit: 'all' }), { ...all, PATH: '/bin' });
  assert.deepEqual(await values({ inherit: ['SLUICE_TOKEN'] }), { ...FEW, SLUICE_TOKEN: 'hush' });
});

test('a reference is the value of the variable, or the reason why there is none', async () => {
  const read = (text: string): Promise<unknown> =>
    environmentOf({ ...LAUNCH, env: { X: text } }, { own: SHELL });
  assert.deepEqual(await read('env:CI_JOB_TOKEN'), { values: { ...FEW, X: 'hush' }, problem: '' });
  assert.deepEqual(await read('file:///data/app.db'), {
    values: { ...FEW, X: 'file:///data/app.db' },
    problem: '',
  });
  assert.deepEqual(await read('env:GONE'), {
    values: {},
    problem: 'env.X: environment variable GONE is not set; set it, or remove this key',
  });
});

test('secrets are masked in texts, not in names', () => {
  const secrets = new Set(['instance']);
  assert.deepEqual(masked({ instance: ['the instance', 1, null, true] }, secrets), {
    instance: ['the ***', 1, null, true],
  });
});

const PEM = '-----BEGIN KEY-----\nMIIEvQ/aaaaaa"bbbbbb\nZZ9\\cccccc dddddd\n-----END KEY-----';
const PRINTED: readonly [string, (secret: string) => readonly string[]][] = [
  ['as it is', (secret) => [secret]],
  ['line by line', (secret) => secret.split('\n').map((line) => `  ${line}`)],
  ['on one line', (secret) => [secret.replaceAll('\n', ' ')]],
  ['as JSON', (secret) => [JSON.stringify({ secret })]],
  ['by the console', (secret) => inspect({ secret }).split('\n')],
  ['in a URL', (secret) => [`x://u:${encodeURIComponent(secret)}@h`, encodeURI(secret)]],
  ['in Base64', (secret) => [Buffer.from(secret).toString('base64')]],
  ['cut off', (secret) => [`--key=${secret.slice(0, 12)}`, `a (--key=${secret.slice(0, 9)}…) b`]],
];

for (const [name, print] of PRINTED) {
  test(`a secret that is printed ${name} is masked`, async () => {
    for (const value of [PEM, 'hunter2-"with\\quotes\'', 'x'.repeat(900)]) {
      const secrets = new Set(await secretsOf({ A: 'env:A_SECRET' }, { A_SECRET: value }));
      const shown = masked(print(value), secrets).join('\n');
      assert.doesNotMatch(shown, /MIIEv|aaaaa|ccccc|END|hunter|quotes|xxx|%20KEY|SElJR/, shown);
      assert.match(shown, /\*\*\*/);
    }
  });
}

test('what is no secret stays: texts without one, and short values', async () => {
  const secrets = new Set(
    await secretsOf({ A: 'env:A', B: 'env:B' }, { A: 'postgres://u:p@h/db', B: 'v1' }),
  );
  assert.equal(masked('no postgres here, v1', secrets), 'no postgres here, v1');
});

test('a secret in the command line of a process reaches neither plan nor control plane', async (t) => {
  setVariable(t, 'TEST_SECRET', 's3cr3t-value');
  const child = `sh -c 'touch up; sleep 60; :' --password=$PASSWORD`;
  const script = `${child} & until [ -e up ]; do sleep 0.01; done; exit 0`;
  const service = await buildService(t, 1, {
    env: { PASSWORD: 'env:TEST_SECRET' },
    start: ['/bin/sh', '-c', script],
    onFailure: 'park',
  });
  const [id = ''] = ids(service);
  const control = new FakeControl([id]);
  const deployed = await deploy(service, control, 'v1');
  assert.match(deployed.result.reason, /and left pid \d+ \(.*\*\*\*/);
  assert.match(JSON.stringify(await control.status()), /and left pid/);
  assert.doesNotMatch(JSON.stringify([deployed, await control.status()]), /s3cr3t-value/);
});

function setVariable(t: TestContext, name: string, value: string): void {
  process.env[name] = value;
  t.after(() => delete process.env[name]);
}

/** Everything that releases have written down, without the instances' own logs. */
async function written(service: ServiceConfig): Promise<string> {
  const folder = serviceFolder(service);
  const names = (await readdir(folder, { recursive: true })).filter((name) => /json/.test(name));
  return (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).join('\n');
}

test('a secret reaches the instance and nothing else, also when the instance prints it', async (t) => {
  setVariable(t, 'TEST_SECRET', 's3cr3t-value');
  setVariable(t, 'CI_JOB_TOKEN', 'ci-value');
  const script = `console.log('got ' + process.env.PASSWORD + ' ' + process.env.CI_JOB_TOKEN); process.exit(1)`;
  const service = await buildService(t, 1, {
    env: { PASSWORD: 'env:TEST_SECRET' },
    start: [process.execPath, '-e', script],
  });
  const [id = ''] = ids(service);
  const deployed = await deploy(service, new FakeControl([id]), 'v1');
  assert.match(await readFile(logFile(service, id), 'utf8'), /^got s3cr3t-value undefined$/m);
  assert(deployed.result.evidence.includes('app log: got *** undefined'));
  assert.doesNotMatch(JSON.stringify(deployed), /s3cr3t-value/);
  const files = await written(service);
  assert.match(files, /env:TEST_SECRET/);
  assert.doesNotMatch(files, /s3cr3t-value/);
});

test('a variable that is not set is named before anything is stopped', async (t) => {
  const service = await buildService(t, 1);
  const [id = ''] = ids(service);
  const control = new FakeControl([id]);
  await deploy(service, control, 'v1');
  const pid = await pidOf(service, id);
  control.calls.length = 0;
  const next = { ...service, env: { ...service.env, X: 'env:NOT_SET_ANYWHERE' } };
  const deployed = await deploy(next, control, 'v2', { allowDowntime: true });
  assert.equal(deployed.result.exit, 3);
  assert.match(deployed.result.reason, /env\.X: environment variable NOT_SET_ANYWHERE is not set/);
  assert.deepEqual(control.calls, []);
  assert.equal(await pidOf(service, id), pid);
});

test('a revert reads the references of the old launch anew', async (t) => {
  setVariable(t, 'TEST_VERSION', 'v1');
  const service = await buildService(t, 1, { env: { VERSION: 'env:TEST_VERSION' } });
  const control = new FakeControl(ids(service));
  await deploy(service, control, 'v1');
  const broken = { ...service, env: { VERSION: 'broken' } };
  const deployed = await deploy(broken, control, 'v2', { allowDowntime: true });
  assert.deepEqual(outcomes(deployed), ['v1 in reverted']);
});
