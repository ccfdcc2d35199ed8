import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../../../../test/support/base/until.ts';
import { needPeer } from '../../../../test/support/peers/programs.ts';
import { killGroup } from '../../../../test/support/release/builders.ts';
import { shellHost } from '../../../../test/support/release/shell-host.ts';
import { sharedSshHost } from '../../../../test/support/release/ssh-hosts.ts';
import type { Command, Host, HostProcess, Keeper, ProcessName, Spawned } from '../../hosts.ts';

const PATH = process.env['PATH'] ?? '';
const SLEEPS = 'echo "$0 up"; exec sleep 600';

type Kept = {
  readonly host: Host;
  readonly log: string;
  readonly mark: string;
  readonly spawned: Spawned;
  readonly keeper: () => Promise<Keeper>;
  readonly tell: (...words: Tail) => Promise<void>;
  /** What runs of the instance now. */
  readonly running: () => Promise<readonly HostProcess[]>;
  readonly kill: (name?: 'KILL' | 'TERM') => Promise<ProcessName>;
};

type Tail = [order: 'on' | 'hold' | 'off', options?: { fence?: number; holdS?: number }];

async function kept(
  t: TestContext,
  host: Host,
  { first = SLEEPS, again = SLEEPS }: { first?: string; again?: string } = {},
): Promise<Kept> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-keep-'));
  const log = join(folder, 'app', 'a b.log');
  const mark = `m ${folder}`;
  const running = async (): Promise<readonly HostProcess[]> =>
    ((await host.processes('SLUICE_INSTANCE')) ?? []).filter(({ value }) => value === mark);
  const command = (script: string): Command => ({
    file: '/bin/sh',
    args: ['-c', script, 'app'],
    cwd: folder,
    env: { PATH, SLUICE_INSTANCE: mark, SECRET: `it's "s" $x` },
  });
  const { keepers } = host;
  assert(keepers !== undefined);
  await host.makeFolder(join(folder, 'app'));
  const spawned = await host.spawn(command(first), log, { again: command(again), delayS: 0 });
  t.after(async () => {
    await keepers.tell(log, 'off');
    for (const { pid } of await running()) killGroup(pid);
    await until(async () => (await keepers.ask(log))?.isKept !== true);
    await rm(folder, { recursive: true, force: true });
  });
  const keeper = async (): Promise<Keeper> => {
    const found = await keepers.ask(log);
    assert(found !== null);
    return found;
  };
  const kill: Kept['kill'] = async (name = 'KILL') => {
    const { process: own } = await keeper();
    assert.equal(await host.signal(own, name), true);
    return own;
  };
  const tell: Kept['tell'] = (order, options) => keepers.tell(log, order, options);
  return { host, log, mark, spawned, keeper, tell, running, kill };
}

async function isAt(it: Kept, part: Partial<Keeper>): Promise<void> {
  await until(async () => {
    const now: Partial<Keeper> = await it.keeper();
    return Object.entries({ ...now, ...part }).every(
      ([name, value]) => JSON.stringify(Reflect.get(now, name)) === JSON.stringify(value),
    );
  });
}

