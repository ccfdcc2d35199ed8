import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { PROJECT } from '../demo/stack/gateway.ts';
import { versionOf } from './support/release/builders.ts';
import { type ReleaseStack, startReleaseStack } from './support/release/stack.ts';

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs a verb of the CLI; `onLine` gets each line of standard output and a way to signal it. */
async function sluice(
  { stack }: ReleaseStack,
  argv: readonly string[],
  onLine: (line: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
): Promise<Ended> {
  const command = [join(PROJECT, 'bin/sluice.js'), '-c', stack.configFile, ...argv];
  const child = spawn(process.execPath, command, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // The output of a release goes by the CI system that tests us.
    env: { ...process.env, GITHUB_ACTIONS: '', GITLAB_CI: '' },
  });
  let stdout = '';
  let stderr = '';
  createInterface(child.stdout).on('line', (line) => {
    stdout += `${line}\n`;
    onLine(line, (signal) => child.kill(signal));
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

function versions({ instances }: ReleaseStack): Promise<readonly string[]> {
  return Promise.all(instances.map(versionOf));
}

test('the verbs plan and deploy', async (t: TestContext) => {
  const it = await startReleaseStack(t);
  const deploy = (version: string, ...more: string[]): readonly string[] => [
    ...['deploy', 'app', '--version', version],
    ...more,
  ];

  await t.test(
    'plan changes nothing, and says by its exit code whether there is something to do',
    async () => {
      const plan = ['plan', 'app', '--version', 'v1'];
      const before = await sluice(it, [...plan, '--detailed-exitcode']);
      assert.equal(before.code, 20, before.stderr);
      assert.match(before.stdout, /^app {2}nothing running -> v1 .*\n {2}batch 1 {4}127/);
      assert.equal((await sluice(it, plan)).code, 0);
      assert.deepEqual(await versions(it), ['', '']);
      assert.equal((await sluice(it, deploy('v1'))).code, 0);
      const after = await sluice(it, [...plan, '--detailed-exitcode', '--json']);
      assert.equal(after.code, 0);
      assert.deepEqual(JSON.parse(after.stdout).from, ['v1']);
    },
  );

  await t.test('--json is one event per line, and the last is the result', async () => {
    const { code, stdout, stderr } = await sluice(it, deploy('v2', '--json'));
    assert.equal(code, 0, stderr);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert(
      events.every((event) => event.v === 1 && event.release === 'r2' && event.service === 'app'),
    );
    assert.equal(events[0].type, 'plan');
    assert.deepEqual(events.at(-1).type, 'result');
    assert.equal(events.at(-1).result.outcome, 'succeeded');
  });

  await t.test(
    'a signal after the stop: this instance is finished, the exit code is of the signal',
    async () => {
      const { code, stdout, stderr } = await sluice(it, deploy('v3'), (line, kill) => {
        if (/ stop +done /.test(line)) kill('SIGTERM');
      });
      assert.equal(code, 143, stdout);
      assert.match(
        stderr,
        /^sluice: SIGTERM: stopping at the next safe point; again to stop at once\n$/,
      );
      assert.match(stdout, /INTERRUPTED/);
      assert.match(stdout, /next {6}go on where it stopped.*: sluice deploy app --version v3/);
      assert.deepEqual(await versions(it), ['v3', 'v2']);
    },
  );

  await t.test('signals that mean nothing to a release change nothing', async () => {
    const { code, stdout, stderr } = await sluice(it, deploy('v3'), (line, kill) => {
      if (!/ stop +done /.test(line)) return;
      for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGPROF', 'SIGTTIN'] as const)
        kill(signal);
    });
    assert.equal(code, 0, stdout);
    assert.equal(stderr, '');
    assert.deepEqual(await versions(it), ['v3', 'v3']);
  });

  await t.test('a second signal stops at once, and the next deploy finishes it', async () => {
    const { code, stdout } = await sluice(it, deploy('late'), (line, kill) => {
      if (/ check +start /.test(line)) {
        kill('SIGINT');
        // Signals of one kind that are pending together are delivered once: use another kind.
        kill('SIGTERM');
      }
    });
    assert.equal(code === 130 || code === 143, true, `${code}`);
    assert.match(stdout, /LEFT HALF-WAY/);
    const again = await sluice(it, deploy('v4'));
    assert.equal(again.code, 0, again.stdout);
    assert.deepEqual(await versions(it), ['v4', 'v4']);
  });

  await t.test('a reader that goes away does not stop the release', async () => {
    const command = `"$0" "$@" | head -n 1; echo "code \${PIPESTATUS[0]}"`;
    const argv = [join(PROJECT, 'bin/sluice.js'), '-c', it.stack.configFile, ...deploy('v5')];
    const shell = spawn('bash', ['-c', command, process.execPath, ...argv]);
    let text = '';
    shell.stdout.on('data', (chunk) => {
      text += chunk;
    });
    await once(shell, 'close');
    assert.match(text, /code 0\n$/);
    assert.deepEqual(await versions(it), ['v5', 'v5']);
  });

  await t.test('while a release runs, another deploy is refused with its own code', async () => {
    let second: Promise<Ended> | undefined;
    const first = await sluice(it, deploy('late'), (line) => {
      if (/ guard +done /.test(line)) second ??= sluice(it, deploy('v6'));
    });
    assert.equal(first.code, 0, first.stdout);
    const refused = await second;
    assert.equal(refused?.code, 4, refused?.stdout);
    assert.match(
      refused?.stderr ?? '',
      /^sluice: service "app": release r\d+ to late by .* \(pid \d+ on .+\)/,
    );
    assert.deepEqual(await versions(it), ['late', 'late']);
  });

  const wrong: readonly [string, readonly string[], RegExp][] = [
    [
      'a service that is not there',
      ['deploy', 'web', '--version', 'v1'],
      /service "web": not in .*; known: app/,
    ],
    ['no version', ['deploy', 'app'], /option '--version <version>' is required/],
    ['a version with a blank', ['plan', 'app', '--version', 'v 1'], /write 1 to 128 letters/],
  ];
  for (const [name, argv, message] of wrong) {
    await t.test(`usage: ${name}`, async () => {
      const { code, stdout, stderr } = await sluice(it, argv);
      assert.equal(code, 2);
      assert.equal(stdout, '');
      assert.match(stderr, message);
    });
  }

  await t.test('without a control plane nothing is touched', async () => {
    const { code, stdout } = await sluice(it, ['--control', 'http://127.0.0.1:1', ...deploy('v7')]);
    assert.equal(code, 9);
    assert.match(stdout, /REFUSED, nothing was changed \(exit 9\)/);
    assert.deepEqual(await versions(it), ['late', 'late']);
  });
});
