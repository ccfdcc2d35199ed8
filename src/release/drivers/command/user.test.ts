import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { test } from 'node:test';
import {
  buildService,
  deploy,
  FakeControl,
  ids,
  pidOf,
} from '../../../../test/support/release/builders.ts';
import { shellHost } from '../../../../test/support/release/shell-host.ts';
import { localHost } from '../../hosts.ts';
import { switchTo, type UserFacts, userSwitch } from './user.ts';

const ROOT: UserFacts = {
  ownId: 0,
  ownName: 'root',
  id: 1001,
  group: 1002,
  home: '/home/app',
  shell: '/bin/bash',
  setpriv: '/usr/bin/setpriv',
  sudo: '/usr/bin/sudo',
  maySudo: false,
};
const DEPLOY: UserFacts = { ...ROOT, ownId: 1000, ownName: 'deploy', maySudo: true };
const COMMAND = {
  file: '/opt/node/bin/node-24',
  name: '/srv/bin/node',
  args: ['app.js', 'a b'],
  cwd: '/srv',
  env: { PATH: '/bin', PASSWORD: 'hush' },
};

test('root becomes the user, and the program keeps its name', () => {
  const { problem, variables, wrap } = switchTo('app', ROOT);
  assert.equal(problem, '');
  assert.deepEqual(variables, {
    HOME: '/home/app',
    SHELL: '/bin/bash',
    USER: 'app',
    LOGNAME: 'app',
  });
  assert.deepEqual(wrap(COMMAND), {
    file: '/usr/bin/setpriv',
    args: ['--reuid=1001', '--regid=1002', '--init-groups', '--', '/srv/bin/node', 'app.js', 'a b'],
    cwd: '/srv',
    env: COMMAND.env,
  });
});

test('with sudo no value stands in the words, which are in the list of processes', () => {
  const wrapped = switchTo('app', DEPLOY).wrap(COMMAND);
  assert.equal(wrapped.file, '/usr/bin/sudo');
  assert.deepEqual(wrapped.args, [
    ...['-n', '-u', 'app', '--preserve-env=PASSWORD', '--'],
    ...['/usr/bin/env', 'PATH=/bin', '/srv/bin/node', 'app.js', 'a b'],
  ]);
  assert.deepEqual(wrapped.env, COMMAND.env);
});

test('who we are already is no other user', () => {
  const { problem, variables, wrap } = switchTo('app', { ...DEPLOY, ownId: 1001 });
  assert.deepEqual([problem, variables, wrap(COMMAND)], ['', {}, COMMAND]);
});

test('what is missing is named with what to do', () => {
  const problemOf = (facts: UserFacts): string => switchTo('app', facts).problem;
  assert.match(problemOf({ ...ROOT, id: Number.NaN }), /^user "app" does not exist; /);
  assert.match(problemOf({ ...ROOT, setpriv: '' }), /install util-linux$/);
  assert.match(problemOf({ ...DEPLOY, sudo: '' }), /sudo is not there; .* deploy as app$/);
  assert.match(
    problemOf({ ...DEPLOY, maySudo: false }),
    /visudo -f \/etc\/sudoers\.d\/sluice: deploy ALL=\(app\) NOPASSWD:SETENV: ALL$/,
  );
});

test('elsewhere an instance gets the home of its user there, not that of the runner', async (t) => {
  const home = process.env['HOME'];
  process.env['HOME'] = '/home/of/the/runner';
  t.after(() => {
    process.env['HOME'] = home;
  });
  const shell = shellHost('sh', '-s');
  const { variables } = await userSwitch(shell, '');
  assert.equal(variables['HOME'], userInfo().homedir);
  assert.equal(variables['USER'], userInfo().username);
  assert.deepEqual((await userSwitch(localHost, '')).variables, {});
});

test('a user that the host does not have is a preflight error', async (t) => {
  const service = await buildService(t, 1, { user: 'no-such-user' });
  const { result } = await deploy(service, new FakeControl(ids(service)), 'v1');
  assert.equal(result.exit, 3);
  assert.match(result.reason, /user "no-such-user" does not exist/);
});

const { problem } = await userSwitch(localHost, 'nobody');

test('an instance runs, and is stopped, as its user', {
  skip: problem === '' && process.getuid?.() === 0 ? false : 'only root can try it',
}, async (t) => {
  const service = await buildService(t, 1, { user: 'nobody' });
  const control = new FakeControl(ids(service));
  const [id = ''] = ids(service);
  assert.equal((await deploy(service, control, 'v1')).result.outcome, 'succeeded');
  const first = (await pidOf(service, id)) ?? 0;
  const status = await readFile(`/proc/${first}/status`, 'utf8');
  const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1];
  assert.notEqual(uid, '0');
  const environment = await readFile(`/proc/${first}/environ`, 'utf8');
  assert(environment.split('\0').includes('USER=nobody'));
  const next = await deploy(service, control, 'v2', { allowDowntime: true });
  assert.equal(next.result.outcome, 'succeeded', next.result.reason);
  assert.notEqual(await pidOf(service, id), first);
});