function suite(name: string, open: (t: TestContext) => Promise<Host | undefined>): void {
  const check = (what: string, run: (host: Host, t: TestContext) => Promise<void>): void => {
    test(`a keeper ${name}: ${what}`, async (t) => {
      const host = await open(t);
      if (host !== undefined) await run(host, t);
    });
  };

  check('starts again what is killed, by the later command, as it was', async (host, t) => {
    const again = 'echo "$0 again $SECRET"; exec sleep 600';
    const it = await kept(t, host, { again });
    const [first] = await it.running();
    assert.deepEqual(first && { pid: first.pid, identity: first.identity }, it.spawned.process);
    assert.equal(first?.session, first?.pid, 'alone in its session');
    const before = await it.keeper();
    assert.deepEqual([before.mode, before.isAlive, before.isKept], ['new', true, true]);
    assert.deepEqual([before.restarts, before.code], [0, null]);
    await it.tell('on');
    const killed = await it.kill();
    await isAt(it, { restarts: 1, isAlive: true, mode: 'on', code: 137 });
    await until(async () => (await it.running()).length === 1);
    const now = await it.keeper();
    assert.notEqual(now.process.pid, killed.pid);
    assert(now.sinceMs > 0 && now.endedMs >= now.sinceMs && now.isSameBoot);
    const text = `app up\nsluice: started again (1)\napp again it's "s" $x\n`;
    await until(async () => (await host.read(it.log, 0, 1000))?.toString() === text);
    await it.kill();
    await isAt(it, { restarts: 2, isAlive: true });
  });

  check('is in no list of processes with a value, and on no disk', async (host, t) => {
    const it = await kept(t, host);
    const words = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
    assert(!words.includes(`"s" $x`));
    const folder = join(it.log, '..');
    for (const file of await readdir(folder)) {
      assert(!(await readFile(join(folder, file), 'utf8')).includes('"s"'), file);
    }
  });

  check('leaves alone what is new, stopped, or ended in good order', async (host, t) => {
    const one = await kept(t, host);
    await one.kill();
    await isAt(one, { mode: 'off', isKept: false });
    await one.tell('on');
    assert.equal((await one.keeper()).mode, 'off', 'for good');

    const two = await kept(t, host);
    await two.tell('on');
    await two.tell('off');
    await two.kill();
    await isAt(two, { mode: 'off', isKept: false, isAlive: false });

    const three = await kept(t, host);
    await three.tell('on');
    await three.kill('TERM');
    await isAt(three, { mode: 'done', isKept: false, code: 143 });
    for (const it of [one, two, three]) assert.deepEqual(await it.running(), []);
  });

  check('waits while a release drains it, and goes on when its time is over', async (host, t) => {
    const it = await kept(t, host);
    await it.tell('on');
    await it.tell('hold', { holdS: 600 });
    await it.kill();
    await isAt(it, { mode: 'hold', code: 137, isKept: true });
    assert.deepEqual(await it.running(), []);
    await it.tell('on');
    await isAt(it, { mode: 'on', restarts: 1, isAlive: true });
    await it.tell('hold', { holdS: 0 });
    await it.kill();
    await isAt(it, { mode: 'on', restarts: 2, isAlive: true });
    await it.tell('hold', { holdS: 600 });
    await it.kill();
    await isAt(it, { mode: 'hold', isAlive: false });
    await it.tell('off');
    await isAt(it, { isKept: false, restarts: 2 });
  });

  check('ends when another start has taken its place', async (host, t) => {
    const it = await kept(t, host);
    await it.tell('on');
    const { process: old } = await it.keeper();
    const command = { file: '/bin/sleep', args: ['600'], cwd: '/', env: { PATH } };
    const { process: other } = await host.spawn(command, it.log, { again: command });
    assert.equal(await host.signal(old, 'KILL'), true);
    await until(async () => (await it.running()).length === 0);
    const { process: own, restarts, mode } = await it.keeper();
    killGroup(other.pid);
    assert.deepEqual([own, restarts, mode], [other, 0, 'new']);
  });

  check('never starts a second one beside what is left of the first', async (host, t) => {
    const it = await kept(t, host, { first: 'sleep 600 & echo up; wait' });
    await until(async () => (await host.read(it.log, 0, 100))?.toString() === 'up\n');
    await it.tell('on');
    const own = await it.kill();
    await isAt(it, { code: 137, isAlive: false, isKept: true });
    const left = (await it.running()).find(({ pid }) => pid !== own.pid);
    assert(left !== undefined);
    await isAt(it, { mode: 'left', isKept: true });
    assert.deepEqual(
      (await it.running()).map(({ pid }) => pid),
      [left.pid],
    );
    process.kill(left.pid, 'SIGKILL');
    await isAt(it, { mode: 'on', restarts: 1, isAlive: true });
  });

  check('gives up after ten in a row', async (host, t) => {
    const it = await kept(t, host, { again: 'exit 7' });
    await it.tell('on');
    await it.kill();
    await isAt(it, { mode: 'lost', restarts: 10, code: 7, isKept: false });
  });

  check('does not obey a release that was taken over', async (host, t) => {
    const it = await kept(t, host);
    await it.tell('on', { fence: 3 });
    await host.claim(join(it.log, '..'), 4);
    await assert.rejects(it.tell('off', { fence: 3 }), { code: 'locked' });
    assert.equal((await it.keeper()).mode, 'on');
    await it.tell('off', { fence: 4 });
  });

  check('is none where a program cannot be started, or none is wanted', async (host, t) => {
    const it = await kept(t, host);
    const command = { file: '/bin/sleep', args: ['600'], cwd: '/', env: { PATH } };
    const log = `${it.log}.2`;
    const { process: own } = await host.spawn(command, log);
    t.after(() => killGroup(own.pid));
    assert.equal(await host.keepers?.ask(log), null);
    await host.keepers?.tell(log, 'off');
    await writeFile(`${log}.keep`, 'half a li');
    assert.equal(await host.keepers?.ask(log), null);
    await host.keepers?.tell(log, 'off');
  });
}

suite('by shell scripts', async () => shellHost('sh', '-s'));
suite('behind ssh', sharedSshHost());
suite('by scripts of busybox', async (t) =>
  needPeer(t, 'busybox') === undefined ? undefined : shellHost('busybox', 'sh', '-s'));
